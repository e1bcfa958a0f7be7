package asn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// shows is what clients can show their users.
const shows = bridge.ShowsMute | bridge.ShowsTalking | bridge.ShowsHands

// join handles asnJoinConference.
func (c *caller) join(ctx context.Context, a *rose.JoinConferenceArgument) (outcome, error) {
	room, claims, err := c.mayJoin(ctx, a)
	if err != nil {
		return outcome{}, err
	}
	if a.SessionToken != nil {
		t, err := c.comeBack(ctx, room, a)
		if err != nil {
			return outcome{}, err
		}
		return outcome{value: t.welcome(ctx)}, nil
	}
	w, err := c.d.way(ctx, room, claims)
	if err != nil {
		return outcome{}, err
	}
	if slices.ContainsFunc(c.speaker.seats, func(t *seat) bool { return t.room.ID == room }) {
		return outcome{}, fail(rose.Conflict, "this connection has a party in this conference already")
	}
	if err := errors.Join(rose.Check(a), checkPublishing(a.Media)); err != nil {
		return outcome{}, err
	}
	t, err := c.sit(ctx, a, claims, w)
	if err != nil {
		return outcome{}, err
	}
	return outcome{value: t.welcome(ctx)}, nil
}

// mayJoin makes the first checks: they need no conference.
func (c *caller) mayJoin(ctx context.Context, a *rose.JoinConferenceArgument) (room bridge.RoomID, claims *Claims, err error) {
	room, err = bridge.Normalize(a.ConferenceID)
	if err != nil {
		return "", nil, err
	}
	if strings.TrimSpace(a.Contact.DisplayName) == "" {
		return "", nil, fail(rose.DisplayNameMissing, "the display name is empty")
	}
	if _, err := c.d.env.Gate.Admit(ctx, bridge.Credentials{Dialect: Name, Remote: c.speaker.c.Remote, Room: room}); err != nil {
		return "", nil, err
	}
	if a.Token == nil {
		return room, nil, nil
	}
	got, err := readToken(c.d.env.IDs, *a.Token)
	if err == nil && got.Conference != "" && got.Conference != room {
		err = fail(rose.TokenInvalid, "the token is for another conference")
	}
	if err != nil {
		c.failed()
		return "", nil, err
	}
	return room, &got, nil
}

// sit takes a seat.
func (c *caller) sit(ctx context.Context, a *rose.JoinConferenceArgument, claims *Claims, w way) (*seat, error) {
	s := c.speaker
	self := rose.ConferenceParty{
		Contact: a.Contact, Capabilities: once(a.Capabilities), Properties: own(a.Properties), Media: []rose.PublishedMedia{},
	}
	if a.Image != nil {
		id, err := c.d.keepImage(ctx, *a.Image, time.Now().Add(pictureLife))
		if err != nil {
			return nil, err
		}
		self.ImageID = &id
	}
	text := string(rose.JSON.Marshal(&self))
	if len(text) > bridge.MaxAttrs {
		return nil, fail(rose.TooLarge, "contact, capabilities and properties are too large")
	}
	req := bridge.JoinRequest{
		Room: w.room, Create: w.create, Name: cut(a.Contact.DisplayName, bridge.MaxName), Kind: bridge.Guest, Dialect: Name,
		Shows: shows, Attrs: map[string]string{attrParty: text}, AtMost: bridge.Speaker,
	}
	if w.moderator {
		req.AtMost, req.Secret = bridge.Moderator, w.secret
	}
	if claims != nil {
		req.User, req.Kind = claims.User, bridge.Person
	} else if c.account.known() {
		req.User, req.Kind = c.account.User, bridge.Person
	}
	if !a.Publisher {
		req.Without = publishing
	}
	session, err := c.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	t, err := c.d.newSeat(ctx, s, session)
	if err != nil {
		_ = s.c.Leave(ctx, session, bridge.ByLoss)
		return nil, err
	}
	t.self = self
	if !a.Publisher {
		t.lifts = publishing // it may become a publisher
	}
	return t, t.begin(ctx, a)
}

// enter joins. Who would have to wait to be let in is refused: there is no word for
// it, and a call is to be answered at once.
func (c *caller) enter(ctx context.Context, req bridge.JoinRequest) (*bridge.Session, error) {
	session, err := c.speaker.c.Join(ctx, req)
	if bridge.CodeOf(err) == bridge.WrongSecret && req.Secret != "" {
		req.Secret = "" // a room that another dialect has made has other secrets
		session, err = c.speaker.c.Join(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	if session.At.Waiting {
		if err := c.speaker.c.Leave(ctx, session, bridge.ByWish); err != nil {
			return nil, err
		}
		return nil, fail(rose.Forbidden, "the conference has a waiting room, and nobody can be let in from here")
	}
	return session, nil
}

// begin makes the party what it has asked to be. When there is no media node, it
// leaves again.
func (t *seat) begin(ctx context.Context, a *rose.JoinConferenceArgument) error {
	for _, s := range a.Media {
		t.wants[s.MediaType] = setting{off: s.Enabled != nil && !*s.Enabled, muted: s.Muted != nil && *s.Muted}
	}
	if !a.Publisher || t.me.who.Can&publishing == 0 {
		return nil
	}
	if err := t.newUplink(ctx); err != nil {
		_ = t.s.c.Leave(ctx, t.session, bridge.ByWish)
		t.end(ctx)
		return err
	}
	return nil
}

// comeBack makes the party of a session token this connection's (reference 3501).
func (c *caller) comeBack(ctx context.Context, room bridge.RoomID, a *rose.JoinConferenceArgument) (*seat, error) {
	id, ok := c.d.partyOf(*a.SessionToken)
	if !ok {
		c.failed()
		return nil, errNoParty()
	}
	if err := errors.Join(rose.Check(a), checkPublishing(a.Media)); err != nil {
		return nil, err
	}
	t, err := c.seat(a.SessionToken)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		if t, err = c.speaker.takeOver(ctx, id, room); err != nil {
			return nil, err
		}
	case t.room.ID != room:
		return nil, fail(rose.TokenInvalid, "the session token is of another conference")
	}
	t.touch()
	if t.remade {
		t.remade = false
		begin := *a
		begin.Publisher = true // as far as it may be
		if err := t.begin(ctx, &begin); err != nil {
			return nil, err
		}
	}
	next := t.self
	next.Contact, next.Capabilities, next.Properties = a.Contact, once(a.Capabilities), own(a.Properties)
	if err := t.describe(ctx, next); err != nil {
		return nil, err
	}
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	for _, d := range t.downs {
		if err := c.speaker.soon(func() error { return d.again(context.WithoutCancel(ctx)) }); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// welcome is the answer to a join.
func (t *seat) welcome(context.Context) *rose.JoinConferenceResult {
	r := &rose.JoinConferenceResult{
		SessionToken: t.token, PartyID: t.id.String(), Role: t.me.party().Role,
		Room:    rose.ConferenceRoom{RoomID: string(t.room.ID), Created: t.room.Created},
		Parties: t.parties(), KeepAliveTimeout: t.d.cfg.KeepAlive.Milliseconds(), PublishID: t.up.publishID(),
	}
	if t.room.Title != "" {
		r.Room.Subject = &t.room.Title
	}
	if id := t.room.Attrs[attrImage]; id != "" {
		r.Room.ImageID = &id
	}
	if t.d.env.ICE != nil {
		for _, s := range t.d.env.ICE() {
			x := rose.ConferenceIceServer{URLs: s.URLs}
			if s.Username != "" {
				x.Username, x.Credential = &s.Username, new(bridge.Secret(s.Credential))
			}
			r.ICEServers = append(r.ICEServers, x)
		}
	}
	return r
}

// parties are all that are here, in the order of joining.
func (t *seat) parties() []rose.ConferenceParty {
	all := make([]rose.ConferenceParty, 0, len(t.order))
	for _, m := range t.order {
		all = append(all, *m.party())
	}
	return all
}

// partyList handles asnGetPartyList. It contains exactly what the events so far add
// up to.
func (t *seat) partyList(context.Context, *rose.GetPartyListArgument) (*rose.GetPartyListResult, error) {
	if err := t.tellChanges(); err != nil {
		return nil, err
	}
	return &rose.GetPartyListResult{Parties: t.parties()}, nil
}

// keepAlive handles asnConferenceKeepAlive (reference 10).
func (t *seat) keepAlive(context.Context, *rose.ConferenceKeepAliveArgument) (*rose.ConferenceKeepAliveResult, error) {
	return &rose.ConferenceKeepAliveResult{KeepAliveTimeout: t.d.cfg.KeepAlive.Milliseconds()}, nil
}

// leaveConference handles asnLeaveConference.
func (t *seat) leaveConference(ctx context.Context, _ *rose.LeaveConferenceArgument) (*rose.LeaveConferenceResult, error) {
	err := t.session.Leave(ctx, bridge.ByWish)
	t.end(ctx)
	return new(rose.LeaveConferenceResult), err
}

// removeParty handles asnRemoveParty.
func (t *seat) removeParty(ctx context.Context, a *rose.RemovePartyArgument) (*rose.RemovePartyResult, error) {
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	if !t.me.moderates() {
		return nil, fail(rose.Forbidden, "only moderators remove others")
	}
	m, err := t.partyByID(a.PartyID)
	switch {
	case err != nil:
		return nil, err
	case m == t.me:
		return nil, fail(rose.InvalidArgument, "who wants to go leaves the conference")
	}
	if err := rose.Check(a); err != nil {
		return nil, err
	}
	err = t.session.Do(ctx, bridge.Kick{Target: m.who.ID, Reason: cut(deref(a.Reason), bridge.MaxName)})
	if bridge.CodeOf(err) == bridge.NotFound {
		err = fail(rose.PartyNotFound, "there is no such party in the room")
	}
	return new(rose.RemovePartyResult), err
}

// once leaves out numbers that occur twice (reference 9).
func once(c rose.ConferenceCapabilities) rose.ConferenceCapabilities {
	numbers := make([]int64, 0, len(c.ClientCapabilities))
	for _, n := range c.ClientCapabilities {
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	c.ClientCapabilities = numbers
	return c
}

// own leaves out properties that the bridge sets.
func own(all []rose.StringPair) []rose.StringPair {
	return slices.DeleteFunc(slices.Clone(all), func(p rose.StringPair) bool {
		return p.Key == propertyDialect || p.Key == propertyAvatar || p.Key == propertyHand
	})
}

// cut returns as much of a text as fits, in whole characters.
func cut(s string, most int) string {
	for len(s) > most {
		_, n := utf8.DecodeLastRuneInString(s[:most+1])
		s = s[:most+1-n]
	}
	return s
}

// trimAttribute takes the a= off a candidate.
func trimAttribute(s string) string { return strings.TrimPrefix(s, "a=") }
