package k3k

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects"
)

// Lives of tickets and resumption tokens (reference 5.1, 5.2).
const (
	ticketLife  = 30 * time.Second
	resumeLife  = 2 * time.Minute
	resumeRenew = time.Minute
	tokenLength = 64
)

// pass is what a ticket stands for. It is kept in the store, sealed.
type pass struct {
	Room       bridge.RoomID        `json:"room"`
	ID         bridge.ParticipantID `json:"id"`
	User       bridge.UserID        `json:"user,omitempty"` // empty: a guest
	Owner      bool                 `json:"owner,omitempty"`
	Avatar     string               `json:"avatar,omitempty"`
	Groups     []string             `json:"groups,omitempty"`
	Secret     string               `json:"secret,omitempty"` // of the room
	Resumption string               `json:"resumption"`

	// What lasts over a resumption.
	Admitted bool  `json:"admitted,omitempty"` // the waiting room was passed
	Seen     marks `json:"seen,omitzero"`
}

// record is what a resumption token stands for.
type record struct {
	pass
	Live bool      `json:"live,omitempty"` // its connection is open
	Left time.Time `json:"left,omitzero"`  // when it was not any more
}

// newToken makes 64 characters of letters and digits.
func newToken() string {
	b := make([]byte, 0, tokenLength+26)
	for len(b) < tokenLength {
		b = append(b, rand.Text()...) // 26 characters, 130 bits
	}
	return string(b[:tokenLength])
}

// tickets is what REST answers to a start.
type tickets struct {
	Ticket     string `json:"ticket"`
	Resumption string `json:"resumption"`
}

// issue makes a ticket for somebody who may come in. The old token, which may be
// empty, keeps the participant what it was.
func (d *server) issue(ctx context.Context, p pass, old string) (tickets, error) {
	was, err := d.redeem(ctx, p, old)
	if err != nil {
		return tickets{}, err
	}
	p.ID, p.Resumption = bridge.NewParticipantID(), newToken()
	if was != nil {
		p.ID, p.Seen = was.ID, was.Seen
		p.Admitted = was.Admitted && time.Since(was.Left) < resumeLife
	}
	t := tickets{newToken(), p.Resumption}
	return t, d.keep(ctx, t.Ticket, p, time.Now().Add(ticketLife))
}

func (d *server) keep(ctx context.Context, token string, v any, until time.Time) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return d.env.Store.Tickets().Put(ctx, bridge.Secret(token), data, until)
}

// errRunning says that the connection of a resumption token is still open.
var errRunning = &restError{http.StatusBadRequest, "session_running", "the session of that token is still open"}

// redeem returns what a resumption token stands for, and uses it up. nil: nothing,
// for this user and room (reference 5.2).
func (d *server) redeem(ctx context.Context, p pass, token string) (*record, error) {
	if len(token) != tokenLength {
		return nil, nil
	}
	kept := d.env.Store.Tickets()
	r, err := readRecord(kept.Get(ctx, bridge.Secret(token)))
	switch {
	case bridge.CodeOf(err) == bridge.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case r.Room != p.Room || r.User != p.User:
		return nil, nil
	case r.Live:
		return nil, errRunning
	}
	r, err = readRecord(kept.Take(ctx, bridge.Secret(token)))
	if bridge.CodeOf(err) == bridge.NotFound {
		return nil, nil // somebody else was faster
	}
	return r, err
}

func readRecord(data []byte, err error) (*record, error) {
	r := new(record)
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	return r, err
}

// opened makes the resumption token good, now that its connection is open, and
// keeps it so (reference 5.2).
func (s *speaker) opened(ctx context.Context) error {
	err := s.d.keep(ctx, s.pass.Resumption, record{pass: s.pass, Live: true}, time.Now().Add(resumeLife))
	if err != nil {
		s.c.Log.Warn("resumption token", "err", err) // it cannot be used, then
	}
	s.c.After(resumeRenew, s.renew)
	return nil
}

// renew keeps the token good. One that was used elsewhere ends the connection.
func (s *speaker) renew(ctx context.Context) error {
	_, err := s.d.env.Store.Tickets().Get(ctx, bridge.Secret(s.pass.Resumption))
	if bridge.CodeOf(err) == bridge.NotFound {
		return &dialects.Hangup{Code: websocket.CloseNormalClosure}
	}
	return s.opened(ctx)
}

// closed notes that the connection is over, so that the token can be used.
func (s *speaker) closed(ctx context.Context) {
	now := time.Now()
	err := s.d.keep(ctx, s.pass.Resumption, record{pass: s.pass, Left: now}, now.Add(resumeLife))
	if err != nil {
		s.log.Warn("resumption token", "err", err)
	}
}

// protocolHeader names the header that ticket and protocol come in.
const protocolHeader = "Sec-WebSocket-Protocol"

// upgrade is what an upgrade asks for.
type upgrade struct {
	protocol string // the first that we know; empty: none
	ticket   string
	ticketed bool
}

// readUpgrade reads the subprotocols, in any order and spacing (reference 5.3).
func readUpgrade(h http.Header) (u upgrade) {
	for _, line := range h.Values(protocolHeader) {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			ticket, is := strings.CutPrefix(name, "ticket#")
			switch {
			case is && !u.ticketed:
				u.ticket, u.ticketed = ticket, true
			case u.protocol == "" && (name == oldProtocol || name == newProtocol):
				u.protocol = name
			}
		}
	}
	return u
}

// signaling is the WebSocket. What is wrong with the request is said before the
// upgrade; the ticket is used up in any case.
func (d *server) signaling(w http.ResponseWriter, r *http.Request) {
	u := readUpgrade(r.Header)
	if u.protocol == "" {
		d.fail(w, r, &restError{http.StatusBadRequest, "missing_protocol", "none of the subprotocols is known"})
		return
	}
	p, err := d.ticket(r, u)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	r.Header.Set(protocolHeader, u.protocol) // nothing else is to be selected, or echoed
	dialects.Serve(w, r, d.env, dialects.Options{Subprotocols: []string{u.protocol}, Limits: limits()},
		&speaker{d: d, pass: p, modern: u.protocol == newProtocol})
}

// ticket takes the ticket of an upgrade.
func (d *server) ticket(r *http.Request, u upgrade) (p pass, err error) {
	if !u.ticketed {
		return p, &restError{http.StatusUnauthorized, "missing_ticket", "there is no ticket"}
	}
	who := bridge.Credentials{Dialect: Name, Remote: dialects.Remote(r)}
	if _, err := d.env.Gate.Admit(r.Context(), who); err != nil {
		return p, err
	}
	invalid := &restError{http.StatusUnauthorized, "invalid_ticket", "the ticket is not good, or not any more"}
	if len(u.ticket) != tokenLength {
		d.env.Gate.Failed(who)
		return p, invalid
	}
	data, err := d.env.Store.Tickets().Take(r.Context(), bridge.Secret(u.ticket))
	if bridge.CodeOf(err) == bridge.NotFound {
		d.env.Gate.Failed(who)
		return p, invalid
	}
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	return p, err
}
