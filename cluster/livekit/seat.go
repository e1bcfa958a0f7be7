package livekit

import (
	"context"
	"maps"
	"slices"
	"time"

	"dragoman/bridge"
)

// The times of seats.
const (
	keepTime  = 15 * time.Second // seats are kept for that when LiveKit is lost
	retryTime = 10 * time.Second // until a seat that was refused is asked for again
	seatTime  = 5 * time.Second  // for a command
	lowerTime = 5 * time.Second  // until LiveKit tells of a hand that was lowered: every 3 s
	backTime  = time.Second      // a stream that has ended is kept for that: after a full reconnect it is there again
)

// seat is somebody of a LiveKit room in ours. The roster's goroutine has it.
type seat struct {
	person  person
	id      bridge.ParticipantID
	session *bridge.Session // nil: not seated
	can     bridge.Permissions
	waiting bool // in the waiting room
	away    bool
	talking bool
	// As the room has been told:
	name  string
	attrs map[string]string
	hand  bool
	sent  map[bridge.Source]bridge.Publication
	gone  map[bridge.Source]time.Time // since when what was sent is not there any more
	// A moderator of ours has ended these streams; they stay so until they end there.
	cut     map[bridge.Source]bool
	lowered time.Time // until then the hand that a moderator lowered may look raised there
	removed string    // the SID of one who was removed here: it is not seated again
	retry   time.Time // when to ask for a seat again
}

func (r *roster) newSeat(p person) *seat {
	return &seat{
		person: p, id: participantID(r.server.Name, p.identity),
		sent: map[bridge.Source]bridge.Publication{}, gone: map[bridge.Source]time.Time{}, cut: map[bridge.Source]bool{},
	}
}

// join takes a seat for somebody.
func (r *roster) join(s *seat, now time.Time) {
	if s.removed == s.person.sid || now.Before(s.retry) {
		return
	}
	shows := bridge.ShowsMute | bridge.ShowsHands | bridge.ShowsTalking
	if r.server.Export == exportAll {
		shows |= bridge.ShowsPrivateChat // whoever writes has a puppet that can pass it on
	}
	name, attrs := s.person.named(), s.person.seatAttrs(r.server.Name)
	ctx, cancel := context.WithTimeout(r.ctx, seatTime)
	defer cancel()
	session, err := r.host.Join(ctx, bridge.JoinRequest{
		Room: r.room, ID: s.id, User: userID(r.server.Name, s.person.identity), Name: name, Kind: bridge.Federated,
		Dialect: dialect, Shows: shows, Attrs: attrs, AtMost: bridge.Speaker, Wake: r.wake,
	})
	if err != nil {
		s.retry = now.Add(retryTime)
		r.count.unseated.Add(1)
		r.log.Info("somebody of LiveKit gets no seat", "participant", s.id.String(), "err", err)
		return
	}
	self := session.At.Self
	s.session, s.can, s.waiting = session, self.Can, session.At.Waiting
	s.name, s.attrs, s.hand, s.away, s.talking, s.removed = name, attrs, false, false, false, ""
	clear(s.sent)
	r.seated.Add(1)
	nudge(r.wake) // what came before is not forgotten
}

// do posts a command of a seat and reports whether there is no need to try it again.
func (r *roster) do(s *seat, c bridge.Command) bool {
	ctx, cancel := context.WithTimeout(r.ctx, seatTime)
	defer cancel()
	err := s.session.Do(ctx, c)
	if err != nil {
		r.log.Debug("a seat of LiveKit is refused something", "participant", s.id.String(), "err", err)
	}
	switch bridge.CodeOf(err) {
	case bridge.Unavailable, bridge.Closed, bridge.Internal, bridge.Moved:
		return false
	}
	return true
}

// leave gives up a seat.
func (r *roster) leave(s *seat, why bridge.Reason) {
	if s.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), seatTime)
	defer cancel()
	if err := s.session.Leave(ctx, why); err != nil {
		r.log.Debug("a seat of LiveKit was not given up in time", "participant", s.id.String(), "err", err)
	}
	r.unseat(s)
}

// unseat forgets a session that is over.
func (r *roster) unseat(s *seat) {
	if s.session != nil {
		s.session, s.waiting, s.away = nil, false, false
		r.seated.Add(-1)
	}
}

// show tells the room what is different about somebody.
func (r *roster) show(s *seat, now time.Time) {
	if s.session == nil {
		r.join(s, now)
	}
	if s.session == nil || s.waiting {
		return
	}
	if s.away {
		ctx, cancel := context.WithTimeout(r.ctx, seatTime)
		s.away = s.session.Away(ctx, false, 0) != nil
		cancel()
	}
	if name := s.person.named(); name != s.name && r.do(s, bridge.Rename{Name: name}) {
		s.name = name
	}
	if attrs := s.person.seatAttrs(r.server.Name); !maps.Equal(attrs, s.attrs) && r.do(s, bridge.SetAttrs{Attrs: changes(s.attrs, attrs)}) {
		s.attrs = attrs
	}
	up := len(hand(s.person.attrs)) > 0
	if !up {
		s.lowered = time.Time{}
	}
	if up = up && now.After(s.lowered); up != s.hand && r.do(s, bridge.RaiseHand{Up: up}) {
		s.hand = up
	}
	r.publish(s, now)
}

// changes returns what SetAttrs needs to make was into is.
func changes(was, is map[string]string) map[string]string {
	set := maps.Clone(is)
	for k := range was {
		if _, there := is[k]; !there {
			set[k] = ""
		}
	}
	return set
}

// publish tells the room what is different about somebody's streams.
func (r *roster) publish(s *seat, at time.Time) {
	var now []bridge.Source
	for _, p := range s.person.publications(r.server.Name, r.room) {
		now = append(now, p.Source)
		delete(s.gone, p.Source)
		p, ok := permitted(p, s.can)
		if was, told := s.sent[p.Source]; !ok || s.cut[p.Source] || told && same(was, p) {
			continue
		}
		if r.do(s, bridge.Publish{Publication: p}) {
			s.sent[p.Source] = p
		}
	}
	for src, p := range s.sent {
		since, is := s.gone[src]
		switch {
		case slices.Contains(now, src):
		case !is:
			s.gone[src] = at
		case at.Sub(since) >= backTime && r.do(s, bridge.Unpublish{ID: p.ID}):
			delete(s.sent, src)
			delete(s.gone, src)
		}
	}
	maps.DeleteFunc(s.cut, func(src bridge.Source, _ bool) bool { return !slices.Contains(now, src) })
}

func same(a, b bridge.Publication) bool {
	return a.ID == b.ID && a.Audio == b.Audio && a.Video == b.Video && slices.Equal(a.Layers, b.Layers)
}

// permitted returns what may be published of a stream, and false for nothing.
func permitted(p bridge.Publication, can bridge.Permissions) (bridge.Publication, bool) {
	if p.Source == bridge.Screen {
		return p, can.Has(bridge.PublishScreen)
	}
	if !can.Has(bridge.PublishAudio) {
		p.Audio = bridge.Absent
	}
	if !can.Has(bridge.PublishVideo) {
		p.Video, p.Layers = bridge.Absent, nil
	}
	return p, p.Audio != bridge.Absent || p.Video != bridge.Absent
}

// drain reads what all seats are told.
func (r *roster) drain() {
	for _, s := range r.seats {
		if s.session == nil {
			continue
		}
		events, err := s.session.Drain(r.ctx)
		for _, e := range events {
			r.told(s, e)
		}
		if err != nil {
			r.unseat(s)
			s.retry = time.Now().Add(lookTime)
		}
	}
}

// told does what follows from an event for somebody of LiveKit.
func (r *roster) told(s *seat, e bridge.Event) {
	switch e := e.(type) {
	case bridge.Said:
		if e.To == s.id && e.From != s.id {
			r.private(note{Server: r.server.Name, From: e.From, Identity: s.person.identity, Key: e.ID.String(), Text: e.Text})
		}
	case bridge.Changed:
		if e.P.ID == s.id {
			r.changed(s, e)
		}
	case bridge.PublicationChanged:
		if e.Pub.Owner == s.id && e.By != s.id {
			delete(s.sent, e.Pub.Source) // so that it is told again how it is
			r.obey(s, e.Pub)
		}
	case bridge.Unpublished:
		if _, was := s.sent[e.Pub.Source]; e.Pub.Owner == s.id && was {
			delete(s.sent, e.Pub.Source)
			s.cut[e.Pub.Source] = true
			r.hush(s, e.Pub.Source, bridge.Audio, bridge.Video)
		}
	default:
		r.ordered(s, e)
	}
}

// ordered does what a moderator of ours wants of somebody of LiveKit.
func (r *roster) ordered(s *seat, e bridge.Event) {
	switch e := e.(type) {
	case bridge.MuteAsked:
		r.hush(s, bridge.Camera, e.Track)
	case bridge.Kicked:
		s.removed = s.person.sid
		r.expel(s)
	case bridge.Admitted:
		r.do(s, bridge.Enter{})
	case bridge.Entered:
		s.waiting, s.can = false, e.At.Self.Can
		clear(s.cut)
		nudge(r.feed.changed)
	case bridge.Knocked:
		if e.P.ID == s.id && !e.Gone {
			s.waiting = true
			clear(s.sent)
		}
	}
}

// changed notes what the room says of somebody of LiveKit.
func (r *roster) changed(s *seat, e bridge.Changed) {
	if e.What&bridge.RoleChanged != 0 {
		s.can = e.P.Can
		clear(s.cut) // what had to end with a permission may come again with it
		nudge(r.feed.changed)
	}
	if e.What&bridge.HandChanged != 0 && e.By != s.id && e.P.Hand.IsZero() {
		s.hand, s.lowered = false, time.Now().Add(lowerTime)
		r.lower(s)
	}
}
