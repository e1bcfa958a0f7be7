package bridge

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// answerTime is how long a session waits for the room where its caller has given
// no context: a local room answers at once, another node's within seconds.
const answerTime = 10 * time.Second

// hold is what a session has of its seat, and what lasts from one session to the
// next when its client comes back: the link, the unread events and the peers.
//
// Its goroutine is the session's, or while the client is away the caretaker's.
// The mutex is for those who come from elsewhere: peers that are closed, and a
// Local that closes. It is never held during a call of the link or of media.
type hold struct {
	local   *Local
	link    Link
	room    RoomID
	self    ParticipantID
	kind    Kind
	dialect string
	most    int // bit/s of its video that the room allows; 0: no limit
	out     *Outbox

	mu      sync.Mutex
	holder  *Session // who may use it; nil while the client is away
	memo    any
	away    *absence
	over    bool
	waiting bool
	can     Permissions
	talking bool // as reported
	peers   []*leg
	opening map[PeerID]struct{} // peers that are being made
	feeds   map[PublicationID]*feed
	subs    map[PublicationID]int // how many peers send it
}

func newHold(l *Local, link Link, room RoomID, at Snapshot, out *Outbox) *hold {
	return &hold{
		local: l, link: link, room: room, self: at.Self.ID, kind: at.Self.Kind, dialect: at.Self.Dialect, out: out,
		most: at.Room.MaxBitrate, waiting: at.Waiting, can: at.Self.Can,
		opening: map[PeerID]struct{}{},
		feeds:   map[PublicationID]*feed{},
		subs:    map[PublicationID]int{},
	}
}

// heldBy reports whether the session may use the hold.
func (h *hold) heldBy(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.holder == s
}

// drain takes the unread events, enforces them, and returns those to be told.
func (h *hold) drain(ctx context.Context, keep func(Event) bool) ([]Event, error) {
	events, err := h.out.take(keep)
	events = slices.DeleteFunc(events, func(e Event) bool { return !h.enforce(e) })
	if err == nil {
		h.settle(ctx)
		return events, nil
	}
	if CodeOf(err) == Lagged {
		// The room does not know yet if it was a peer that had too much to tell.
		_ = h.link.Leave(ctx, TooSlow)
	}
	h.finish()
	return events, err
}

func (h *hold) leave(ctx context.Context, why Reason) error {
	h.finish()
	return h.link.Leave(ctx, why)
}

// finish ends what the hold has, once.
func (h *hold) finish() {
	h.mu.Lock()
	over := h.over
	h.over = true
	h.mu.Unlock()
	h.closePeers()
	if !over {
		h.local.forgetHold(h)
	}
}

// do posts a command of the session's own.
func (h *hold) do(c Command) error {
	ctx, cancel := context.WithTimeout(h.local.ctx, answerTime)
	defer cancel()
	return h.link.Do(ctx, c)
}

// connect makes a peer.
func (h *hold) connect(ctx context.Context, o PeerOptions) (Peer, error) {
	id := NewPeerID()
	if err := h.open(id); err != nil {
		return nil, err
	}
	o.MaxBitrate = h.limit(o.MaxBitrate)
	p, err := h.local.cfg.Media.NewPeer(ctx, PeerConfig{
		ID: id, Room: h.room, Owner: h.self,
		Notify:      func(e Event) { h.out.Push(e) },
		PeerOptions: o,
	})
	if err != nil {
		h.opened(id, nil)
		return nil, err
	}
	l := &leg{
		Peer: p, hold: h, detect: o.DetectMute,
		receives: map[PublicationID]struct{}{}, sends: map[PublicationID]struct{}{},
	}
	if !h.opened(id, l) {
		_ = p.Close()
		return nil, Errorf(Closed, "you are not in the room any more")
	}
	return l, nil
}

// limit is a limit of video within the room's, in bit/s.
func (h *hold) limit(bps int) int {
	if h.most > 0 && (bps <= 0 || bps > h.most) {
		return h.most
	}
	return bps
}

// open takes a place for a peer.
func (h *hold) open(id PeerID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.local.cfg.Media == nil:
		return Errorf(NotSupported, "there is no media here")
	case h.over:
		return Errorf(Closed, "you are not in the room any more")
	case h.waiting:
		return Errorf(Forbidden, "you have not been let in yet")
	case len(h.peers)+len(h.opening) >= h.local.cfg.Peers:
		return Errorf(TooMany, "there are too many connections")
	}
	h.opening[id] = struct{}{}
	return nil
}

// opened fills the place; nil gives it back. It reports false if the session has
// ended in the meantime.
func (h *hold) opened(id PeerID, l *leg) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, wanted := h.opening[id]
	delete(h.opening, id)
	if l == nil || !wanted {
		return false
	}
	h.peers = append(h.peers, l)
	h.local.count.peers.Add(1)
	return true
}

// knows reports whether a peer of this id is the session's and open.
func (h *hold) knows(id PeerID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, opening := h.opening[id]
	return opening || slices.ContainsFunc(h.peers, func(l *leg) bool { return l.ID() == id })
}

// closePeers closes all peers, and those that are being made as soon as they are.
func (h *hold) closePeers() {
	h.mu.Lock()
	peers := h.peers
	h.peers = nil
	clear(h.opening)
	clear(h.subs)
	for id, f := range h.feeds {
		if f.leg = nil; !f.published {
			delete(h.feeds, id)
		}
	}
	h.mu.Unlock()
	for _, l := range peers {
		h.local.count.peers.Add(-1)
		_ = l.Peer.Close()
	}
}

func (h *hold) peersNow() []Peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	peers := make([]Peer, len(h.peers))
	for i, l := range h.peers {
		peers[i] = l
	}
	return peers
}

func (h *hold) carries(id PeerID) (receives, sends []PublicationID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.peers {
		if l.ID() == id {
			return sortedIDs(l.receives), sortedIDs(l.sends)
		}
	}
	return nil, nil
}

func sortedIDs(set map[PublicationID]struct{}) []PublicationID {
	ids := make([]PublicationID, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b PublicationID) int { return cmp.Compare(a.String(), b.String()) })
	return ids
}

func (h *hold) published() []Publication {
	h.mu.Lock()
	defer h.mu.Unlock()
	var pubs []Publication
	for _, f := range h.feeds {
		if f.published {
			pubs = append(pubs, f.pub)
		}
	}
	slices.SortFunc(pubs, func(a, b Publication) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
	return pubs
}
