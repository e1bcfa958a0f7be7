package ahoy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// exists says that a conference cannot be created because it is there.
type exists struct {
	room bridge.RoomID
	err  error
}

func (e *exists) Error() string { return e.err.Error() }
func (e *exists) Unwrap() error { return e.err }

// redirected says that a conference is elsewhere.
type redirected struct{ url string }

func (e *redirected) Error() string { return "redirected to " + e.url }

// create handles CONFERENCE_CREATE_request (4.1). It joins nothing.
func (s *speaker) create(ctx context.Context, m message) (answer, error) {
	q, err := read[create](m)
	if err != nil {
		return answer{}, err
	}
	if !s.cfg.Create {
		return answer{}, bridge.Errorf(bridge.Forbidden, "conferences cannot be created here")
	}
	name := q.ConferenceID
	if strings.TrimSpace(name) == "" {
		name = strings.ToLower(rand.Text()) // 128 bits; goes into links
	}
	id, err := bridge.Normalize(name)
	if err != nil {
		return answer{}, err
	}
	if _, err := s.c.Env.Gate.Admit(ctx, s.credentials(id)); err != nil {
		return answer{}, fmt.Errorf("create %q: %w", id, err)
	}
	if err := s.c.Env.Host.Create(ctx, s.cfg.spec(id, q)); err != nil {
		if bridge.CodeOf(err) == bridge.Exists {
			err = &exists{room: id, err: err}
		}
		return answer{}, err
	}
	r := &createResponse{ConferenceID: string(id), ConferenceName: q.ConferenceName, Description: q.Description}
	if r.ConferenceName == "" {
		r.ConferenceName = string(id)
	}
	return answer{body: r}, nil
}

// spec is the room that a client asks for.
func (c Config) spec(id bridge.RoomID, q create) bridge.Spec {
	s := bridge.Spec{
		ID: id, Title: q.ConferenceName, About: q.Description, Secrets: map[bridge.Role]bridge.Secret{},
		Max: c.Room.MaxMember, Limit: c.Room.TimeLimit, MaxBitrate: c.Room.MaxVideoBitrate * bitsPerKilobit,
		WaitingRoom: c.Room.WaitingRoom, NeverJoined: c.Room.NeverJoined, EmptyTimeout: c.Room.EmptyTimeout,
		KeepChat: c.Room.KeepChat, Unlisted: c.Room.Unlisted,
	}
	for role, secret := range map[bridge.Role]string{
		bridge.Moderator: q.ModeratorPassword, bridge.Speaker: q.Password, bridge.Listener: q.ListenerPassword,
	} {
		if secret != "" {
			s.Secrets[role] = bridge.Secret(secret)
		}
	}
	if q.MaxMember > 0 {
		s.Max = int(q.MaxMember)
	}
	if q.TimeLimit > 0 {
		s.Limit = time.Duration(q.TimeLimit) * time.Second
	}
	if q.MaxVideoBitrate > 0 {
		s.MaxBitrate = int(q.MaxVideoBitrate) * bitsPerKilobit
	}
	return s
}

func (s *speaker) credentials(room bridge.RoomID) bridge.Credentials {
	return bridge.Credentials{Dialect: Name, Remote: s.c.Remote, Room: room}
}

// join handles CONFERENCE_JOIN_request (4.2).
func (s *speaker) join(ctx context.Context, m message) (answer, error) {
	q, err := read[join](m)
	if err != nil {
		return answer{}, err
	}
	if err := s.part(ctx, bridge.ByWish); err != nil {
		return answer{}, err
	}
	if strings.TrimSpace(q.ConferenceID) == "" {
		if !isNull(q.Invitation) || !isNull(q.Session) || !isNull(q.UUID) {
			return answer{}, bridge.Errorf(bridge.Forbidden, "the invitation is not ours")
		}
		return answer{}, bridge.Errorf(bridge.NotFound, "there is no such conference")
	}
	asked, _ := bridge.Normalize(q.ConferenceID) // what is no id may be a name
	grant, err := s.c.Env.Gate.Admit(ctx, s.credentials(asked))
	if err != nil {
		return answer{}, fmt.Errorf("join %q: %w", asked, err)
	}
	id, err := s.find(ctx, asked, q.ConferenceID)
	if err != nil {
		return answer{}, err
	}
	session, err := s.enter(ctx, id, q, grant)
	if err != nil {
		return answer{}, err
	}
	s.stay()
	if session.At.Waiting {
		s.wait = &knocker{session: session, request: m}
		return answer{later: true}, nil
	}
	s.sit(session, session.At)
	return answer{body: s.seat.joined(), then: s.seat.welcome}, nil
}

// sit begins a membership.
func (s *speaker) sit(session *bridge.Session, at bridge.Snapshot) {
	s.c.Log = s.log.With("room", at.Room.ID, "participant", at.Self.ID)
	s.c.Log.Info("joined")
	s.seat = newSeat(s, session, at)
}

// find returns the room of a conferenceID, or the only one that is shown under
// that name: the web client gives the screen extension the name (4.2).
func (s *speaker) find(ctx context.Context, id bridge.RoomID, name string) (bridge.RoomID, error) {
	if id != "" {
		if url := s.cfg.redirect(id, ""); url != "" {
			return "", &redirected{url}
		}
		_, err := s.c.Env.Host.Lookup(ctx, id)
		if bridge.CodeOf(err) != bridge.NotFound {
			return id, s.elsewhere(err)
		}
	}
	if s.searches.more() > maxSearches {
		return "", bridge.Errorf(bridge.NotFound, "there is no such conference")
	}
	rooms, err := s.c.Env.Host.List(ctx)
	if err != nil {
		return "", err
	}
	id, n := "", 0
	for _, r := range rooms {
		if r.Title != "" && strings.TrimSpace(r.Title) == strings.TrimSpace(name) {
			id = r.ID
			n++
		}
	}
	if n != 1 {
		return "", bridge.Errorf(bridge.NotFound, "there is no such conference")
	}
	return id, nil
}

// elsewhere turns Moved into a redirect, where one is configured.
func (s *speaker) elsewhere(err error) error {
	if err == nil || bridge.CodeOf(err) != bridge.Moved {
		return err
	}
	if url := s.cfg.redirect("", nodeOf(err)); url != "" {
		return &redirected{url}
	}
	return err
}

// enter takes a seat in the room.
func (s *speaker) enter(ctx context.Context, id bridge.RoomID, q join, grant bridge.Grant) (*bridge.Session, error) {
	req := bridge.JoinRequest{
		Room: id, User: grant.User, Name: q.Name, Kind: bridge.Guest, Dialect: Name,
		Shows:  bridge.ShowsMute | bridge.ShowsTalking,
		Secret: bridge.Secret(q.Password), AtMost: grant.Role, Add: grant.Add,
	}
	if grant.User != "" {
		req.Kind = bridge.Person
	}
	if grant.Name != "" {
		req.Name = grant.Name
	}
	session, err := s.c.Join(ctx, req)
	if bridge.CodeOf(err) == bridge.WrongSecret {
		s.c.Env.Gate.Failed(s.credentials(id))
	}
	return session, s.elsewhere(err)
}

// leave handles CONFERENCE_LEAVE_request (4.6). The connection may join again.
func (s *speaker) leave(ctx context.Context, _ message) (answer, error) {
	return answer{}, s.part(ctx, bridge.ByWish)
}

// part ends the membership, or the wait for one.
func (s *speaker) part(ctx context.Context, why bridge.Reason) error {
	var session *bridge.Session
	switch {
	case s.wait != nil:
		session = s.wait.session
		if err := s.refuse(outcomes[bridge.RoomLocked]); err != nil {
			return err
		}
	case s.seat != nil:
		session = s.seat.session
		s.seat.closePeers()
		s.seat = nil
		s.c.Log.Info("left")
		s.c.Log = s.log
		s.stray()
	default:
		return nil
	}
	return s.c.Leave(ctx, session, why)
}

// stray ends the connection unless it joins again.
func (s *speaker) stray() {
	s.reap = s.c.After(strangers, func(context.Context) error { return dialects.ErrTimeout })
}

// stay takes that back.
func (s *speaker) stay() {
	if s.reap != nil {
		s.reap()
		s.reap = nil
	}
}

// knocker waits to be let in: the response to its join waits with it
// (architecture 9).
type knocker struct {
	session *bridge.Session
	request message
}

// waiting takes what one is told who waits.
func (s *speaker) waiting(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Admitted:
		session := s.wait.session
		err := session.Do(ctx, bridge.Enter{})
		if err == nil || bridge.CodeOf(err) == bridge.Forbidden {
			return nil // Entered comes; or the moderator thought better of it
		}
		if err := s.refuse(outcomeOf(err)); err != nil {
			return err
		}
		return s.c.Leave(ctx, session, bridge.ByWish)
	case bridge.Entered:
		w := s.wait
		s.wait = nil
		s.sit(w.session, e.At)
		if err := s.reply(w.request, s.seat.joined(), outcome{statusOK, "OK"}); err != nil {
			return err
		}
		return s.seat.welcome(ctx)
	case bridge.Kicked:
		return s.refuse(outcomes[bridge.RoomLocked])
	case bridge.Ended:
		return s.refuse(outcomes[bridge.NotFound])
	}
	return nil
}

// refuse answers a join that has waited.
func (s *speaker) refuse(o outcome) error {
	w := s.wait
	s.wait = nil
	s.stray()
	return s.reply(w.request, nil, o)
}

// nodeOf returns where a room that has Moved is.
func nodeOf(err error) bridge.NodeID {
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		return e.Node
	}
	return ""
}

// secondsLeft is remainingSeconds (4.2). A part of a second counts as a whole
// one: the web client leaves by itself at zero.
func secondsLeft(r bridge.Info, now time.Time) int64 {
	left, limited := r.Remaining(now)
	if !limited {
		return unlimited
	}
	return int64(math.Ceil(left.Seconds()))
}
