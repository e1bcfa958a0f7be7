package ahoy

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

// speaker is the state of one connection. It is in at most one conference.
type speaker struct {
	cfg  Config
	c    *dialects.Conn
	log  *slog.Logger // of the connection, without a member
	seat *seat        // nil: no member
	wait *knocker     // nil: does not wait to be let in
	reap func()       // takes back the end of a connection without a conference

	bad, searches tally
}

// A handler does what a request asks. The response is written before anything
// that it causes (reference 8.4).
type handler func(*speaker, context.Context, message) (answer, error)

// answer is what a request gets.
type answer struct {
	body  response // nil: nothing but the envelope
	then  func(context.Context) error
	later bool // the response comes another time
}

// requests is everything a client may ask (reference 4).
var requests = map[string]handler{
	createRequest:   (*speaker).create,
	joinRequest:     (*speaker).join,
	leaveRequest:    (*speaker).leave,
	kickRequest:     seated((*seat).kick),
	lockRequest:     seated((*seat).lock),
	describeRequest: seated((*seat).describe),
	destroyRequest:  seated((*seat).destroy),
	shareRequest:    seated((*seat).share),
	mediaRequest:    seated((*seat).media),
	chatRequest:     seated((*seat).chat),
}

// answers is everything a client may answer (reference 7).
var answers = map[string]func(*seat, context.Context, message) error{
	receiveResponse:   (*seat).received,
	descriptionAnswer: (*seat).described,
}

// reasons are the texts for 403 that differ from the table's (reference 4.9).
var reasons = map[string]string{describeRequest: "Forbidden"}

// seated makes a handler of one that needs a membership.
func seated(f func(*seat, context.Context, message) (answer, error)) handler {
	return func(s *speaker, ctx context.Context, m message) (answer, error) {
		if s.seat == nil {
			return answer{}, bridge.Errorf(bridge.Forbidden, "join first")
		}
		return f(s.seat, ctx, m)
	}
}

// Open implements dialects.Speaker.
func (s *speaker) Open(_ context.Context, c *dialects.Conn) error {
	s.c, s.log = c, c.Log
	return nil
}

// Frame implements dialects.Speaker.
func (s *speaker) Frame(ctx context.Context, c *dialects.Conn, f dialects.Frame) error {
	m, err := decode(f.Data)
	if err != nil {
		return s.flood(err)
	}
	if do := requests[m.kind]; do != nil {
		return s.request(ctx, m, do)
	}
	if do := answers[m.kind]; do != nil {
		if s.seat == nil {
			return nil
		}
		return do(s.seat, ctx, m)
	}
	if strings.HasSuffix(m.kind, requestSuffix) {
		c.Refused()
		return s.reply(m, nil, outcomes[bridge.NotSupported])
	}
	return nil
}

// request runs a handler and writes its response.
func (s *speaker) request(ctx context.Context, m message, do handler) error {
	a, err := do(s, ctx, m)
	if err != nil {
		o := outcomeOf(err)
		if text := reasons[m.kind]; text != "" && bridge.CodeOf(err) == bridge.Forbidden {
			o.reason = text
		}
		s.c.Log.Debug("refused", "request", m.kind, "code", o.status, "err", err)
		s.c.Refused()
		return s.reply(m, s.refusal(err, &o), o)
	}
	if !a.later {
		if err := s.reply(m, a.body, outcome{statusOK, "OK"}); err != nil {
			return err
		}
	}
	if a.then != nil {
		return a.then(ctx)
	}
	return nil
}

// refusal returns what an error response has beside the envelope, and may change
// its outcome.
func (s *speaker) refusal(err error, o *outcome) response {
	if e, ok := errors.AsType[*exists](err); ok {
		return &existsResponse{ConferenceID: string(e.room)}
	}
	if e, ok := errors.AsType[*redirected](err); ok {
		*o = outcome{302, "moved"}
		return &movedResponse{URL: e.url}
	}
	return nil
}

// reply writes a response.
func (s *speaker) reply(m message, body response, o outcome) error {
	if body == nil {
		body = new(envelope)
	}
	*body.head() = envelope{
		MessageType:   strings.TrimSuffix(m.kind, requestSuffix) + responseSuffix,
		Status:        o.status,
		Reason:        o.reason,
		TransactionID: m.id,
	}
	return s.write(body)
}

// say writes an indication or a request of ours.
func (s *speaker) say(kind string, body response) error {
	body.head().MessageType = kind
	return s.write(body)
}

func (s *speaker) write(v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return s.c.Write(data)
}

// Event implements dialects.Speaker.
func (s *speaker) Event(ctx context.Context, _ *dialects.Conn, x *bridge.Session, e bridge.Event) error {
	switch {
	case s.wait != nil && s.wait.session == x:
		return s.waiting(ctx, e)
	case s.seat != nil && s.seat.session == x:
		return s.seat.event(ctx, e)
	}
	return nil // of a membership that is over
}

// Lost implements dialects.Speaker.
func (s *speaker) Lost(_ context.Context, _ *dialects.Conn, x *bridge.Session, err error) error {
	if s.wait != nil && s.wait.session == x {
		return s.refuse(outcomeOf(err))
	}
	if s.seat != nil && s.seat.session == x {
		return err
	}
	return nil
}

// Close implements dialects.Speaker.
func (s *speaker) Close(context.Context, *dialects.Conn, error) {
	if s.seat != nil {
		s.seat.closePeers()
	}
}

// What a connection may do within a minute.
const (
	minute      = time.Minute
	floodFrames = 100 // bad frames; more are a flood (reference 3)
	maxSearches = 10  // of a conference by its name, which costs a look at all of them
)

// tally counts something within a minute.
type tally struct {
	since time.Time
	n     int
}

// more counts one, and returns how many there were in this minute.
func (t *tally) more() int {
	now := time.Now()
	if now.Sub(t.since) > minute {
		*t = tally{since: now}
	}
	t.n++
	return t.n
}

// flood takes a frame that is no message.
func (s *speaker) flood(err error) error {
	s.c.Log.Debug("frame ignored", "err", err)
	s.c.Refused()
	if s.bad.more() < floodFrames {
		return nil
	}
	return &dialects.Hangup{Code: websocket.ClosePolicyViolation, Reason: "too many frames that are no messages"}
}

// text makes the JSON of a string.
func text(s string) json.RawMessage {
	b, err := encode(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return b
}
