package k3k

import (
	"context"

	"dragoman/bridge"
)

// published notes a stream of somebody.
func (t *seat) published(ctx context.Context, e bridge.Published) error {
	m := t.known(e.Pub.Owner)
	if m == nil {
		return nil // one's own, or of somebody whom nobody sees
	}
	t.owners[e.Pub.ID] = m
	m.put(e.Pub)
	return t.review(ctx, m, sortOf(e.Pub.Source))
}

func (t *seat) republished(ctx context.Context, e bridge.PublicationChanged) error {
	if e.Pub.Owner == t.me.who.ID {
		return t.silenced(e)
	}
	m := t.owners[e.Pub.ID]
	if m == nil {
		return nil
	}
	m.put(e.Pub)
	return t.review(ctx, m, sortOf(e.Pub.Source))
}

func (t *seat) unpublished(ctx context.Context, e bridge.Unpublished) error {
	if e.Pub.Owner == t.me.who.ID {
		return t.revoked(ctx, e.Pub)
	}
	m := t.owners[e.Pub.ID]
	if m == nil {
		return nil
	}
	delete(t.owners, e.Pub.ID)
	m.remove(e.Pub)
	return t.review(ctx, m, sortOf(e.Pub.Source))
}

// review makes the client know what somebody sends.
func (t *seat) review(ctx context.Context, m *member, sort sort) error {
	if t.held[m.who.ID] != nil {
		return nil // later
	}
	p, ok := m.stream(sort)
	told := m.told[sort]
	k := key{m.who.ID, sort}
	switch sub := t.getting[k]; {
	case !ok && told.pub.IsZero():
		return t.queue.drop(ctx, k) // before it was announced
	case !ok:
		return t.withdraw(ctx, m, sort)
	case told.pub.IsZero():
		return t.announce(ctx, k)
	case told.pub != p.ID, sub != nil && !sub.sends(kindsOf(p)):
		// What was offered cannot be changed afterwards (reference 12.5).
		if err := t.withdraw(ctx, m, sort); err != nil {
			return err
		}
		return t.announce(ctx, k)
	case told != tell(p):
		m.told[sort] = tell(p)
		return t.update(m)
	}
	return nil
}

// announce tells a media session when it is its turn.
func (t *seat) announce(ctx context.Context, k key) error {
	if t.queue.waits(k) {
		return nil
	}
	return t.queue.add(ctx, slot{key: k, time: subscribeTime, open: func(ctx context.Context) error {
		m := t.members[k.who]
		if m == nil {
			return t.queue.done(ctx, k)
		}
		p, ok := m.stream(k.sort)
		if !ok {
			return t.queue.done(ctx, k)
		}
		m.told[k.sort] = tell(p)
		t.expect(m, k.sort)
		return t.update(m)
	}})
}

// expect notes that the client may ask now for what it is told of. One that asked for
// the one before will do so, even if its machine is too busy to do it at once, and a
// further announcement would take away what it waits for then; some ask when they
// please, and nobody asks for what is muted.
func (t *seat) expect(m *member, sort sort) {
	if told := m.told[sort]; !told.audio && !told.video {
		return
	}
	t.prompt = t.prompt && t.offered == key{}
	t.offered = key{m.who.ID, sort}
	if t.prompt {
		t.queue.extend(t.offered, promptTime)
	}
}

// asked is called when the client asks for something.
func (t *seat) asked(k key) {
	if t.offered == k {
		t.offered, t.prompt = key{}, true
	}
}

// remind tells a media session once more, when it is its turn. A client that has lost
// what it waited for asks anew then (reference 13.1); others see nothing new.
func (t *seat) remind(ctx context.Context, k key) error {
	if t.queue.waits(k) {
		return nil
	}
	return t.queue.add(ctx, slot{key: k, time: subscribeTime, open: func(ctx context.Context) error {
		m, s := t.members[k.who], t.getting[k]
		if m == nil || s == nil || !s.offering {
			return t.queue.done(ctx, k)
		}
		return t.update(m)
	}})
}

// withdraw tells that a media session is over, in steps: one of the clients forgets
// neither the flags of one that vanishes at once, nor its tile (reference 13.2).
func (t *seat) withdraw(ctx context.Context, m *member, sort sort) error {
	k := key{m.who.ID, sort}
	told, was := m.told[sort]
	if !was {
		return t.queue.drop(ctx, k)
	}
	if told.audio || told.video {
		m.told[sort] = showing{pub: told.pub}
		if err := t.update(m); err != nil {
			return err
		}
	}
	if sub := t.getting[k]; sub != nil {
		sub.close()
		if err := t.s.say(nsMedia, "webrtc_down", k.doc()); err != nil {
			return err
		}
	}
	delete(m.told, sort)
	if t.offered == k {
		t.offered = key{}
	}
	if err := t.update(m); err != nil {
		return err
	}
	return t.queue.drop(ctx, k)
}

// doc names the media session on the wire.
func (k key) doc() sessionDoc { return sessionDoc{k.who, k.sort} }
