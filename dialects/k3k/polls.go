package k3k

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"dragoman/bridge"
)

// pollActions are what clients ask of the namespace polls (reference 11.3).
var pollActions = map[string]handler{
	"start":  to((*seat).startPoll),
	"vote":   to((*seat).vote),
	"finish": to((*seat).finishPoll),
}

type (
	startPoll struct {
		Topic    *string   `json:"topic"`
		Live     *bool     `json:"live"`
		Choices  *[]string `json:"choices"`
		Duration *uint64   `json:"duration"`
	}
	votePoll struct {
		ID     bridge.MessageID `json:"poll_id"`
		Choice *int             `json:"choice_id"`
	}
	finishPoll struct {
		ID bridge.MessageID `json:"id"`
	}
)

func (c startPoll) complete() bool {
	return c.Topic != nil && c.Live != nil && c.Choices != nil && c.Duration != nil
}
func (c votePoll) complete() bool   { return !c.ID.IsZero() }
func (c finishPoll) complete() bool { return !c.ID.IsZero() }

// poll is one that was started, as it is kept with the room.
type poll struct {
	pollDoc
	Ends     stamp          `json:"ends"`
	Votes    map[string]int `json:"votes,omitempty"` // by who
	Finished bool           `json:"finished,omitempty"`

	version uint64
	cancel  func() // takes back the end; nil: there is none
}

// pollDoc is what is told of a poll.
type pollDoc struct {
	ID       bridge.MessageID `json:"id"`
	Topic    string           `json:"topic"`
	Live     bool             `json:"live"`
	Choices  []choice         `json:"choices"`
	Duration uint64           `json:"duration"`
	Started  *stamp           `json:"started,omitempty"`
}

type choice struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
}

type pollResults struct {
	ID      bridge.MessageID `json:"id"`
	Results []result         `json:"results"`
}

type result struct {
	ID    int `json:"id"`
	Count int `json:"count"`
}

// Bounds of polls (reference 11.3), in bytes and seconds.
const (
	shortestTopic, longestTopic = 2, 100
	fewestChoices, mostChoices  = 2, 64
	longestChoice               = 100
	shortestPoll, longestPoll   = 2, 3600
)

// check says what is wrong with a new poll.
func (c startPoll) check() error {
	badChoice := func(s string) bool { return s == "" || len(s) > longestChoice }
	switch topic, n := len(*c.Topic), len(*c.Choices); {
	case topic < shortestTopic || topic > longestTopic:
		return refuse("invalid_topic_length")
	case n < fewestChoices || n > mostChoices:
		return refuse("invalid_choice_count")
	case slices.ContainsFunc(*c.Choices, badChoice):
		return refuse("invalid_choice_description")
	case *c.Duration < shortestPoll || *c.Duration > longestPoll:
		return refuse("invalid_duration")
	}
	return nil
}

// readPoll reads the document; nil: there is none.
func readPoll(d bridge.Doc) *poll {
	p := &poll{version: d.Version}
	if len(d.Value) == 0 || json.Unmarshal(d.Value, p) != nil {
		return nil
	}
	return p
}

// over reports whether nobody votes any more.
func (p *poll) over() bool {
	return p == nil || p.Finished || !time.Now().Before(time.Time(p.Ends))
}

// doc is what is told of a poll that runs, at the join; nil: none does.
func (p *poll) doc() *pollDoc {
	if p.over() {
		return nil
	}
	return &p.pollDoc
}

// results counts the votes.
func (p *poll) results() pollResults {
	r := pollResults{ID: p.ID, Results: make([]result, len(p.Choices))}
	for i := range r.Results {
		r.Results[i].ID = i
	}
	for _, c := range p.Votes {
		if c >= 0 && c < len(r.Results) {
			r.Results[c].Count++
		}
	}
	return r
}

// run waits for the end. Every connection does, so that nobody has to say so.
func (p *poll) run(t *seat) {
	if p.over() {
		return
	}
	p.cancel = t.s.c.After(time.Until(time.Time(p.Ends)), func(context.Context) error {
		p.cancel = nil
		return t.s.say(nsPolls, "done", p.results())
	})
}

// stop takes back what run has begun.
func (p *poll) stop() {
	if p != nil && p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
}

func (t *seat) startPoll(ctx context.Context, q startPoll) error {
	if !t.me.moderates() {
		return refuse(insufficient)
	}
	if err := q.check(); err != nil {
		return err
	}
	if !t.poll.over() {
		return refuse("still_running")
	}
	now := time.Now()
	p := poll{
		pollDoc: pollDoc{ID: bridge.NewMessageID(), Topic: *q.Topic, Live: *q.Live, Duration: *q.Duration, Started: when(now)},
		Ends:    stamp(now.Add(time.Duration(*q.Duration) * time.Second)),
	}
	for i, text := range *q.Choices {
		p.Choices = append(p.Choices, choice{i, text})
	}
	version := uint64(0)
	if t.poll != nil {
		version = t.poll.version
	}
	err := t.put(ctx, docPoll, p, version)
	if bridge.CodeOf(err) == bridge.Exists {
		return refuse("still_running")
	}
	return err
}

// vote handles the action of that name. Clients of the later protocol may change
// and withdraw their vote.
func (t *seat) vote(ctx context.Context, q votePoll) error {
	return t.insist(ctx, nsPolls, attempts, func(ctx context.Context) error {
		if t.poll.over() || t.poll.ID != q.ID {
			return refuse("invalid_poll_id")
		}
		p := *t.poll
		me := t.me.who.ID.String()
		_, voted := p.Votes[me]
		switch {
		case q.Choice == nil && !t.s.modern:
			return errUnread
		case q.Choice != nil && (*q.Choice < 0 || *q.Choice >= len(p.Choices)):
			return refuse("invalid_choice_id")
		case voted && !t.s.modern:
			return refuse("voted_already")
		}
		votes := make(map[string]int, len(p.Votes)+1)
		for who, c := range p.Votes {
			if who != me {
				votes[who] = c
			}
		}
		if q.Choice != nil {
			votes[me] = *q.Choice
		}
		p.Votes = votes
		return t.put(ctx, docPoll, p, p.version)
	})
}

func (t *seat) finishPoll(ctx context.Context, q finishPoll) error {
	if !t.me.moderates() {
		return refuse(insufficient)
	}
	return t.insist(ctx, nsPolls, attempts, func(ctx context.Context) error {
		if t.poll.over() || t.poll.ID != q.ID {
			return refuse("invalid_poll_id")
		}
		p := *t.poll
		p.Finished = true
		return t.put(ctx, docPoll, p, p.version)
	})
}

// pollChanged tells what is different about the poll.
func (t *seat) pollChanged(now *poll) error {
	was := t.poll
	was.stop()
	t.poll = now
	now.run(t)
	switch {
	case now == nil:
		return nil
	case was == nil || was.ID != now.ID:
		if now.over() {
			return nil
		}
		told := now.pollDoc
		told.Started = nil // the envelope has it
		return t.s.say(nsPolls, "started", told)
	case now.Finished && !was.Finished:
		return t.s.say(nsPolls, "done", now.results())
	case now.Live && !now.Finished:
		return t.s.say(nsPolls, "live_update", now.results())
	}
	return nil
}
