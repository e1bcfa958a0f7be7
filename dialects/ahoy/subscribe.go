package ahoy

import (
	"context"

	"dragoman/bridge"
)

// receiver is what the client gets of one member: one connection, or two while one
// replaces the other. There is at most one unanswered SDP_request, because all of
// them have the same transactionID (7.3).
type receiver struct {
	t        *seat
	id       string // memberID
	exchange exchange
	current  *reception // answered; nil: nothing is received
	offered  *reception // not answered yet; nil: none is, or nobody wants it any more
	hinted   bool       // that there is more than what is received
}

// reception is a connection on which a member's media go to the client.
type reception struct {
	peer  bridge.Peer
	kinds kinds
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

// ask makes a new connection and offers what was asked and is there. The one
// before it goes on until the client has answered.
func (r *receiver) ask(ctx context.Context, m *member, want kinds) error {
	want = want.and(m.has())
	if want.none() {
		r.close()
		return nil
	}
	offer, err := r.open(ctx, m, want)
	if err != nil {
		r.t.s.c.Log.Debug("no connection for a member's media", "member", m.who.ID, "err", err)
		r.close()
		return nil
	}
	r.exchange.sent(r.id, answerTime, func(context.Context) error { return r.unanswered(m) })
	q := &sendMedia{Member: m.ref(), SDP: string(offer)}
	q.TransactionID = text(r.id)
	return r.t.s.say("SDP_request", q)
}

// unanswered gives up an offer. One of the clients takes the offer that its last
// request but one has brought for the answer to both, and overlooks the next. It
// keeps what it has got; if that is less than there is, it is told once to ask again.
func (r *receiver) unanswered(m *member) error {
	missed := r.offered
	r.drop(&r.offered)
	if missed == nil || r.current == nil || r.hinted || missed.kinds.and(r.current.kinds) == missed.kinds {
		return nil
	}
	r.hinted = true
	return r.t.indicate(m)
}

func (r *receiver) open(ctx context.Context, m *member, want kinds) (bridge.SDP, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	// No message says that a camera is off: the picture would stand still.
	peer, err := r.t.connect(ctx, r, bridge.PeerOptions{Timeout: connectTime, Placeholder: true})
	if err != nil {
		return "", err
	}
	r.offered = &reception{peer, want}
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
	if r.offered != nil { // else unsubscribed in the meantime
		r.answered(ctx, m)
	}
	return r.exchange.proceed(ctx)
}

// answered takes the answer for a connection, even if another is about to replace
// it: the client may never answer for that.
func (r *receiver) answered(ctx context.Context, m message) {
	a, err := read[sdpAnswer](m)
	if err == nil && a.ok() {
		ctx, cancel := context.WithTimeout(ctx, offerTime)
		defer cancel()
		if err = r.offered.peer.Accept(ctx, plainSDP(a.SDP)); err == nil {
			r.drop(&r.current)
			r.current, r.offered, r.hinted = r.offered, nil, false
			return
		}
	}
	r.t.s.c.Log.Info("no use of an answer", "peer", r.offered.peer.ID(), "err", err)
	r.drop(&r.offered)
}

// changed implements party. What has failed is not tried again: the client asks
// when it wants to.
func (r *receiver) changed(_ context.Context, id bridge.PeerID, s bridge.PeerState) error {
	if s != bridge.PeerFailed && s != bridge.PeerClosed {
		return nil
	}
	for _, c := range []**reception{&r.current, &r.offered} {
		if *c != nil && (*c).peer.ID() == id {
			r.drop(c)
		}
	}
	return nil
}

// track implements party.
func (*receiver) track(context.Context, bridge.PeerTrack) error { return nil }

// drop closes a connection and forgets it; nil is none.
func (r *receiver) drop(c **reception) {
	if *c != nil {
		r.t.disconnect((*c).peer)
		*c = nil
	}
}

// close closes the connections.
func (r *receiver) close() {
	r.drop(&r.current)
	r.drop(&r.offered)
}

// end forgets everything, for a member who left.
func (r *receiver) end() {
	r.exchange.end()
	r.close()
}
