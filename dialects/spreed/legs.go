package spreed

import (
	"context"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// legState is how far a leg has come.
type legState uint8

const (
	legAsking  legState = iota // the client has offered, the other side is asked
	legOffered                 // we have offered, the client is to answer
	legUp                      // both descriptions are there
)

// leg is the peer connection that the client has, or will have, with one other
// participant: down comes what that one publishes, up goes what the client sends
// on every leg alike (reference 14.1).
type leg struct {
	who        *member
	peer       bridge.Peer // nil while asking
	state      legState
	stream     bridge.PublicationID // what is sent down; zero: nothing yet
	offer      string               // the client's, while asking
	ours       bool                 // we have called the client
	origin     string               // of the client's description: the same for its next offer on the same connection
	conference string
	early      []bridge.Candidate // while asking
	connected  bool
	open       bool                 // the data channel is
	takes      bool                 // the client sends on it
	spare      bridge.PublicationID // for what it sends, while that is taken elsewhere
	live       [2]bool              // which tracks come, per bridge.Track
	screen     string               // token of the Spreed client's screen that was announced last
	late       []byte               // that announcement, until the channel is open
	stop       func()               // takes the timer back
}

// maxEarly is how many candidates are kept for a leg that has no peer yet.
const maxEarly = 32

// calls are the legs of a client in one room.
type calls struct {
	m          *meeting
	legs       map[bridge.ParticipantID]*leg
	order      []*leg // the same, oldest first
	up         upload
	conference string // of a room where people call by hand; empty: none
	tried      map[bridge.ParticipantID]int
	rung       bool
	idle       func() // takes the timer of watchIdle back
}

func newCalls(m *meeting) calls {
	return calls{
		m: m, legs: map[bridge.ParticipantID]*leg{}, tried: map[bridge.ParticipantID]int{},
		up: newUpload(m), idle: func() {},
	}
}

func (k *calls) s() *speaker { return k.m.s }

// alive reports whether any leg is connected.
func (k *calls) alive() bool {
	return slices.ContainsFunc(k.order, func(l *leg) bool { return l.connected })
}

// of returns the leg of a peer.
func (k *calls) of(id bridge.PeerID) *leg {
	for _, l := range k.order {
		if l.peer != nil && l.peer.ID() == id {
			return l
		}
	}
	return nil
}

// add makes a leg, in the place of an older one with the same participant.
func (k *calls) add(ctx context.Context, x *member, state legState, conference string) *leg {
	if old := k.legs[x.ID]; old != nil {
		k.remove(ctx, old)
	}
	l := &leg{who: x, state: state, conference: conference, stop: func() {}}
	k.legs[x.ID] = l
	k.order = append(k.order, l)
	return l
}

// remove ends a leg. What the client sends is taken on another one.
func (k *calls) remove(ctx context.Context, l *leg) {
	l.stop()
	l.connected, l.takes = false, false
	if k.legs[l.who.ID] == l {
		delete(k.legs, l.who.ID)
	}
	k.order = slices.DeleteFunc(k.order, func(o *leg) bool { return o == l })
	k.up.feed(ctx)
	if l.peer != nil {
		if err := l.peer.Close(); err != nil {
			k.s().c.Log.Debug("close", "peer", l.peer.ID(), "err", err)
		}
	}
	if len(k.order) < 2 {
		k.conference = "" // so does the client (reference 12.1)
	}
}

// close ends all legs without a word.
func (k *calls) close(ctx context.Context) {
	k.idle()
	for _, l := range slices.Clone(k.order) {
		k.remove(ctx, l)
	}
}

// connect makes the peer of a leg and says what goes over it.
func (k *calls) connect(ctx context.Context, l *leg) error {
	o := bridge.PeerOptions{
		Codecs: []string{"opus", "VP8"}, Placeholder: true, DetectMute: true, MaxBitrate: k.m.room.MaxBitrate,
	}
	if l.state == legOffered {
		o.Channels = []string{wire.Channel}
	}
	peer, err := k.m.session.Connect(ctx, o)
	if err != nil {
		return err
	}
	l.peer = peer
	if p, ok := k.m.camera(l.who.ID); ok {
		l.stream = p.ID
	}
	// Sound and picture of one participant are one stream, or it shows twice.
	err = peer.Send(l.stream, bridge.SendOptions{Stream: l.who.id})
	if bridge.CodeOf(err) == bridge.NotFound { // it has just gone
		l.stream = bridge.PublicationID{}
		err = peer.Send(l.stream, bridge.SendOptions{Stream: l.who.id})
	}
	if err != nil && bridge.CodeOf(err) != bridge.Forbidden { // who may not receive may still send
		return err
	}
	k.up.prepare(ctx, l)
	return nil
}

// answer answers the client's offer in the name of the other side (reference 15.1).
func (k *calls) answer(ctx context.Context, l *leg) error {
	ctx, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	if l.peer == nil {
		if err := k.connect(ctx, l); err != nil {
			return k.giveUp(ctx, l, "failed", err)
		}
	}
	sdp, err := l.peer.Answer(ctx, bridge.SDP(l.offer))
	if err != nil {
		return k.giveUp(ctx, l, "error", err)
	}
	l.state, l.origin, l.offer = legUp, origin(l.offer), ""
	for _, c := range l.early {
		k.candidate(ctx, l, c)
	}
	l.early = nil
	k.up.feed(ctx)
	doc := wire.Answer{To: k.s().id, Type: wire.TypeAnswer, Answer: object(wire.Description{Type: "answer", SDP: string(sdp)})}
	if err := k.m.unicast(l.who, doc); err != nil {
		return err
	}
	return k.gather(ctx)
}

// offer calls the client in the name of a member (reference 15.3).
func (k *calls) offer(ctx context.Context, x *member, conference string) error {
	l := k.add(ctx, x, legOffered, conference)
	l.ours = true
	short, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	if err := k.connect(short, l); err != nil {
		return k.giveUp(ctx, l, "", err)
	}
	sdp, err := l.peer.Offer(short)
	if err != nil {
		return k.giveUp(ctx, l, "", err)
	}
	if k.m.key.automatic() && conference != "" {
		// The client may have forgotten the conference (reference 14.6).
		if err := k.announce(ctx); err != nil {
			return err
		}
	}
	l.stop = k.s().after(answerTime, func(ctx context.Context) error {
		return k.failed(ctx, l, "pickuptimeout")
	})
	return k.m.unicast(x, wire.Offer{To: k.s().id, Type: wire.TypeOffer, Offer: object(wire.Description{
		Type: "offer", SDP: string(sdp), Conference: conference,
	})})
}

// giveUp ends a leg that cannot be had, and tells the client so in the other side's
// name.
func (k *calls) giveUp(ctx context.Context, l *leg, reason string, err error) error {
	k.s().c.Log.Debug("call", "participant", l.who.ID, "code", bridge.CodeOf(err), "err", err)
	offered := l.state != legOffered
	k.remove(ctx, l)
	if !offered {
		return nil
	}
	return k.bye(l.who, reason)
}

// hangUp ends the call with a member, if there is one, and tells the client. What
// Bye carries is always an object (reference 5.12).
func (k *calls) hangUp(ctx context.Context, x *member, reason string) error {
	delete(k.tried, x.ID)
	l := k.legs[x.ID]
	if l == nil {
		return nil
	}
	k.remove(ctx, l)
	return k.bye(x, reason)
}

func (k *calls) bye(x *member, reason string) error {
	return k.m.unicast(x, wire.Bye{To: k.s().id, Type: wire.TypeBye, Bye: object(wire.Reason{Reason: reason})})
}

// failed ends a leg that was lost, and calls anew after a while (reference 14.6).
func (k *calls) failed(ctx context.Context, l *leg, reason string) error {
	if k.legs[l.who.ID] != l {
		return nil
	}
	ours := l.ours
	k.remove(ctx, l)
	if err := k.bye(l.who, ""); err != nil {
		return err
	}
	switch {
	case !k.m.key.automatic():
		return k.report(ctx, l.who, object(wire.Reason{Reason: reason}))
	case ours && l.who.virtual():
		return nil // it was rung because it calls nobody, see watchIdle
	}
	return k.redial(l.who, ours && l.conference != "")
}

// redial has the client call somebody again, or calls it. Each time it takes
// longer, and after some times it is over until somebody comes or goes.
func (k *calls) redial(x *member, ours bool) error {
	tried := k.tried[x.ID]
	if tried >= redials {
		return nil
	}
	k.tried[x.ID]++
	wait := min(redialMost, redialFirst<<min(tried, 8))
	k.s().after(wait, func(ctx context.Context) error {
		if k.s().at != k.m || k.m.members[x.ID] != x || k.legs[x.ID] != nil {
			return nil
		}
		if ours && !x.virtual() {
			return k.offer(ctx, x, k.m.key.String())
		}
		return k.announce(ctx)
	})
	return nil
}

// renew makes a call anew that would have to be renegotiated: clients hang up at
// that (reference 14.5).
func (k *calls) renew(ctx context.Context, l *leg) error {
	if l == nil || l.state != legUp || !k.m.key.automatic() {
		return nil
	}
	k.remove(ctx, l)
	if err := k.bye(l.who, ""); err != nil {
		return err
	}
	if l.ours && !l.who.virtual() {
		return k.offer(ctx, l.who, k.m.key.String())
	}
	return k.announce(ctx)
}

// show sends down another stream of a member, in the place of the last one.
func (k *calls) show(x *member, p bridge.Publication) error {
	l := k.legs[x.ID]
	if l == nil || l.peer == nil || l.stream == p.ID {
		return nil
	}
	if now, ok := k.m.camera(x.ID); !ok || now.ID != p.ID {
		return nil
	}
	_ = k.s().gentle(l.peer.Drop(l.stream)) // it may be gone already
	l.stream = p.ID
	return k.s().gentle(l.peer.Send(p.ID, bridge.SendOptions{Stream: x.id}))
}

// attach goes on for a client that came back: what was connected stays, what was in
// the middle of something ends, as does what is with somebody who has left.
func (k *calls) attach(ctx context.Context) error {
	k.idle, k.rung = func() {}, false
	k.up.attach(ctx)
	for _, l := range slices.Clone(k.order) {
		l.stop = func() {}
		x := k.m.members[l.who.ID]
		if x == nil || l.state != legUp || !l.connected {
			k.remove(ctx, l)
			if err := k.bye(l.who, ""); err != nil {
				return err
			}
			continue
		}
		l.who = x
		if p, ok := k.m.camera(x.ID); ok {
			if err := k.show(x, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// origin returns what tells a connection's offers from those of others: the
// session id of the o= line (RFC 8866, 5.2).
func origin(sdp string) string {
	for line := range strings.Lines(sdp) {
		if rest, ok := strings.CutPrefix(line, "o="); ok {
			if f := strings.Fields(rest); len(f) > 1 {
				return f[1]
			}
		}
	}
	return ""
}

// candidateTime bounds what one candidate may take.
const candidateTime = time.Second

func (k *calls) candidate(ctx context.Context, l *leg, c bridge.Candidate) {
	if l.peer == nil {
		if len(l.early) < maxEarly {
			l.early = append(l.early, c)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, candidateTime)
	defer cancel()
	_ = k.s().gentle(l.peer.AddCandidate(ctx, c))
}
