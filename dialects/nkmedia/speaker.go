package nkmedia

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Classes and subclasses of commands and events.
const (
	core         = "core"
	mediaClass   = "media"
	confClass    = "conf"
	roomClass    = "room" // what conferences are called before and after
	sessionClass = "session"
)

// speaker speaks NkMEDIA on one connection.
type speaker struct {
	d   *server
	c   *dialects.Conn
	log *slog.Logger

	user   string       // who has logged in; empty: nobody yet
	api    string       // the id of the API session
	grant  bridge.Grant // what the gate vouches for
	failed int          // logins

	subs     subscriptions
	media    map[string]*media // sessions of this client, by id
	seats    []*seat           // in rooms, for those
	watches  map[bridge.RoomID]*watch
	secrets  map[bridge.RoomID]bridge.Secret // of rooms, as the client gave them
	missed   map[bridge.RoomID]bool          // conferences that were told and could not be looked at
	heard    map[string]bridge.RoomID        // where members are that the client was told of
	searches int                             // for members that it was not told of, within the minute
	made     int                             // conferences, within the minute
	says     map[bridge.MessageID]*request   // messages that are not numbered yet

	parties map[*bridge.Session]party
	house   *bridge.Session // where every connection is
	desk    *bridge.Session // from where sessions of others are asked; nil: not yet
	watcher *bridge.Session // where events of sessions of others are told; nil: no wish for them
	asks    map[uint64]*question
	lastAsk uint64
	looking bool // for conferences that there are not yet

	demands demands
	logs    int // that the client may still send within the minute
}

// party is what a seat of this connection is for.
type party interface {
	event(ctx context.Context, e bridge.Event) error
	lost(ctx context.Context, err error) error
}

func newSpeaker(d *server) *speaker {
	return &speaker{
		d: d, media: map[string]*media{}, watches: map[bridge.RoomID]*watch{},
		secrets: map[bridge.RoomID]bridge.Secret{}, heard: map[string]bridge.RoomID{}, missed: map[bridge.RoomID]bool{},
		says: map[bridge.MessageID]*request{}, parties: map[*bridge.Session]party{},
		asks: map[uint64]*question{}, demands: demands{open: map[int]func(){}},
	}
}

// Open implements dialects.Speaker. Who does not log in is not kept.
func (s *speaker) Open(_ context.Context, c *dialects.Conn) error {
	s.c, s.log, s.logs = c, c.Log, maxLogs
	c.After(quiet, func(context.Context) error {
		if s.user == "" {
			return hangup("nobody has logged in")
		}
		return nil
	})
	return nil
}

// hangup ends the connection. The code is always the same (reference 2).
func hangup(why string) error {
	return &dialects.Hangup{Code: websocket.CloseNormalClosure, Reason: why}
}

// Frame implements dialects.Speaker.
func (s *speaker) Frame(ctx context.Context, c *dialects.Conn, f dialects.Frame) error {
	defer func() { s.demands.spoke = time.Now() }()
	m, err := decode(f.Data)
	if err != nil {
		c.Refused()
		return hangup("that is no message")
	}
	switch m.kind {
	case isResponse:
		s.answered(m.number())
		return nil
	case isAck:
		s.acked(m.number())
		return nil
	}
	q := &request{s: s, tid: m.tid, class: m.class, subclass: m.subclass, cmd: m.cmd}
	if q.path() == core+"/user/login" {
		return s.login(ctx, q, m.data)
	}
	if s.user == "" {
		return q.answer(ctx, nil, refuse(notAuthenticated))
	}
	return s.perform(ctx, q, m.data)
}

// aliases are what other versions call commands (reference 14).
var aliases = map[string]string{
	"media/session/start": "create",
	"media/session/stop":  "destroy",
	"media/session/info":  "get_info",
	"media/conf/info":     "get_info",
	"media/conf/list":     "get_list",
}

// perform does what a client asks for.
func (s *speaker) perform(ctx context.Context, q *request, data json.RawMessage) error {
	if q.class == mediaClass && q.subclass == roomClass {
		q.subclass, q.room = confClass, true
	}
	q.named = q.cmd
	if cmd, ok := aliases[q.path()]; ok && (q.subclass != confClass || q.room) {
		q.cmd = cmd
	}
	c, err := find(q)
	if err == nil {
		q.v, q.room, err = parse(data, c.fields, q.room)
	}
	if err != nil {
		s.c.Refused()
		return q.answer(ctx, nil, err)
	}
	answer, err := c.run(s, ctx, q)
	if errors.Is(err, errLater) {
		q.later()
		return nil
	}
	return q.answer(ctx, answer, err)
}

// find returns the command that a request names (reference 3.6).
func find(q *request) (command, error) {
	if q.class != core && q.class != mediaClass {
		return command{}, refuse(notImplemented)
	}
	if outside(q) {
		return command{}, refuse(notImplemented)
	}
	c, ok := q.s.d.commands[q.path()]
	if !ok {
		return command{}, refuse(unknownCommand, q.named)
	}
	return c, nil
}

// outside reports whether a request is for what lies outside (reference 11).
func outside(q *request) bool {
	switch q.class + "/" + q.subclass {
	case "media/call":
		return strings.Contains(" create ringing accepted rejected hangup set_candidate set_candidate_end get_info get_list ", " "+q.cmd+" ")
	case "media/session":
		return q.cmd == "recorder_action" || q.cmd == "player_action" || q.cmd == "conf_action"
	case "core/session":
		return q.cmd == "cmd"
	}
	return false
}

// command is one thing that clients may ask for.
type command struct {
	fields []field
	run    func(s *speaker, ctx context.Context, q *request) (any, error)
}

// Event implements dialects.Speaker.
func (s *speaker) Event(ctx context.Context, _ *dialects.Conn, x *bridge.Session, e bridge.Event) error {
	if p := s.parties[x]; p != nil {
		return s.gentle(p.event(ctx, e))
	}
	return nil
}

// Lost implements dialects.Speaker.
func (s *speaker) Lost(ctx context.Context, _ *dialects.Conn, x *bridge.Session, err error) error {
	p := s.parties[x]
	delete(s.parties, x)
	if bridge.CodeOf(err) == bridge.Lagged {
		return hangup("too slow")
	}
	if p == nil {
		return nil
	}
	return s.gentle(p.lost(ctx, err))
}

// gentle logs what a room has refused and no client waits for. Other errors end the
// connection.
func (s *speaker) gentle(err error) error {
	if _, ours := faultOf(err); ours {
		s.log.Debug("refused", "err", err)
		return nil
	}
	return err
}

// Close implements dialects.Speaker: the sessions of the client end with the
// connection (reference 2).
func (s *speaker) Close(ctx context.Context, _ *dialects.Conn, _ error) {
	for _, m := range s.media {
		m.abandon(ctx)
	}
}

// join takes a seat whose events go to a party.
func (s *speaker) join(ctx context.Context, req bridge.JoinRequest, p party) (*bridge.Session, error) {
	req.Dialect = Name
	x, err := s.c.Join(ctx, req)
	if err != nil {
		return nil, err
	}
	s.parties[x] = p
	return x, nil
}

// leave gives a seat up.
func (s *speaker) leave(ctx context.Context, x *bridge.Session) {
	if x == nil {
		return
	}
	delete(s.parties, x)
	if err := s.c.Leave(ctx, x, bridge.ByWish); err != nil {
		s.log.Warn("leaving", "err", err)
	}
}

func (s *speaker) write(v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return s.c.Write(b)
}

// Times for answers (reference 3.3, 13).
const (
	answerTime = 5 * time.Second   // until a request is answered or acknowledged
	ackedTime  = 180 * time.Second // once it was acknowledged
	ackAfter   = time.Second       // we acknowledge what takes longer
	ackAgain   = 2 * time.Minute   // and again, before the client gives up
)
