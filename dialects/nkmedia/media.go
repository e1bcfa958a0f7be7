package nkmedia

import (
	"context"
	"errors"
	"time"

	"dragoman/bridge"
)

// The types of session that there are (reference 8.2).
const (
	publish = "publish"
	listen  = "listen"
	echo    = "echo"
)

// Times of media (reference 10.7, 13).
const (
	negotiateTime = 4 * time.Second  // for one description, so that clients are answered in time
	lostTime      = 30 * time.Second // how long media may be disconnected
)

// media is one media session: one connection, never renegotiated (reference 10.1).
type media struct {
	s        *speaker
	id, kind string
	options  values // of create
	backend  string

	room bridge.RoomID
	desk *bridge.Session // where others reach it
	seat *seat           // nil: none any more
	peer bridge.Peer     // nil: not yet
	pub  bridge.PublicationID
	of   string // the session that is listened to

	offer, answer *description
	tracks        kinds // that are negotiated
	heard         kinds // of what is listened to: what it may get without ending the session
	mute          kinds // wished
	published     bool
	made          bool // the conference was made for it
	ended         bool

	waits *request                        // the create that waits to be let in; nil: none does
	begin func(ctx context.Context) error // goes on with it
	early []bridge.Candidate              // that came before the connection was made
	some  bool                            // a candidate has come
	ice   func()                          // takes the deadline for candidates back

	clock    func()                                  // takes the deadline for the answer, or the end, back
	outage   func()                                  // media is disconnected: takes the deadline back
	waiters  []func(ctx context.Context, over error) // for the offer or the answer
	unfit    bool                                    // what it listens to now does not suit the connection
	changing bool                                    // of what it listens to
}

// event implements party, for the seat at the desk.
func (m *media) event(ctx context.Context, e bridge.Event) error {
	if d, ok := e.(bridge.Data); ok && d.Topic == topicAsk {
		return m.asked(ctx, d)
	}
	return nil
}

// deskParty makes a media session the party of its seat at the desk.
type deskParty struct{ *media }

// lost implements party: without that seat nobody reaches the session.
func (d deskParty) lost(ctx context.Context, _ error) error { return d.end(ctx, sessionFailed) }

// register takes the id. Others can ask for the session from now on.
func (m *media) register(ctx context.Context) error {
	h := m.s.d.halls.desk
	x, err := m.s.join(ctx, h.seat(h.id(m.id)), deskParty{m})
	if err != nil {
		return translated(err, map[bridge.Code]int{bridge.Exists: duplicateID})
	}
	m.desk = x
	m.s.media[m.id] = m
	return nil
}

func (m *media) topic(kind string) topic { return topic{mediaClass, sessionClass, kind, m.id} }

// tell tells an event of the session (reference 9).
func (m *media) tell(ctx context.Context, kind string, body object) error {
	return m.s.emit(ctx, m.topic(kind), body)
}

// ext is what the type event and get_info tell beside the type.
func (m *media) ext() object {
	d := object{}
	if m.kind == echo || m.seat == nil {
		return d
	}
	d["conf_id"] = string(m.seat.room)
	if m.kind == listen {
		d["publisher_id"] = m.of
	}
	return d
}

// typed is the body of the type event.
func (m *media) typed() object {
	d := m.ext()
	d["type"] = m.kind
	return d
}

// subscribe makes the client hear of the session, unless it does not want to.
func (m *media) subscribe() error {
	if on, ok := m.options["subscribe"].(bool); ok && !on {
		return nil
	}
	return m.s.subs.add(subscription{
		topic: topic{mediaClass, sessionClass, anything, m.id}, body: m.options.raw("events_body"), auto: true,
	})
}

// end ends the session and tells so, once.
func (m *media) end(ctx context.Context, code int) error {
	if m.ended {
		return nil
	}
	m.close(ctx)
	err := m.tell(ctx, "destroyed", reason(code))
	m.s.subs.forget(topic{mediaClass, sessionClass, anything, m.id})
	return err
}

// discard gives up a session that nobody has been told of, with the conference that
// was made for it.
func (m *media) discard(ctx context.Context) {
	if m.ended {
		return
	}
	m.close(ctx)
	if m.made {
		m.try(m.s.visiting(ctx, m.room, func(x *bridge.Session) error {
			return x.Do(ctx, bridge.CloseRoom{Reason: bridge.ByEnd})
		}))
	}
}

// close gives up all that the session has. What others see of it goes first
// (reference 10.6).
func (m *media) close(ctx context.Context) {
	m.ended = true
	delete(m.s.media, m.id)
	for _, stop := range []func(){m.clock, m.outage, m.ice} {
		if stop != nil {
			stop()
		}
	}
	if m.peer != nil {
		if err := m.peer.Close(); err != nil {
			m.s.log.Warn("closing media", "peer", m.peer.ID(), "err", err)
		}
	}
	if t := m.seat; t != nil {
		if m.published {
			m.try(t.x.Do(ctx, bridge.Unpublish{ID: m.pub}))
		}
		if len(t.all) > 1 {
			m.try(t.note(ctx, m, ""))
		}
		t.drop(ctx, m)
	}
	m.s.leave(ctx, m.desk)
	for _, w := range m.waiters {
		w(ctx, refuse(sessionNotFound))
	}
	m.waiters = nil
}

// try logs what the room has refused while a session is given up.
func (m *media) try(err error) {
	if code := bridge.CodeOf(err); err != nil && code != bridge.Closed && code != bridge.NotFound {
		m.s.log.Warn("ending a session", "err", err)
	}
}

// abandon tells others that the connection of the session is gone.
func (m *media) abandon(ctx context.Context) {
	raw, err := rawOf(reason(processStopped))
	if err == nil && m.waits == nil {
		err = m.s.stage(ctx, told{m.s.api, m.topic("destroyed"), raw})
	}
	if err != nil {
		m.s.log.Debug("end of a session", "err", err)
	}
}

// changed takes in what has become of the connection (reference 10.7).
func (m *media) changed(ctx context.Context, state bridge.PeerState) error {
	if m.outage != nil {
		m.outage()
		m.outage = nil
	}
	switch state {
	case bridge.PeerFailed, bridge.PeerClosed:
		return m.end(ctx, sessionFailed)
	case bridge.PeerDisconnected:
		m.outage = m.s.c.After(lostTime, func(ctx context.Context) error { return m.end(ctx, sessionFailed) })
	}
	return nil
}

// limit ends the session when a time has passed, given in seconds by an option; it
// takes the place of an earlier one.
func (m *media) limit(option string, usual int) {
	if m.clock != nil {
		m.clock()
	}
	seconds := usual
	if m.options.has(option) {
		seconds = m.options.number(option)
	}
	m.clock = m.s.c.After(time.Duration(seconds)*time.Second, func(ctx context.Context) error {
		return m.end(ctx, sessionTimeout)
	})
}

// described lets those go on who have waited for a description.
func (m *media) described(ctx context.Context) {
	waiters := m.waiters
	m.waiters = nil
	for _, w := range waiters {
		w(ctx, nil)
	}
}

// expectCandidates ends the session when none come though they were announced, for
// clients that ask for it (reference 8.6).
func (m *media) expectCandidates(d *description, option string) {
	if d == nil || !d.Trickle || !m.options.flag(option) || hasCandidates(d.SDP) {
		return
	}
	wait := 5000
	if m.options.has("trickle_ice_timeout") {
		wait = m.options.number("trickle_ice_timeout")
	}
	m.ice = m.s.c.After(time.Duration(wait)*time.Millisecond, m.noMoreCandidates)
}

// noMoreCandidates ends the session if none have come and some were expected.
func (m *media) noMoreCandidates(ctx context.Context) error {
	if m.ice == nil {
		return nil
	}
	m.ice()
	m.ice = nil
	if m.some {
		return nil
	}
	return m.end(ctx, noCandidates)
}

// mediaFault translates what went wrong with a connection of media.
func mediaFault(err error) error {
	if f, ours := errors.AsType[*fault](err); ours {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return refuse(timeout)
	}
	if code, ok := map[bridge.Code]int{
		bridge.BadRequest: invalidParameters, bridge.NotSupported: noMediaServer, bridge.TooMany: noMediaServer,
		bridge.Unavailable: noMediaServer, bridge.Internal: noMediaServer,
	}[bridge.CodeOf(err)]; ok {
		return refuse(code)
	}
	return err
}
