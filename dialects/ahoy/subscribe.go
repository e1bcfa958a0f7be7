package ahoy

import (
	"context"

	"dragoman/bridge"
)

// receiver is what the client gets of one member: at most one connection, and at
// most one unanswered SDP_request, because all of them have the same
// transactionID (7.3).
type receiver struct {
	t        *seat
	id       string // memberID
	exchange exchange
	peer     bridge.Peer // nil: nothing is received
}

// media handles MEDIA_request (4.5). The response comes before the offers.
func (t *seat) media(_ context.Context, m message) (answer, error) {
	q, err := read[media](m)
	if err != nil {
		return answer{}, err
	}
	if q.Members == nil {
		return answer{}, bridge.Errorf(bridge.BadRequest, "members are missing")
	}
	return answer{then: func(ctx context.Context) error {
		for _, w := range *q.Members {
			if err := t.get(ctx, w); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// get does what one entry of a MEDIA_request asks. Unknown members and oneself
// are passed over.
func (t *seat) get(ctx context.Context, w wish) error {
	m := t.members[w.MemberID]
	if m == nil {
		return nil
	}
	want := kinds{bool(w.Audio), bool(w.Video)}
	r := t.getting[m.id]
	switch {
	case want.none():
		if r != nil {
			r.exchange.drop()
			r.close()
		}
		return nil
	case want.and(m.has()).none():
		return nil // the client asks again when there is something
	case r == nil:
		r = &receiver{t: t, id: m.id, exchange: exchange{c: t.s.c}}
		t.getting[m.id] = r
	}
	return r.exchange.free(ctx, func(ctx context.Context) error { return r.ask(ctx, m, want) })
}

// has returns what the member shares.
func (m *member) has() kinds {
	return kinds{m.stream.Audio != bridge.Absent, m.stream.Video != bridge.Absent}
}

// ask makes a new connection and offers what was asked and is there.
func (r *receiver) ask(ctx context.Context, m *member, want kinds) error {
	r.close()
	want = want.and(m.has())
	if want.none() {
		return nil
	}
	offer, err := r.open(ctx, m, want)
	if err != nil {
		r.t.s.c.Log.Warn("no connection for a member's media", "participant", m.who.ID, "err", err)
		r.close()
		return nil
	}
	r.exchange.sent(r.id, answerTime, func(context.Context) error {
		r.close()
		return nil
	})
	q := &sendMedia{Member: m.ref(), SDP: string(offer)}
	q.TransactionID = text(r.id)
	return r.t.s.say("SDP_request", q)
}

func (r *receiver) open(ctx context.Context, m *member, want kinds) (bridge.SDP, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	peer, err := r.t.connect(ctx, r, bridge.PeerOptions{Timeout: connectTime})
	if err != nil {
		return "", err
	}
	r.peer = peer
	o := bridge.SendOptions{NoAudio: !want.audio, NoVideo: !want.video, Stream: r.id}
	if err := peer.Send(m.stream.ID, o); err != nil {
		return "", err
	}
	return peer.Offer(ctx)
}

// described handles SDP_response (7.3). An answer that nobody has asked for is
// ignored.
func (t *seat) described(ctx context.Context, m message) error {
	id := m.transaction()
	r := t.getting[id]
	if r == nil || !r.exchange.take(id) {
		return nil
	}
	switch {
	case r.peer == nil: // unsubscribed in the meantime
	case r.exchange.waiting():
		r.close()
	default:
		r.answered(ctx, m)
	}
	return r.exchange.proceed(ctx)
}

func (r *receiver) answered(ctx context.Context, m message) {
	a, err := read[sdpAnswer](m)
	if err == nil && a.ok() {
		ctx, cancel := context.WithTimeout(ctx, offerTime)
		defer cancel()
		if err = r.peer.Accept(ctx, plainSDP(a.SDP)); err == nil {
			return
		}
	}
	r.t.s.c.Log.Info("no use of an answer", "peer", r.peer.ID(), "err", err)
	r.close()
}

// changed implements party. What has failed is not tried again: the client asks
// when it wants to.
func (r *receiver) changed(_ context.Context, id bridge.PeerID, s bridge.PeerState) error {
	if r.peer != nil && r.peer.ID() == id && (s == bridge.PeerFailed || s == bridge.PeerClosed) {
		r.close()
	}
	return nil
}

// track implements party.
func (*receiver) track(context.Context, bridge.PeerTrack) error { return nil }

// close closes the connection.
func (r *receiver) close() {
	r.t.disconnect(r.peer)
	r.peer = nil
}

// end forgets everything, for a member who left.
func (r *receiver) end() {
	r.exchange.end()
	r.close()
}
