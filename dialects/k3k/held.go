package k3k

import (
	"context"
	"time"

	"dragoman/bridge"
)

// nameTime is how long somebody may take to say a name before being told of without
// one.
const nameTime = time.Second

// held is somebody whom the client is not told of yet. In some dialects people say
// what they are called after they have come in, and one of the clients keeps the name
// that it was told first.
type held struct {
	*member
	cancel func() // takes back that the time is over
}

// nameless reports whether somebody may be just about to say a name.
func nameless(p bridge.Participant) bool {
	return p.Name == "" && p.User == "" && p.Dialect != Name && time.Since(p.Joined) < nameTime
}

func (t *seat) hold(p bridge.Participant) {
	t.held[p.ID] = &held{newMember(p), t.s.c.After(nameTime, func(ctx context.Context) error {
		return t.show(ctx, p.ID)
	})}
}

// known returns somebody whom the client knows, or will; nil: nobody.
func (t *seat) known(id bridge.ParticipantID) *member {
	if h := t.held[id]; h != nil {
		return h.member
	}
	return t.members[id]
}

// forget takes somebody out of those who are held, and returns him; nil: he is not.
func (t *seat) forget(id bridge.ParticipantID) *member {
	h := t.held[id]
	if h == nil {
		return nil
	}
	h.cancel()
	delete(t.held, id)
	return h.member
}

// show tells of somebody who was held, and of what he sends.
func (t *seat) show(ctx context.Context, id bridge.ParticipantID) error {
	m := t.forget(id)
	if m == nil {
		return nil
	}
	t.add(m)
	if err := t.s.say(nsControl, "joined", t.arrival(m)); err != nil {
		return err
	}
	for _, sort := range sorts() {
		if err := t.review(ctx, m, sort); err != nil {
			return err
		}
	}
	return t.lookAt()
}
