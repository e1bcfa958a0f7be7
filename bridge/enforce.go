package bridge

import (
	"context"
	"slices"
)

// feed is a publication of this session's own client.
type feed struct {
	pub       Publication // as told last; before that only what Receive said
	published bool
	leg       *leg // the peer that receives it; nil: none
	silent    bool // the engine hears that the client has muted itself
	heard     bool // the engine hears somebody talk
	ours      bool // the mute of its sound is ours, after what the engine heard
	shut      [2]bool
	anew      bool // media is told whether it is shut even if nothing has changed
}

// enforce makes the peers do what follows from an event. It reports whether the
// dialect is told the event.
func (h *hold) enforce(e Event) bool {
	switch e := e.(type) {
	case PeerHeard:
		h.hear(e.Pub, func(f *feed) { f.heard = e.Talking })
		return false
	case PeerSilence:
		h.hear(e.Pub, func(f *feed) { f.silent = e.Silent })
		return false
	case PeerTrack:
		h.began(e)
	case Published:
		h.told(e.Pub)
	case PublicationChanged:
		h.told(e.Pub)
	case Unpublished:
		h.gone(e.Pub)
	case Kicked, Ended, Relocated:
		h.closePeers()
	default:
		h.enforceSelf(e)
	}
	id, ok := peerOf(e)
	return !ok || h.knows(id)
}

// began takes in the first packet on a peer. One that takes a publication over
// listens anew and tells only what is different; what was heard on the peer before
// it, if that was closed, has no end.
func (h *hold) began(e PeerTrack) {
	if e.Live && e.Track == Audio && h.knows(e.Peer) {
		h.hear(e.Pub, func(f *feed) { f.silent, f.heard = false, false })
	}
}

// enforceSelf takes in what happens to this participant.
func (h *hold) enforceSelf(e Event) {
	switch e := e.(type) {
	case Changed:
		if e.P.ID == h.self {
			h.permit(e.P.Can)
		}
	case Entered:
		h.mu.Lock()
		h.waiting = false
		h.mu.Unlock()
		h.permit(e.At.Self.Can)
	case Knocked:
		if e.P.ID == h.self {
			h.wait()
		}
	}
}

// peerOf returns the peer that an event is of.
func peerOf(e Event) (id PeerID, ok bool) {
	switch e := e.(type) {
	case PeerCandidate:
		return e.Peer, true
	case PeerChanged:
		return e.Peer, true
	case PeerNegotiate:
		return e.Peer, true
	case PeerTrack:
		return e.Peer, true
	case PeerChannel:
		return e.Peer, true
	case PeerMessage:
		return e.Peer, true
	}
	return id, false
}

// isPeerEvent reports whether an event comes from the session's own peers.
func isPeerEvent(e Event) bool {
	switch e.(type) {
	case PeerHeard, PeerSilence:
		return true
	}
	_, ok := peerOf(e)
	return ok
}

// wait does what follows from being put into the waiting room: nothing comes or
// goes any more.
func (h *hold) wait() {
	h.mu.Lock()
	h.waiting, h.talking = true, false
	h.mu.Unlock()
	h.closePeers()
}

// permit does what follows from other permissions.
func (h *hold) permit(can Permissions) {
	h.mu.Lock()
	lost := h.can &^ can
	h.can = can
	feeds := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		feeds = append(feeds, f)
	}
	type sending struct {
		peer Peer
		pub  PublicationID
	}
	var end []sending
	if lost.Has(Subscribing) {
		for _, l := range h.peers {
			for _, pub := range sortedIDs(l.sends) {
				end = append(end, sending{l.Peer, pub})
			}
			clear(l.sends)
		}
		clear(h.subs)
	}
	h.mu.Unlock()
	for _, s := range end {
		_ = s.peer.Drop(s.pub)
	}
	for _, f := range feeds {
		h.gate(f)
	}
}

// told takes in the state of an own publication.
func (h *hold) told(pub Publication) {
	if pub.Owner != h.self {
		return
	}
	h.mu.Lock()
	f := h.feeds[pub.ID]
	if f == nil {
		f = &feed{anew: true} // media may know the stream, as it was when it ended
		h.feeds[pub.ID] = f
	}
	switch lifted := f.published && f.pub.Audio == Silenced && pub.Audio == Muted; {
	case pub.Audio != Muted:
		f.ours = false
	case lifted && f.leg != nil && f.leg.detect:
		// Its client has no way to say that it unmutes: it is as the engine hears it.
		f.ours = true
	}
	f.pub, f.published = pub, true
	h.mu.Unlock()
	h.gate(f)
}

// gone takes in that an own publication has ended.
func (h *hold) gone(pub Publication) {
	if pub.Owner != h.self {
		return
	}
	h.mu.Lock()
	f := h.feeds[pub.ID]
	if f != nil {
		f.published, f.ours, f.pub = false, false, pub
		f.pub.Audio, f.pub.Video = Muted, Muted
		if f.leg == nil {
			delete(h.feeds, pub.ID)
		}
	}
	h.mu.Unlock()
	if f != nil {
		h.gate(f)
	}
}

// gate opens and closes the tracks of an own publication. A track is open if it
// has been published and may be, and nobody has muted it; a mute that the engine
// has heard itself does not close it, so that it hears the end of it. What the
// room was never told of is closed: nobody can want it, and the engine asks its
// client to send little.
func (h *hold) gate(f *feed) {
	h.mu.Lock()
	var changed []Track
	for _, t := range tracks() {
		heard := t == Audio && f.ours
		quiet := f.pub.State(t) == Silenced || f.pub.State(t) == Muted && !heard
		shut := !f.published || quiet || h.waiting || !h.can.Has(needs(f.pub.Source, t))
		if shut != f.shut[t] || f.anew {
			f.shut[t] = shut
			changed = append(changed, t)
		}
	}
	f.anew = false
	pub, shut := f.pub.ID, f.shut
	h.mu.Unlock()
	for _, t := range changed {
		if h.local.cfg.Media != nil {
			h.local.cfg.Media.Gate(pub, t, !shut[t])
		}
	}
}

// hear takes in what the engine hears in an own publication.
func (h *hold) hear(pub PublicationID, note func(*feed)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.feeds[pub]; f != nil {
		note(f)
	}
}

// settle tells the room what the engine has heard: that somebody talks, and that
// somebody muted without saying so. It only ends a mute that it made itself.
func (h *hold) settle(ctx context.Context) {
	for _, c := range h.unsettled() {
		if h.link.Do(ctx, c) != nil {
			continue // said again after the next event
		}
		switch c := c.(type) {
		case SetTrack:
			h.hear(c.ID, func(f *feed) { f.ours = c.Muted })
		case ReportTalking:
			h.mu.Lock()
			h.talking = c.On
			h.mu.Unlock()
		}
	}
}

// unsettled returns what has to be said so that the room knows what was heard.
func (h *hold) unsettled() (say []Command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting || h.over {
		return nil
	}
	talking := false
	for id, f := range h.feeds {
		if !f.published {
			continue
		}
		switch audio := f.pub.Audio; {
		case audio == Live && f.silent:
			say = append(say, SetTrack{ID: id, Track: Audio, Muted: true})
		case audio == Muted && f.ours && !f.silent:
			say = append(say, SetTrack{ID: id, Track: Audio})
		case audio == Live && f.heard && f.pub.Source == Camera:
			talking = true
		}
	}
	if talking != h.talking {
		say = append(say, ReportTalking{On: talking})
	}
	return slices.Clip(say)
}
