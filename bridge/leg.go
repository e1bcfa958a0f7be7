package bridge

import "context"

// MaxFeeds is how many publications the peers of one session may be told to
// receive.
const maxFeeds = 2 * MaxPublications

// leg is a peer of media's with what its session may do with it. What is in it
// is guarded by the hold's mutex.
type leg struct {
	Peer
	hold     *hold
	detect   bool // its client mutes without saying so
	receives map[PublicationID]struct{}
	sends    map[PublicationID]struct{}
}

// Receive is the engine's, for what this participant may publish.
func (l *leg) Receive(pub PublicationID, src Source, mids ...string) error {
	if err := l.hold.mayReceive(l, pub, src); err != nil {
		return err
	}
	if err := l.Peer.Receive(pub, src, mids...); err != nil {
		return err
	}
	l.hold.fed(l, pub, src)
	return nil
}

// Send is the engine's, for what the room lets this participant receive.
func (l *leg) Send(pub PublicationID, o SendOptions) error {
	if !l.hold.knows(l.ID()) {
		return Errorf(Closed, "the connection is closed")
	}
	if !pub.IsZero() { // the zero id stands for what the room does not know yet
		if err := l.hold.do(Subscribe{ID: pub}); err != nil {
			return err
		}
	}
	l.hold.sent(l, pub)
	if err := l.Peer.Send(pub, o); err != nil {
		l.hold.unsubscribe(l.hold.dropped(l, pub))
		return err
	}
	return nil
}

// Limit is the engine's, within what the room allows.
func (l *leg) Limit(bps int) error { return l.Peer.Limit(l.hold.limit(bps)) }

// Drop ends what Receive or Send began.
func (l *leg) Drop(pub PublicationID) error {
	err := l.Peer.Drop(pub)
	l.hold.unsubscribe(l.hold.dropped(l, pub))
	return err
}

// Restart is the engine's, where it can.
func (l *leg) Restart(ctx context.Context) (SDP, error) {
	r, ok := l.Peer.(Restarter)
	if !ok {
		return "", Errorf(NotSupported, "the connection cannot begin anew")
	}
	return r.Restart(ctx)
}

// Close closes the peer.
func (l *leg) Close() error {
	gone := l.hold.closed(l)
	err := l.Peer.Close()
	l.hold.unsubscribe(gone)
	return err
}

// mayReceive answers whether this session's client may publish on a peer.
func (h *hold) mayReceive(l *leg, pub PublicationID, src Source) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	any := needs(src, Audio) | needs(src, Video)
	_, known := h.feeds[pub]
	switch {
	case h.over || !h.has(l):
		return Errorf(Closed, "the connection is closed")
	case h.waiting || h.can&any == 0:
		return Errorf(Forbidden, "you are not allowed to publish")
	case !known && len(h.feeds) >= maxFeeds:
		return Errorf(TooMany, "there are too many streams")
	}
	return nil
}

// has reports whether the peer is open. The mutex is held.
func (h *hold) has(l *leg) bool {
	for _, o := range h.peers {
		if o == l {
			return true
		}
	}
	return false
}

// fed notes that a publication comes in on a peer.
func (h *hold) fed(l *leg, pub PublicationID, src Source) {
	h.mu.Lock()
	f := h.feeds[pub]
	if f == nil {
		f = &feed{pub: Publication{ID: pub, Source: src}}
		h.feeds[pub] = f
	}
	if f.leg != nil {
		delete(f.leg.receives, pub)
	}
	f.leg = l
	l.receives[pub] = struct{}{}
	f.anew = true // media may not have known it, or know it from before
	h.mu.Unlock()
	h.gate(f)
}

// sent notes that a publication goes out on a peer.
func (h *hold) sent(l *leg, pub PublicationID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, again := l.sends[pub]; !again {
		l.sends[pub] = struct{}{}
		h.subs[pub]++
	}
}

// dropped notes that a publication is not on a peer any more. It returns what no
// peer of the session sends any more.
func (h *hold) dropped(l *leg, pub PublicationID) []PublicationID {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(l.receives, pub)
	if f := h.feeds[pub]; f != nil && f.leg == l {
		if f.leg = nil; !f.published {
			delete(h.feeds, pub)
		}
	}
	if _, sends := l.sends[pub]; !sends {
		return nil
	}
	delete(l.sends, pub)
	if h.subs[pub]--; h.subs[pub] > 0 {
		return nil
	}
	delete(h.subs, pub)
	return []PublicationID{pub}
}

// closed notes that a peer is closed. It returns what no peer of the session sends
// any more.
func (h *hold) closed(l *leg) (gone []PublicationID) {
	h.mu.Lock()
	open := false
	for i, o := range h.peers {
		if o == l {
			h.peers = append(h.peers[:i:i], h.peers[i+1:]...)
			h.local.count.peers.Add(-1)
			open = true
			break
		}
	}
	carried := append(sortedIDs(l.receives), sortedIDs(l.sends)...)
	h.mu.Unlock()
	if !open {
		return nil // closed before; the room has been told, or knows
	}
	for _, pub := range carried {
		gone = append(gone, h.dropped(l, pub)...)
	}
	return gone
}

// unsubscribe tells the room what this session does not receive any more.
func (h *hold) unsubscribe(pubs []PublicationID) {
	for _, pub := range pubs {
		_ = h.do(Unsubscribe{ID: pub}) // a seat that is gone receives nothing anyway
	}
}
