package spreed

import (
	"context"
	"maps"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// A ticket is what a client shows to come into a room.
type ticket struct {
	key    roomKey
	room   bridge.RoomID
	gave   bool // credentials, maybe with an empty PIN
	secret bridge.Secret
	iid    string
}

// onHello comes into a room (reference 5.2).
func (s *speaker) onHello(ctx context.Context, r wire.Request) error {
	if r.Hello == nil {
		return s.reply(r.Iid, refused(codeBadRequest, "there is no Hello"))
	}
	t := ticket{iid: r.Iid, key: s.names.key(r.Hello.RoomName(), r.Hello.Type)}
	if c := r.Hello.Credentials; c != nil {
		t.gave, t.secret = true, bridge.Secret(c.PIN)
	}
	if s.names.disabled(t.key) {
		return s.reply(t.iid, refused(codeNoDefaultRoom, "there is no default room here"))
	}
	// Even if the join fails.
	s.ua = r.Hello.Ua
	s.rev++
	if err := s.part(ctx, t.key); err != nil {
		return err
	}
	var err error
	if t.room, err = s.names.room(t.key); err != nil {
		return s.fail(ctx, t, refusal(err))
	}
	if e := s.judge(ctx, t); e != nil {
		return s.fail(ctx, t, *e)
	}
	switch {
	case s.at != nil:
		return s.again(ctx, t)
	case s.back != nil:
		return s.comeBack(ctx, t)
	}
	return s.join(ctx, t)
}

// part leaves the rooms that are not the one that is asked for.
func (s *speaker) part(ctx context.Context, key roomKey) error {
	s.stopKnocking(ctx)
	if s.back != nil && s.back.key != key {
		if err := s.abandon(ctx); err != nil {
			return err
		}
	}
	if s.at != nil && s.at.key != key {
		return s.leave(ctx)
	}
	return nil
}

// leave leaves the room. The client hangs up by itself, also after it is in
// another room (reference 12.1).
func (s *speaker) leave(ctx context.Context) error {
	if s.at == nil {
		return nil
	}
	at := s.at
	s.at = nil
	at.calls.close(ctx)
	return s.gentle(s.c.Leave(ctx, at.session, bridge.ByWish))
}

// onLeave handles Leave (reference 5.3).
func (s *speaker) onLeave(ctx context.Context, _ wire.Request) error {
	s.stopKnocking(ctx)
	if err := s.abandon(ctx); err != nil {
		return err
	}
	return s.leave(ctx)
}

// fail refuses a Hello. Who was in that room is not any more: where the original
// server keeps a ghost, this is a clean leave (reference 5.2).
func (s *speaker) fail(ctx context.Context, t ticket, e wire.Error) error {
	if err := s.abandon(ctx); err != nil {
		return err
	}
	if err := s.leave(ctx); err != nil {
		return err
	}
	return s.reply(t.iid, e)
}

// judge tells what speaks against letting a client in, as far as it can be told
// before it tries.
func (s *speaker) judge(ctx context.Context, t ticket) *wire.Error {
	info, err := s.env.Host.Lookup(ctx, t.room)
	exists := err == nil
	if !exists && bridge.CodeOf(err) != bridge.NotFound {
		e := refusal(err)
		return &e
	}
	u := s.cfg.Users
	if u.Enabled && s.user == "" && (u.AuthorizeRoomJoin || u.AuthorizeRoomCreation && !exists) {
		e := refused(codeNeedsAccount, "this room is for users only")
		return &e
	}
	if e := judgePIN(t, info, exists); e != nil {
		return e
	}
	if exists && (s.at != nil || s.back != nil) {
		return s.probe(ctx, t)
	}
	return nil
}

// judgePIN tells what is wrong with credentials before they are tried (reference 6).
func judgePIN(t ticket, info bridge.Info, exists bool) *wire.Error {
	e := refused(codeNoCredentials, "the room has no PIN")
	switch {
	case !t.gave:
		return nil
	case exists && len(info.Secured) == 0:
	case t.secret != "":
		return nil
	case needsSecret(info):
		e = refused(codeBadCredentials, "the PIN is wrong")
	}
	return &e
}

// needsSecret reports whether nobody comes in without a secret: then a room has
// what clients call a PIN.
func needsSecret(i bridge.Info) bool { return i.Secured[bridge.Speaker] && i.Secured[bridge.Listener] }

// probe checks the credentials of one who has a seat in the room already.
func (s *speaker) probe(ctx context.Context, t ticket) *wire.Error {
	x, err := s.env.Host.Join(ctx, bridge.JoinRequest{
		Room: t.room, Kind: bridge.Service, Dialect: Name, User: s.userID(), Remote: s.c.Remote, Secret: t.secret,
	})
	switch bridge.CodeOf(err) {
	case 0:
		_ = x.Leave(ctx, bridge.ByWish) // hidden: nobody noticed
		return nil
	case bridge.RoomLocked, bridge.RoomFull: // asked after the secret; the seat is there
		return nil
	}
	s.braked(t, err)
	e := refusedHello(err, t.gave)
	return &e
}

// braked tells the gate of a wrong secret.
func (s *speaker) braked(t ticket, err error) {
	if bridge.CodeOf(err) == bridge.WrongSecret {
		s.env.Gate.Failed(s.credentials(t))
	}
}

// credentials is what the gate judges. The PIN is for the room to judge.
func (s *speaker) credentials(t ticket) bridge.Credentials {
	return bridge.Credentials{Dialect: Name, Remote: s.c.Remote, Room: t.room, User: s.user}
}

// join takes a seat.
func (s *speaker) join(ctx context.Context, t ticket) error {
	grant, err := s.env.Gate.Admit(ctx, s.credentials(t))
	if err != nil {
		return s.reply(t.iid, refusedHello(err, t.gave))
	}
	session, err := s.c.Join(ctx, s.request(t, grant))
	if err != nil {
		s.braked(t, err)
		return s.reply(t.iid, refusedHello(err, t.gave))
	}
	s.counts.joins.Add(1)
	m := newMeeting(s, t, session)
	if session.At.Waiting {
		s.knocking = &knock{s: s, session: session, m: m, iid: t.iid}
		return nil
	}
	s.at = m
	return m.enter(ctx, t.iid, session.At)
}

func (s *speaker) request(t ticket, g bridge.Grant) bridge.JoinRequest {
	attrs := s.attrs()
	maps.DeleteFunc(attrs, func(_, v string) bool { return v == "" })
	req := bridge.JoinRequest{
		Room: t.room, ID: s.me, User: s.userID(), Name: s.name(), Kind: bridge.Guest,
		Dialect: Name, Shows: shows, Attrs: attrs, Secret: t.secret,
		AtMost: g.Role, Add: g.Add,
	}
	if g.User != "" {
		req.User = g.User
	}
	if req.User != "" {
		req.Kind = bridge.Person
	}
	if s.cfg.Create {
		req.Create = &bridge.Spec{}
		if t.secret != "" {
			req.Create.Secrets = pin(t.secret)
		}
	}
	return req
}

// pin is a PIN as secrets of a room: without it nobody comes in.
func pin(p bridge.Secret) map[bridge.Role]bridge.Secret {
	return map[bridge.Role]bridge.Secret{bridge.Speaker: p, bridge.Listener: p}
}

// again is a Hello for the room that the client is in (reference 5.2).
func (s *speaker) again(ctx context.Context, t ticket) error {
	if err := s.spread(ctx); err != nil {
		return err
	}
	return s.at.enterAgain(ctx, t.iid)
}

// comeBack takes the seat again that the client had before it came back. Its calls
// have gone on meanwhile (reference 14.6).
func (s *speaker) comeBack(ctx context.Context, t ticket) error {
	back := s.back
	s.back = nil
	back.expire()
	session, err := s.env.Host.Resume(ctx, back.token)
	if err != nil {
		return s.join(ctx, t) // the seat is gone
	}
	s.counts.resumed.Add(1)
	session.WakeBy(s.c.Wake())
	s.c.Attach(session)
	m, ok := session.Memo.(*meeting)
	if !ok || session.At.Waiting {
		// The seat is there, what hung on it is not.
		if err := s.c.Leave(ctx, session, bridge.ByWish); err != nil {
			return s.gentle(err)
		}
		return s.join(ctx, t)
	}
	session.Memo = nil
	s.at = m
	if err := m.attach(ctx, s, session); err != nil {
		return err
	}
	if err := s.spread(ctx); err != nil {
		return err
	}
	return m.enterAgain(ctx, t.iid)
}

// knock is a client in the waiting room: its Welcome waits until it is let in.
type knock struct {
	s       *speaker
	session *bridge.Session
	m       *meeting
	iid     string
	no      wire.Error
}

func (k *knock) event(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Admitted:
		if err := k.session.Do(ctx, bridge.Enter{}); err != nil {
			k.s.stopKnocking(ctx)
			return k.s.reply(k.iid, refusal(err))
		}
	case bridge.Entered:
		k.s.knocking, k.s.at = nil, k.m
		return k.m.enter(ctx, k.iid, e.At)
	case bridge.Kicked:
		k.no = refused(codeUnknown, "you were not let in")
	}
	return nil
}

// refused tells that the client will not be let in.
func (k *knock) refused(err error) error {
	if k.no.Code != "" {
		return k.s.reply(k.iid, k.no)
	}
	return k.s.reply(k.iid, refusal(err))
}

func (s *speaker) stopKnocking(ctx context.Context) {
	if k := s.knocking; k != nil {
		s.knocking = nil
		_ = s.c.Leave(ctx, k.session, bridge.ByWish) // whoever might admit is told
	}
}
