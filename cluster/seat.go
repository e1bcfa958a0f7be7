package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// seat is a client's seat, wherever the room runs. It is a bridge.Link and a
// bridge.Retaker. What is below out is guarded by the mutex of the presence.
type seat struct {
	p   *presence
	n   uint32
	req bridge.JoinRequest
	out *bridge.Outbox

	link      bridge.Link // where the room runs here
	self      bridge.Participant
	waiting   bool
	admitted  bool
	watches   map[bridge.PublicationID]string // what it receives, and the layer it wants
	recording bool
	lastSaid  bridge.MessageID
	over      error
	early     []early // told before the answer that gave the seat
}

// early is an event with the version of the room that told it.
type early struct {
	bridge.Event
	version uint64
}

var (
	_ bridge.Link    = (*seat)(nil)
	_ bridge.Retaker = (*seat)(nil)
)

// here returns the way to the room if it runs on this node.
func (s *seat) here() (in bridge.Link, changed <-chan struct{}) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if !s.p.local {
		return nil, nil
	}
	return s.link, s.p.changed
}

// calm waits until the room takes commands, if it was opened anew on this node.
func (s *seat) calm(ctx context.Context) {
	s.p.mu.Lock()
	t := s.p.calm
	s.p.mu.Unlock()
	pauseUntil(ctx, t)
}

// moved waits, after the room has not answered because it is over, until it is known
// whether it goes on elsewhere, and reports whether it does.
func (s *seat) moved(ctx context.Context, changed <-chan struct{}) bool {
	for {
		s.p.mu.Lock()
		moving, local := s.p.moving, s.p.local
		s.p.mu.Unlock()
		if !moving {
			return !local
		}
		wait(ctx, changed)
		if ctx.Err() != nil {
			return false
		}
	}
}

// Do posts a command and waits until it was applied. Unavailable: the owner of the
// room does not answer.
func (s *seat) Do(ctx context.Context, c bridge.Command) error {
	if c == nil {
		return bridge.Errorf(bridge.BadRequest, "there is no command")
	}
	if in, changed := s.here(); in != nil {
		s.calm(ctx)
		err := in.Do(ctx, c)
		if bridge.CodeOf(err) != bridge.Closed || !s.moved(ctx, changed) {
			return s.done(c, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return interrupted(err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, err := s.p.do(ctx, s, c)
	return s.done(c, err)
}

// done notes what follows from a command for a seat that is taken elsewhere.
func (s *seat) done(c bridge.Command, err error) error {
	if err != nil {
		return err
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	switch c := c.(type) {
	case bridge.Subscribe:
		if _, ok := s.watches[c.ID]; !ok {
			s.watches[c.ID] = ""
		}
	case bridge.Want:
		s.watches[c.ID] = c.Layer
	case bridge.Unsubscribe:
		delete(s.watches, c.ID)
	case bridge.Record:
		s.recording = c.On
	}
	return nil
}

// Leave gives up the seat, also if ctx has ended: at the latest when the node finds
// the way to the room again.
func (s *seat) Leave(ctx context.Context, why bridge.Reason) error {
	if in, changed := s.here(); in != nil {
		err := in.Leave(ctx, why)
		if !s.moved(ctx, changed) {
			s.p.release(s)
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	_, err := s.p.do(ctx, s, link.Leave{Reason: why})
	s.p.release(s)
	if code := bridge.CodeOf(err); code == bridge.Unavailable || code == bridge.Closed {
		return nil
	}
	return err
}

// Away says whether the client's connection is lost.
func (s *seat) Away(ctx context.Context, away bool, grace time.Duration) error {
	if in, changed := s.here(); in != nil {
		err := in.Away(ctx, away, grace)
		if !s.moved(ctx, changed) {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	_, err := s.p.do(ctx, s, link.Away{Away: away, Grace: grace})
	switch bridge.CodeOf(err) {
	case bridge.Closed:
		return nil
	case bridge.Unavailable: // the room will be told when there is a way to it again
		s.p.mu.Lock()
		defer s.p.mu.Unlock()
		s.self.Away = away
		return nil
	}
	return err
}

// Retake gives the seat to a client that has come back.
func (s *seat) Retake(ctx context.Context, out *bridge.Outbox) (bridge.Snapshot, error) {
	if in, changed := s.here(); in != nil {
		at, err := in.(bridge.Retaker).Retake(ctx, out)
		if bridge.CodeOf(err) != bridge.Closed || !s.moved(ctx, changed) {
			return at, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	s.p.mu.Lock()
	s.out = out
	s.p.mu.Unlock()
	at, err := s.p.do(ctx, s, link.Retake{})
	if bridge.CodeOf(err) == bridge.Closed {
		err = bridge.Errorf(bridge.NotFound, "the seat is gone")
	}
	return at, err
}

// claim is the seat as another owner is asked for it. The mutex is held.
func (s *seat) claim() bridge.Claim {
	c := bridge.Claim{
		Seat: s.n, Since: s.req.Since, Recording: s.recording, LastSaid: s.lastSaid,
		Member: bridge.Member{
			Participant: s.self, Most: s.req.AtMost, Extra: s.req.Add, Waiting: s.waiting, Admitted: s.admitted,
		},
		Publications: s.p.mirror.published(s.self.ID),
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.watches), func(a, b bridge.PublicationID) int {
		return strings.Compare(a.String(), b.String())
	}) {
		c.Watches = append(c.Watches, bridge.Watch{ID: id, Layer: s.watches[id]})
	}
	return c
}

// tell pushes an event to the client. One that does not read fast enough loses its
// seat, as it would in a room of this node. The mutex is held.
func (s *seat) tell(e bridge.Event) {
	if s.over != nil || s.out.Push(e) {
		return
	}
	s.over = bridge.Errorf(bridge.Lagged, "the connection is too slow for this room")
	s.p.later(s, link.Leave{Reason: bridge.TooSlow})
}

// end ends the session. The mutex is held.
func (s *seat) end(err error, last ...bridge.Event) {
	if s.over != nil {
		return
	}
	for _, e := range last {
		s.out.Push(e)
	}
	s.over = err
	s.out.End(err)
}

// note takes in what the client is told of itself. The mutex is held.
func (s *seat) note(e bridge.Event) {
	switch e := e.(type) {
	case bridge.Changed:
		if e.P.ID == s.self.ID {
			s.self = e.P
		}
	case bridge.Knocked:
		if e.P.ID == s.self.ID {
			s.self, s.waiting, s.admitted = e.P, true, false
		}
	case bridge.Admitted:
		s.admitted = true
	case bridge.Entered:
		s.self, s.waiting, s.admitted = e.At.Self, false, false
	case bridge.Talking:
		if e.ID == s.self.ID {
			s.self.Talking = e.On
		}
	case bridge.Said:
		if e.From == s.self.ID {
			s.lastSaid = e.ID
		}
	case bridge.Recording:
		s.recording = s.recording && e.On
	case bridge.Unpublished:
		delete(s.watches, e.Pub.ID)
	}
}

// adopt tells the client what is different about the room, tell and knocks, and about
// itself. The mutex is held.
func (s *seat) adopt(m bridge.Member, tell, knocks []bridge.Event, now *mirror) {
	was, self := s.waiting, s.self
	s.self, s.waiting, s.admitted = m.Participant, m.Waiting, m.Admitted
	switch {
	case was && !m.Waiting:
		s.tell(bridge.Entered{At: now.snapshot(s.self)})
	case !was && m.Waiting:
		s.tell(bridge.Knocked{P: s.self})
	case m.Waiting || s.self.Kind.Hidden():
		if what := changes(self, s.self); what != 0 {
			s.tell(bridge.Changed{P: s.self, What: what})
		}
	}
	if was || m.Waiting {
		return
	}
	for _, e := range tell {
		s.tell(e)
	}
	if s.self.Can.Has(bridge.Admitting) {
		for _, e := range knocks {
			s.tell(e)
		}
	}
}

// isMoved reports whether an error says that a room is elsewhere, and where.
func isMoved(err error) (bridge.NodeID, bool) {
	e, ok := errors.AsType[*bridge.Error](err)
	if !ok || e.Code != bridge.Moved {
		return "", false
	}
	return e.Node, true
}
