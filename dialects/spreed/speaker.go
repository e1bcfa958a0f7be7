package spreed

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/spreed/wire"
)

// speaker serves one connection. After the connection is over it may linger for
// a while, so that a client that comes back finds its calls.
type speaker struct {
	*server
	c    *dialects.Conn
	gone bool // there is no client any more

	me      bridge.ParticipantID
	id      string // as clients see it
	user    string // empty: nobody in particular
	nonce   nonce
	ua      string
	rev     uint64
	toldRev uint64 // as of the last Status
	status  json.RawMessage
	image   picture

	house *bridge.Session
	index *bridge.Session // where the sessions of the user are found; nil: not there
	asked map[uint64]*asked
	lastN uint64
	fans  []bridge.ParticipantID // who wants to know when this session ends

	at       *meeting // nil: in no room
	knocking *knock   // nil: not waiting to be let in
	back     *seat    // the room that this client was in before it came back; nil: none
	leaving  bool     // whoever takes over has it all
}

// seat is a room that a client left without wanting to.
type seat struct {
	key    roomKey
	token  bridge.ResumeToken
	expire func()
}

// asked is a question that was not yet answered.
type asked struct {
	took   func(ctx context.Context, a answer) error
	expire func()
}

// maxFans is how many sessions are told of the end of one.
const maxFans = 100

// Open implements dialects.Speaker: Self is sent before anything is received
// (reference 5.1).
func (s *speaker) Open(ctx context.Context, c *dialects.Conn) error {
	s.c = c
	s.asked = map[uint64]*asked{}
	who, known := s.tokens.openClaim(c.Request.URL.Query().Get("t"), time.Now())
	if known {
		s.me, s.user = who.id, who.user
		if err := s.takeOver(ctx); err != nil {
			return err
		}
	} else {
		s.me = bridge.NewParticipantID()
	}
	s.id = s.forms.session(s.me)
	c.Log = c.Log.With("participant", s.me)
	house, err := c.Join(ctx, s.server.house.seat(s.me))
	if err != nil {
		return err
	}
	s.house = house
	if s.user != "" {
		s.counts.users.Add(1)
		s.enlist(ctx)
	}
	return s.reply("", s.self())
}

// takeOver asks whoever has this session's seat for it: the old connection, or
// what lingers of it.
func (s *speaker) takeOver(ctx context.Context) error {
	answers, err := s.server.house.ask(ctx, s.me, topicTakeover, question{})
	switch bridge.CodeOf(err) {
	case 0:
	case bridge.NotFound, bridge.Unavailable: // it is gone, or will find that it is replaced
		return nil
	default:
		return err
	}
	s.counts.takenOver.Add(1)
	a := answers[0]
	s.rev, s.fans = a.Rev, a.Fans
	if a.Token != "" {
		s.back = &seat{key: a.Room, token: a.Token}
		s.back.expire = s.after(handoverTime, s.abandon)
	}
	return nil
}

// abandon gives up the room that the client was in before, and has not asked for.
func (s *speaker) abandon(ctx context.Context) error {
	if s.back == nil {
		return nil
	}
	back := s.back
	s.back = nil
	back.expire()
	s.counts.abandoned.Add(1)
	session, err := s.env.Host.Resume(ctx, back.token)
	if err != nil {
		return nil // it has ended by itself
	}
	return s.gentle(session.Leave(ctx, bridge.ByLoss))
}

// self is what a client is told of itself.
func (s *speaker) self() wire.Self {
	w := wire.Self{
		Type: wire.TypeSelf, ID: s.id, Sid: s.forms.secret(s.me),
		Userid: s.user, Suserid: s.forms.user(s.user),
		Token:   s.tokens.sealClaim(claim{id: s.me, user: s.user}, time.Now()),
		Version: s.cfg.Version, ApiVersion: wire.APIVersion, Stun: []string{},
	}
	if s.env.ICE == nil {
		return w
	}
	for _, server := range s.env.ICE() {
		if server.Username == "" {
			w.Stun = append(w.Stun, server.URLs...)
			continue
		}
		w.Turn.Username, w.Turn.Password = server.Username, server.Credential
		w.Turn.TTL = int(server.TTL / time.Second)
		w.Turn.URLs = append(w.Turn.URLs, server.URLs...)
	}
	return w
}

// handle is what is done with a document of one type.
type handle func(s *speaker, ctx context.Context, r wire.Request) error

// requests are the documents that clients send (reference 3.1). What is not here
// is dropped.
func requests() map[string]handle {
	return map[string]handle{
		wire.TypeSelf:           (*speaker).onSelf,
		wire.TypeHello:          (*speaker).onHello,
		wire.TypeLeave:          (*speaker).onLeave,
		wire.TypeRoom:           (*speaker).onRoom,
		wire.TypeUsers:          (*speaker).onUsers,
		wire.TypeStatus:         (*speaker).onStatus,
		wire.TypeAlive:          (*speaker).onAlive,
		wire.TypeAuthentication: (*speaker).onAuthentication,
		wire.TypeSessions:       (*speaker).onSessions,
		wire.TypeOffer:          (*speaker).onOffer,
		wire.TypeAnswer:         (*speaker).onAnswer,
		wire.TypeCandidate:      (*speaker).onCandidate,
		wire.TypeBye:            (*speaker).onBye,
		wire.TypeChat:           (*speaker).onChat,
		wire.TypeConference:     (*speaker).onConference,
	}
}

// Frame implements dialects.Speaker. Whatever cannot be understood is dropped
// without a word, as the original server does (reference 9).
func (s *speaker) Frame(ctx context.Context, c *dialects.Conn, f dialects.Frame) error {
	if f.Binary {
		c.Refused()
		return nil
	}
	r, err := wire.DecodeRequest(f.Data)
	if err != nil {
		c.Refused()
		c.Log.Debug("frame", "err", err)
		return nil
	}
	h := s.requests[r.Type]
	if h == nil {
		c.Refused()
		return nil
	}
	ctx, cancel := steady(ctx)
	defer cancel()
	return h(s, ctx, r)
}

// steady returns a context that goes on when the connection ends. What a client says
// last (Bye to everybody, and then the socket is closed) is to be done, and what was
// begun is to be finished, for the client may come back.
func steady(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), steadyTime)
}

func (s *speaker) onSelf(_ context.Context, r wire.Request) error { return s.reply(r.Iid, s.self()) }

func (s *speaker) onAlive(_ context.Context, r wire.Request) error {
	if r.Alive == nil {
		return nil
	}
	return s.reply(r.Iid, wire.Alive{Type: wire.TypeAlive, Alive: r.Alive.Alive})
}

// Event implements dialects.Speaker.
func (s *speaker) Event(ctx context.Context, _ *dialects.Conn, x *bridge.Session, e bridge.Event) error {
	ctx, cancel := steady(ctx)
	defer cancel()
	switch {
	case x == s.house || x == s.index:
		if d, ok := e.(bridge.Data); ok {
			return s.told(ctx, d)
		}
	case s.knocking != nil && x == s.knocking.session:
		return s.knocking.event(ctx, e)
	case s.at != nil && x == s.at.session:
		return s.at.event(ctx, e)
	}
	return nil
}

// Lost implements dialects.Speaker.
func (s *speaker) Lost(ctx context.Context, c *dialects.Conn, x *bridge.Session, err error) error {
	switch {
	case s.leaving:
		return nil
	case x == s.index:
		// Somebody else of the same user has taken the place.
		s.index = nil
		s.enlist(ctx)
		return nil
	case x == s.house:
		c.Log.Debug("house", "err", err)
		return &dialects.Hangup{} // taken over, or the node goes
	case s.at != nil && x == s.at.session:
		at := s.at
		s.at = nil
		if bridge.CodeOf(err) == bridge.Lagged || at.moved {
			return &dialects.Hangup{} // the client comes back with its token
		}
		return at.over(ctx)
	case s.knocking != nil && x == s.knocking.session:
		k := s.knocking
		s.knocking = nil
		return k.refused(err)
	}
	return nil
}

// Close implements dialects.Speaker. A client that is lost while its calls go on
// keeps its seats, see linger.
func (s *speaker) Close(ctx context.Context, c *dialects.Conn, err error) {
	s.gone = true
	if s.user != "" {
		s.counts.users.Add(-1)
	}
	if s.back != nil {
		_ = s.abandon(ctx) // there is nobody to be told
	}
	if s.leaving || s.house == nil {
		return
	}
	if s.at != nil && lost(err) && s.cfg.Grace > 0 && s.at.calls.alive() {
		if s.at.session.Away(ctx, true, s.cfg.Grace) == nil {
			c.Release(s.house)
			c.Release(s.at.session)
			return
		}
	}
	// Whatever the client says when it goes, its sessions are disconnected then:
	// Left is hard.
	why := bridge.ByLoss
	if errors.Is(err, dialects.ErrShutdown) {
		why = bridge.ByShutdown
	}
	if s.at != nil {
		_ = c.Leave(ctx, s.at.session, why) // there is nobody to be told
		s.at = nil
	}
	s.farewell(ctx)
}

// lost reports whether a client may come back: unless its page has gone away, it
// tries to, also after it has given up on a slow connection by itself.
func lost(err error) bool {
	e, closed := errors.AsType[*websocket.CloseError](err)
	return errors.Is(err, dialects.ErrGone) && (!closed || e.Code != websocket.CloseGoingAway)
}

// farewell tells the sessions that asked for it that this one has ended (reference
// 5.6).
func (s *speaker) farewell(ctx context.Context) {
	for _, fan := range s.fans {
		_ = s.pass(ctx, fan, wire.Left{Type: wire.TypeLeft, ID: s.id, Status: wire.Hard}) // who is gone needs no telling
	}
}

// reply answers the client.
func (s *speaker) reply(iid string, doc any) error {
	return s.write(wire.Envelope{Data: doc, From: s.id, Iid: iid})
}

// write sends an envelope, if there still is a client.
func (s *speaker) write(e wire.Envelope) error {
	if s.gone {
		return nil
	}
	data, err := wire.Encode(e)
	if err != nil {
		s.c.Log.Error("encode", "err", err) // what one client says must not end another
		return nil
	}
	return s.c.Write(data)
}

// after calls f later, unless the client is gone by then.
func (s *speaker) after(d time.Duration, f func(ctx context.Context) error) (cancel func()) {
	if s.gone {
		return func() {}
	}
	return s.c.After(d, f)
}

// gentle swallows what a room refuses, because the protocol has no answer to it,
// and logs it.
func (s *speaker) gentle(err error) error {
	if err != nil {
		s.c.Log.Debug("refused", "code", bridge.CodeOf(err), "err", err)
	}
	return nil
}

// addFan notes who wants to be told of the end of this session.
func (s *speaker) addFan(id bridge.ParticipantID) {
	if len(s.fans) < maxFans && !slices.Contains(s.fans, id) {
		s.fans = append(s.fans, id)
	}
}
