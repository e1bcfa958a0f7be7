package asn

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/asn/rose"
)

// speaker speaks asn on one connection.
type speaker struct {
	d       *server
	c       *dialects.Conn
	wrapped bool          // messages are wrapped into an array (reference 3.2)
	account account       // of the connection
	session bridge.Secret // of the web proxy route; empty: none

	heard    bool          // a message has come, so the encoding is known
	encoding rose.Encoding // reference 3.4
	seats    []*seat       // the parties of this connection, oldest first
	busy     bool          // an operation is carried out: what is told waits for its answer
	later    []func() error
	gone     bool // the client is lost: nothing is told
	away     bool // the node goes: so does the connection, with its last party
}

// Open implements dialects.Speaker.
func (s *speaker) Open(_ context.Context, c *dialects.Conn) error {
	s.c = c
	if s.session != "" {
		c.After(sessionRenew, s.renew)
	}
	return nil
}

// Frame implements dialects.Speaker.
func (s *speaker) Frame(ctx context.Context, c *dialects.Conn, f dialects.Frame) error {
	if !s.heard { // what is of no encoding is refused in JSON
		s.encoding, s.heard = rose.Detect(f.Data)
	}
	m, err := s.encoding.Decode(f.Data)
	switch {
	case m == nil:
		c.Refused()
		return s.write(rose.Refuse(0, rose.UnexpectedChildOperation, err.Error()))
	case m.Invoke == nil:
		return nil // nothing was asked that could be answered
	}
	in := read(m.Invoke, err)
	if in.problem != nil {
		c.Refused()
		return s.writeUnless(in.event, in.problem)
	}
	if in.ignored {
		return nil
	}
	return s.call(ctx, m.Invoke, in)
}

// call carries out an invoke and answers it.
func (s *speaker) call(ctx context.Context, m *rose.Invoke, in invoke) error {
	c := &caller{d: s.d, account: s.account, request: s.c.Request, speaker: s}
	if m.Authentication != nil {
		a, err := s.d.byInvoke(ctx, s.c.Request, m.Authentication)
		if err != nil {
			return s.writeUnless(in.event, rose.Refuse(m.InvokeID, rose.AuthenticationFailed, bridge.MessageOf(err)))
		}
		c.account = a
	}
	s.busy = true
	out, err := c.perform(ctx, in.op, in.argument)
	s.busy = false
	if err == nil && out.rest != nil {
		return s.await(ctx, m.InvokeID, out)
	}
	if err := s.answer(m.InvokeID, in, out.value, err); err != nil {
		return err
	}
	return s.flush()
}

// answer answers an invoke that is not an event.
func (s *speaker) answer(id int64, in invoke, v rose.Value, err error) error {
	if err != nil {
		s.c.Refused()
		s.c.Log.Debug("refused", "operation", in.op.Name, "err", err)
	}
	switch {
	case in.event:
		return nil
	case err != nil:
		return s.write(rose.Fail(id, failureOf(err).onWire()))
	}
	return s.write(rose.Answer(id, v))
}

// flush tells what has waited for an answer.
func (s *speaker) flush() error {
	for len(s.later) > 0 {
		f := s.later[0]
		s.later = s.later[1:]
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// soon does something now, or after the answer that is being made.
func (s *speaker) soon(f func() error) error {
	if s.busy {
		s.later = append(s.later, f)
		return nil
	}
	return f()
}

// pollTime is how often an answer that takes its time is looked for.
const pollTime = 20 * time.Millisecond

// await answers when the rest of an outcome is done. Meanwhile the connection goes
// on; the goroutine ends with it, or by itself.
func (s *speaker) await(ctx context.Context, id int64, out outcome) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		out.rest(ctx)
	}()
	var poll func(context.Context) error
	poll = func(context.Context) error {
		select {
		case <-done:
			return s.write(rose.Answer(id, out.value))
		default:
			s.c.After(pollTime, poll)
			return nil
		}
	}
	s.c.After(0, poll)
	return s.flush()
}

// write sends a message in the client's encoding.
func (s *speaker) write(m *rose.Message) error {
	if s.gone {
		return nil
	}
	data := s.encoding.Encode(m)
	if s.wrapped && s.encoding == rose.JSON {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	return s.c.WriteFrame(dialects.Frame{Binary: s.encoding == rose.BER, Data: data})
}

func (s *speaker) writeUnless(event bool, m *rose.Message) error {
	if event {
		return nil
	}
	return s.write(m)
}

// tell sends an event, after the answer that is being made.
func (s *speaker) tell(id int64, argument rose.Value) error {
	op, _ := rose.Lookup(id, "")
	return s.soon(func() error { return s.write(op.Call(rose.EventID, argument)) })
}

// Event implements dialects.Speaker.
func (s *speaker) Event(ctx context.Context, _ *dialects.Conn, x *bridge.Session, e bridge.Event) error {
	for _, t := range s.seats {
		switch x {
		case t.session:
			return t.event(ctx, e)
		case t.box:
			return t.asked(ctx, e)
		}
	}
	return nil
}

// Lost implements dialects.Speaker: a party is out of its room.
func (s *speaker) Lost(ctx context.Context, _ *dialects.Conn, x *bridge.Session, err error) error {
	for _, t := range s.seats {
		if t.session == x {
			s.c.Log.Info("a party has lost its seat", "participant", t.id, "err", err)
			t.end(ctx)
			if bridge.CodeOf(err) == bridge.Lagged {
				return err
			}
			if s.away && len(s.seats) == 0 {
				return &dialects.Hangup{Code: websocket.CloseGoingAway, Reason: "going away"}
			}
			return nil
		}
	}
	return nil
}

// Close implements dialects.Speaker. Parties of a client that was lost stay until
// their time is over; see linger.
func (s *speaker) Close(ctx context.Context, c *dialects.Conn, err error) {
	s.gone = true
	for _, t := range slices.Clone(s.seats) {
		t.talk.stop()
		c.Release(t.session)
		c.Release(t.box)
		if errors.Is(err, dialects.ErrShutdown) {
			_ = t.session.Leave(ctx, bridge.ByShutdown) // nobody is left to be told
			t.end(ctx)
		}
	}
}

// linger keeps the parties of a client that was lost, until it comes back or their
// time is over (reference 10). It runs in the goroutine that has served the
// connection, and answers calls that come by other ways.
func (s *speaker) linger(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	s.stay(ctx)
	for len(s.seats) > 0 {
		next := s.seats[0].deadline
		for _, t := range s.seats {
			if t.deadline.Before(next) {
				next = t.deadline
			}
		}
		timer.Reset(time.Until(next))
		select {
		case <-s.c.Wake():
			s.stay(ctx)
		case <-timer.C:
			s.expire(ctx, bridge.ByLoss)
		case <-ctx.Done():
			s.abandon()
		}
	}
}

// stay takes what the parties of a lost client are told.
func (s *speaker) stay(ctx context.Context) {
	for _, t := range slices.Clone(s.seats) {
		for _, x := range []*bridge.Session{t.box, t.session} {
			if !slices.Contains(s.seats, t) {
				break // it is somebody else's by now
			}
			events, lost := x.Drain(ctx)
			for _, e := range events {
				if slices.Contains(s.seats, t) {
					_ = s.Event(ctx, s.c, x, e) // nothing is written, so nothing fails
				}
			}
			if lost != nil && slices.Contains(s.seats, t) {
				t.end(ctx)
			}
		}
	}
}

// expire removes the parties whose time is over.
func (s *speaker) expire(ctx context.Context, why bridge.Reason) {
	for _, t := range slices.Clone(s.seats) {
		if !time.Now().Before(t.deadline) {
			_ = t.session.Leave(ctx, why) // it is idempotent, and a room that is gone does not matter
			t.end(ctx)
		}
	}
}

// abandon removes all parties: the node goes down.
func (s *speaker) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	for _, t := range slices.Clone(s.seats) {
		_ = t.session.Leave(ctx, bridge.ByShutdown)
		t.end(ctx)
	}
}

// alive looks whether the client still says that it is there.
func (t *seat) alive(ctx context.Context) error {
	if rest := time.Until(t.deadline); rest > 0 {
		t.after(rest, t.alive)
		return nil
	}
	s := t.s
	if err := t.tellSelf(rose.ReasonTimeout, bridge.ParticipantID{}, ""); err != nil {
		return err
	}
	if err := s.c.Leave(ctx, t.session, bridge.TooSlow); err != nil {
		s.c.Log.Warn("leaving", "err", err)
	}
	t.end(ctx)
	if len(s.seats) == 0 {
		return &dialects.Hangup{Code: websocket.CloseNormalClosure, Reason: "no keepalive"}
	}
	return nil
}

// remoteOf is the address that a request comes from.
var remoteOf = dialects.Remote

// serve runs a connection.
func (d *server) serve(w http.ResponseWriter, r *http.Request, s *speaker) {
	s.d = d
	dialects.Serve(w, r, d.env, dialects.Options{Limits: limits()}, s)
	s.linger(r.Context())
}
