package nkmedia

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"dragoman/bridge"
)

// Bounds of looking on.
const (
	maxWatches = 500             // conferences that a connection looks at
	lookout    = time.Second     // how often it looks for those that there are not yet
	settleTime = 2 * time.Second // until a foreign participant is taken for what it seems to be: a listener, nameless
	partTime   = settleTime / 8  // the same for one whose last stream has ended: whoever goes does it by then
)

// watch is a hidden seat in a room whose events are those of the conference
// (reference 7).
type watch struct {
	*speaker
	x    *bridge.Session
	room bridge.RoomID
	who  *roster
	told map[bridge.ParticipantID][]member // what the client knows
	soon map[bridge.ParticipantID]func()   // who is looked at again in a moment
	api  bool                              // a client of this dialect ends it
}

// wants reports whether any subscription asks for a conference; "*": for all.
func (s *speaker) wants(room string) bool {
	return slices.ContainsFunc(s.subs, func(sub subscription) bool {
		switch {
		case sub.auto || sub.Class != mediaClass:
			return false
		case sub.Subclass != confClass && sub.Subclass != roomClass && sub.Subclass != anything:
			return false
		}
		return sub.Obj == room || sub.Obj == anything
	})
}

// watchFor looks on where a new subscription asks for it. What is there already is
// told to nobody.
func (s *speaker) watchFor(ctx context.Context, t topic) error {
	switch {
	case t.Obj == anything && s.wants(anything):
		if err := s.lookAll(ctx, false); err != nil {
			return err
		}
	case s.wants(t.Obj):
		if room, err := bridge.Normalize(t.Obj); err == nil {
			s.look(ctx, room, false)
		}
	default:
		return nil
	}
	s.keepLooking()
	return nil
}

// unwatch goes from where no subscription asks any more.
func (s *speaker) unwatch(ctx context.Context) {
	for room, w := range s.watches {
		if !s.wants(string(room)) {
			w.stop()
			s.leave(ctx, w.x)
		}
	}
}

// keepLooking looks for conferences that there are not yet, as long as any is
// wanted.
func (s *speaker) keepLooking() {
	if s.looking {
		return
	}
	s.looking = true
	s.c.After(lookout, func(ctx context.Context) error {
		s.looking = false
		wanted := s.missing()
		if s.wants(anything) {
			if err := s.gentle(s.lookAll(ctx, true)); err != nil {
				return err
			}
		}
		for _, room := range wanted {
			s.look(ctx, room, true)
		}
		if s.wants(anything) || len(s.missing()) > 0 {
			s.keepLooking()
		}
		return nil
	})
}

// missing returns the conferences that are named by subscriptions and not looked
// at.
func (s *speaker) missing() (all []bridge.RoomID) {
	for _, sub := range s.subs {
		if sub.Obj == anything || !s.wants(sub.Obj) {
			continue
		}
		room, err := bridge.Normalize(sub.Obj)
		if err == nil && s.watches[room] == nil && !slices.Contains(all, room) {
			all = append(all, room)
		}
	}
	return all
}

// lookAll looks at all rooms that are listed.
func (s *speaker) lookAll(ctx context.Context, news bool) error {
	infos, err := s.d.env.Host.List(ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if s.watches[info.ID] == nil {
			s.look(ctx, info.ID, news)
		}
	}
	return nil
}

// look takes a seat from which a room is looked at. With news, that it is there is
// told, and who is in it. What cannot be looked at is not.
func (s *speaker) look(ctx context.Context, room bridge.RoomID, news bool) {
	if s.watches[room] != nil || len(s.watches) >= maxWatches {
		return
	}
	w := &watch{speaker: s, room: room, told: map[bridge.ParticipantID][]member{}, soon: map[bridge.ParticipantID]func(){}}
	x, err := s.visit(ctx, room, w)
	if err != nil {
		s.log.Debug("cannot look at a room", "room", string(room), "err", err)
		return
	}
	w.x, w.who = x, newRoster(x.At)
	w.api = slices.ContainsFunc(x.At.Docs, func(d bridge.Doc) bool { return d.Key == docEnd })
	s.watches[room] = w
	if err := w.begin(ctx, news); err != nil {
		s.log.Debug("cannot tell of a room", "room", string(room), "err", err) // the connection is about to end
	}
}

// begin tells of a room, or takes it for known.
func (w *watch) begin(ctx context.Context, news bool) error {
	if news {
		if err := w.tell("created", confOf(w.x.At.Room).created()); err != nil {
			return err
		}
	}
	for _, p := range w.who.people {
		if !news && !p.unsaid() {
			w.told[p.ID] = p.members()
		} else if err := w.review(ctx, p, false); err != nil {
			return err
		}
	}
	return nil
}

// created takes in that a client has made a conference.
func (s *speaker) created(ctx context.Context, data []byte) error {
	var m made
	if json.Unmarshal(data, &m) != nil || !s.wants(string(m.Room)) || s.watches[m.Room] != nil {
		return nil
	}
	s.look(ctx, m.Room, true)
	if s.watches[m.Room] != nil {
		return nil
	}
	// It has ended already, or cannot be looked at.
	if len(s.missed) >= maxWatches {
		clear(s.missed)
	}
	s.missed[m.Room] = true
	return s.deliver(topic{mediaClass, confClass, "created", string(m.Room)}, m.Body)
}

// gone takes in that a client has ended a conference, for those that could not be
// looked at.
func (s *speaker) gone(data []byte) error {
	var m made
	if json.Unmarshal(data, &m) != nil || !s.missed[m.Room] || s.watches[m.Room] != nil {
		return nil
	}
	delete(s.missed, m.Room)
	return s.deliver(topic{mediaClass, confClass, "destroyed", string(m.Room)}, m.Body)
}

func (w *watch) tell(kind string, body object) error {
	return w.deliver(topic{mediaClass, confClass, kind, string(w.room)}, body)
}

// event implements party.
func (w *watch) event(ctx context.Context, e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Said:
		return w.said(ctx, e)
	case bridge.DocChanged:
		w.api = w.api || e.Doc.Key == docEnd
		return nil
	case bridge.Ended:
		w.stop()
		return w.tell("destroyed", w.end(e.Reason))
	}
	if p := w.who.apply(e); p != nil {
		return w.review(ctx, p, false)
	}
	return nil
}

// docEnd is a document of a room that a client of this dialect is about to end:
// who comes in between is to know it, too.
const docEnd = Name + "/end"

// end is why the conference has ended (reference 10.6).
func (w *watch) end(why bridge.Reason) object {
	code := userStop
	switch {
	case w.api:
		code = apiStop
	case why == bridge.Unused:
		code = timeout
	}
	return reason(code)
}

// reason is the body of an end.
func reason(code int) object { return object{"code": code, "reason": texts[code]} }

// lost implements party. A room that has not ended is looked for again.
func (w *watch) lost(context.Context, error) error {
	w.stop()
	if w.wants(string(w.room)) {
		w.keepLooking()
	}
	return nil
}

// stop forgets the room.
func (w *watch) stop() {
	if w.watches[w.room] == w {
		delete(w.watches, w.room)
	}
	for _, cancel := range w.soon {
		cancel()
	}
	clear(w.soon)
}

// review tells what is different about the members that a participant is. Nobody is
// gone for a moment who stays: who they are now is told before who they are not any
// more. Who may be just about to send, to go, or to say a name, is given a moment;
// late says that it is over.
func (w *watch) review(ctx context.Context, p *person, late bool) error {
	want, told := p.members(), w.told[p.ID]
	kept, wait, err := w.begun(want, told, late)
	if err != nil {
		return err
	}
	for _, m := range told {
		if indexOf(want, m.id) >= 0 {
			continue
		}
		if wait > 0 {
			kept, wait = append(kept, m), partTime
		} else if err := w.tell("stopped_member", m.body()); err != nil {
			return err
		}
	}
	w.told[p.ID] = kept
	if len(kept) == 0 {
		delete(w.told, p.ID)
	}
	w.later(p, wait)
	return nil
}

// listed returns all members for a list that a client has asked for. Who has no name yet
// is told of in a moment. What is listed is to be told to be over, when it is, even if it
// never was told to have begun.
func (s *speaker) listed(room bridge.RoomID, r *roster) (all []member) {
	w := s.watches[room]
	for _, p := range r.people {
		if p.unsaid() {
			continue
		}
		for _, m := range p.members() {
			all = append(all, m)
			if w != nil && indexOf(w.told[p.ID], m.id) < 0 {
				m.listed = true
				w.told[p.ID] = append(w.told[p.ID], m)
			}
		}
	}
	return all
}

// begun tells what is new of the members that a participant is to be. It returns those
// that the client knows of now, and after how long more are to be told; 0: never.
func (w *watch) begun(want, told []member, late bool) (kept []member, wait time.Duration, err error) {
	for _, m := range want {
		i := indexOf(told, m.id)
		known := i >= 0 && !told[i].listed
		switch {
		case !known && m.soon && !late:
			wait = settleTime
			if i >= 0 {
				kept = append(kept, told[i])
			}
		case known && m.anew(told[i], late): // when those who listen have been told that this is over
			if !told[i].over {
				err = w.tell("stopped_member", told[i].body())
			}
			m.over = true // a client that asks meanwhile learns of it all the same
			kept, wait = append(kept, m), max(wait, partTime)
		case known && m.same(told[i]):
			kept = append(kept, told[i])
		default: // or it listens to another publisher now, or has got a name
			kept = append(kept, m)
			err = w.tell("started_member", m.body())
		}
		if err != nil {
			return nil, 0, err
		}
	}
	return kept, wait, nil
}

func indexOf(all []member, id string) int {
	return slices.IndexFunc(all, func(m member) bool { return m.id == id })
}

// later looks at a participant again in a moment, unless it does so already; or it
// does not any more.
func (w *watch) later(p *person, wait time.Duration) {
	cancel := w.soon[p.ID]
	switch {
	case wait > 0 && cancel == nil:
		w.soon[p.ID] = w.c.After(wait, func(ctx context.Context) error {
			delete(w.soon, p.ID)
			return w.review(ctx, p, true)
		})
	case wait == 0 && cancel != nil:
		cancel()
		delete(w.soon, p.ID)
	}
}
