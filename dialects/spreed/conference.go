package spreed

import (
	"context"
	"slices"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// maxConference is how many members a client may name (reference 5.14).
const maxConference = 100

// onConference passes a client's own conference on. In rooms that call by
// themselves there is none.
func (s *speaker) onConference(ctx context.Context, r wire.Request) error {
	if r.Conference == nil || len(r.Conference.Conference) > maxConference {
		return nil
	}
	if s.at != nil {
		if s.at.key.automatic() {
			return nil
		}
		s.at.calls.conference = r.Conference.ID
	}
	for _, id := range r.Conference.Conference {
		to, ok := s.forms.parse(id)
		if !ok || to.virtual || to.id == s.me {
			continue
		}
		if err := s.pass(ctx, to.id, r.Conference); err != nil {
			return err
		}
	}
	return nil
}

// announce tells the conference of a room that calls by itself: the client calls
// all who sort above it and are not in a call with it yet (reference 5.14).
func (k *calls) announce(ctx context.Context) error {
	m := k.m
	if !m.key.automatic() || len(m.order) == 0 {
		return k.gather(ctx)
	}
	cid := m.key.String()
	err := m.s.write(wire.Envelope{
		Data: wire.Conference{ID: cid, Type: wire.TypeConference, Conference: k.everybody(nil)}, To: cid,
	})
	if err != nil {
		return err
	}
	k.watchIdle()
	return nil
}

// everybody lists the client and the members that match; nil: all.
func (k *calls) everybody(match func(*member) bool) []string {
	ids := []string{k.m.s.id}
	for _, x := range k.m.order {
		if match == nil || match(x) {
			ids = append(ids, x.id)
		}
	}
	return ids
}

// watchIdle rings a client that ignores conferences while it is in no call, as the
// iOS client does (reference 14.14).
func (k *calls) watchIdle() {
	k.idle()
	if k.rung || len(k.legs) > 0 {
		return
	}
	k.idle = k.m.s.after(idleTime, func(ctx context.Context) error {
		i := slices.IndexFunc(k.m.order, (*member).virtual)
		if k.rung || len(k.legs) > 0 || i < 0 {
			return nil
		}
		k.rung = true
		return k.offer(ctx, k.m.order[i], k.m.key.String())
	})
}

// gather brings a client that is in a call with one participant of a meeting into
// calls with all of it, in a room where people call by hand (reference 14.7). The
// conference is From one that the client is in a call with.
func (k *calls) gather(ctx context.Context) error {
	m := k.m
	if m.key.automatic() || k.s().cfg.Peers == peersRelay {
		return nil
	}
	var from *leg
	for _, l := range k.order {
		if l.state == legUp && l.who.virtual() {
			from = l
			break
		}
	}
	if from == nil {
		return nil
	}
	missing := false
	ids := k.everybody(func(x *member) bool {
		in := k.meets(x)
		missing = missing || in && k.legs[x.ID] == nil
		return in
	})
	if !missing {
		return nil
	}
	if k.conference == "" {
		k.conference = m.key.String()
	}
	doc := wire.Conference{ID: k.conference, Type: wire.TypeConference, Conference: ids}
	return m.s.write(wire.Envelope{Data: doc, From: from.who.id, To: m.s.id, A: m.proof(from.who)})
}

// meets reports whether a member is in the meeting, not only in the room: of Spreed
// sessions only those who send something.
func (k *calls) meets(x *member) bool {
	if x.virtual() {
		return true
	}
	p, ok := k.m.camera(x.ID)
	return ok && (p.Audio != bridge.Absent || p.Video != bridge.Absent)
}

// common reports whether a conference is one in which nobody has to be asked: the
// room's own.
func (k *calls) common(conference string) bool {
	return conference != "" && conference == k.m.key.String()
}
