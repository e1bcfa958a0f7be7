package k3k

import (
	"context"
	"encoding/json"
	"time"

	"dragoman/bridge"
)

// timerActions are what clients ask of the namespace timer (reference 11.4).
var timerActions = map[string]handler{
	"start":               to((*seat).startTimer),
	"stop":                to((*seat).stopTimer),
	"update_ready_status": to((*seat).setReady),
}

type (
	startTimer struct {
		Kind     string  `json:"kind"`
		Duration *uint64 `json:"duration"`
		Style    string  `json:"style"`
		Title    string  `json:"title"`
		Check    bool    `json:"enable_ready_check"`
	}
	stopTimer struct {
		ID     bridge.MessageID `json:"timer_id"`
		Reason string           `json:"reason"`
	}
	setReady struct {
		ID     bridge.MessageID `json:"timer_id"`
		Status *bool            `json:"status"`
	}
)

// Kinds of timers.
const (
	countdown = "countdown"
	stopwatch = "stopwatch"
)

func (c startTimer) complete() bool {
	return c.Kind == stopwatch || c.Kind == countdown && c.Duration != nil
}
func (c stopTimer) complete() bool { return !c.ID.IsZero() }
func (c setReady) complete() bool  { return !c.ID.IsZero() && c.Status != nil }

// timer is one that was started, as it is kept with the room.
type timer struct {
	timerDoc
	Ready   map[string]bool       `json:"ready,omitempty"`
	Stopped *bridge.ParticipantID `json:"stopped_by,omitempty"` // nil: it runs
	Reason  string                `json:"reason,omitempty"`

	version uint64
	cancel  func() // takes back the end of a countdown; nil: there is none
}

// timerDoc is what is told of a timer.
type timerDoc struct {
	ID        bridge.MessageID `json:"timer_id"`
	StartedAt stamp            `json:"started_at"`
	Kind      string           `json:"kind"`
	EndsAt    *stamp           `json:"ends_at,omitempty"`
	Style     string           `json:"style,omitempty"`
	Title     string           `json:"title,omitempty"`
	Check     bool             `json:"ready_check_enabled"`
}

type (
	timerStopped struct {
		ID     bridge.MessageID      `json:"timer_id"`
		Kind   string                `json:"kind"`
		By     *bridge.ParticipantID `json:"participant_id,omitempty"`
		Reason string                `json:"reason,omitempty"`
	}
	timerReady struct {
		ID     bridge.MessageID `json:"timer_id"`
		Who    string           `json:"participant_id"`
		Status bool             `json:"status"`
	}
)

// Bounds of timers, so that what is kept with a room has one.
const (
	longestTimer = 100 * 24 * 3600 // seconds
	longestLabel = 1024            // bytes of a style, a title, a reason
)

// readTimer reads the document; nil: there is none.
func readTimer(d bridge.Doc) *timer {
	t := &timer{version: d.Version}
	if len(d.Value) == 0 || json.Unmarshal(d.Value, t) != nil {
		return nil
	}
	return t
}

// over reports whether the timer runs no more.
func (m *timer) over() bool {
	return m == nil || m.Stopped != nil || m.EndsAt != nil && !time.Now().Before(time.Time(*m.EndsAt))
}

// doc is what is told of a timer that runs; nil: none does.
func (m *timer) doc() *timerDoc {
	if m.over() {
		return nil
	}
	return &m.timerDoc
}

// run waits for the end of a countdown. Every connection does, so that nobody has
// to say so.
func (m *timer) run(t *seat) {
	if m.over() || m.EndsAt == nil {
		return
	}
	m.cancel = t.s.c.After(time.Until(time.Time(*m.EndsAt)), func(context.Context) error {
		m.cancel = nil
		return t.s.say(nsTimer, "stopped", timerStopped{ID: m.ID, Kind: "expired"})
	})
}

// stop takes back what run has begun.
func (m *timer) stop() {
	if m != nil && m.cancel != nil {
		m.cancel()
		m.cancel = nil
	}
}

// replaces is the version that the next document replaces.
func (m *timer) replaces() uint64 {
	if m == nil {
		return 0
	}
	return m.version
}

func (t *seat) startTimer(ctx context.Context, q startTimer) error {
	now := time.Now()
	m := timer{timerDoc: timerDoc{
		ID: bridge.NewMessageID(), StartedAt: stamp(now), Kind: q.Kind,
		Style: cut(q.Style, longestLabel), Title: cut(q.Title, longestLabel), Check: q.Check,
	}}
	if q.Kind == countdown {
		if *q.Duration == 0 || *q.Duration > longestTimer {
			return refuse("invalid_duration")
		}
		m.EndsAt = when(now.Add(time.Duration(*q.Duration) * time.Second))
	}
	switch {
	case !t.me.moderates():
		return refuse(insufficient)
	case !t.timer.over():
		return refuse("timer_already_running")
	}
	err := t.put(ctx, docTimer, m, t.timer.replaces())
	if bridge.CodeOf(err) == bridge.Exists {
		return refuse("timer_already_running")
	}
	return err
}

func (t *seat) stopTimer(ctx context.Context, q stopTimer) error {
	if !t.me.moderates() {
		return refuse(insufficient)
	}
	return t.changeTimer(ctx, q.ID, func(m *timer) {
		m.Stopped, m.Reason = &t.me.who.ID, cut(q.Reason, longestLabel)
	})
}

func (t *seat) setReady(ctx context.Context, q setReady) error {
	return t.changeTimer(ctx, q.ID, func(m *timer) {
		ready := map[string]bool{t.me.who.ID.String(): *q.Status}
		for who, status := range m.Ready {
			if _, mine := ready[who]; !mine {
				ready[who] = status
			}
		}
		m.Ready = ready
	})
}

// changeTimer changes the timer that runs. Another id is ignored.
func (t *seat) changeTimer(ctx context.Context, id bridge.MessageID, change func(*timer)) error {
	return t.insist(ctx, nsTimer, attempts, func(ctx context.Context) error {
		if t.timer.over() || t.timer.ID != id {
			return nil
		}
		m := *t.timer
		change(&m)
		return t.put(ctx, docTimer, m, m.version)
	})
}

// timerChanged tells what is different about the timer.
func (t *seat) timerChanged(now *timer) error {
	was := t.timer
	was.stop()
	t.timer = now
	now.run(t)
	switch {
	case now == nil:
		return nil
	case was == nil || was.ID != now.ID:
		if now.over() {
			return nil
		}
		return t.s.say(nsTimer, "started", now.timerDoc)
	case now.Stopped != nil && was.Stopped == nil:
		return t.s.say(nsTimer, "stopped", timerStopped{now.ID, "by_moderator", now.Stopped, now.Reason})
	}
	return t.readyChanged(was, now)
}

func (t *seat) readyChanged(was, now *timer) error {
	for _, who := range sortedKeys(now.Ready) {
		status := now.Ready[who]
		if before, known := was.Ready[who]; known && before == status {
			continue
		}
		if err := t.s.say(nsTimer, "updated_ready_status", timerReady{now.ID, who, status}); err != nil {
			return err
		}
	}
	return nil
}
