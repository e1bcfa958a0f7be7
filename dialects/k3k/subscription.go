package k3k

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
)

// subscription is what the client gets of one media session: one connection, whose
// media are never renegotiated (reference 12.1).
type subscription struct {
	t        *seat
	key      key
	pub      bridge.PublicationID
	peer     bridge.Peer
	mark     string // what the mids of the offer begin with
	kinds    kinds  // offered
	audio    bool   // asked for sound only
	offering bool   // the offer is not answered yet
	up       bool
	paused   bool
	sub      int    // the wished substream
	overdue  func() // takes back what happens when the offer is not answered
}

// answerTime is how long a client takes to answer an offer, unless it has lost it.
const answerTime = 5 * time.Second

// rest takes back what is to happen later.
func (s *subscription) rest() {
	if s.overdue != nil {
		s.overdue()
		s.overdue = nil
	}
}

// sends reports whether everything that a stream has can come over it.
func (s *subscription) sends(k kinds) bool {
	if s.audio {
		k.video = false
	}
	return s.kinds.covers(k)
}

// subscribe handles the action of that name (reference 8.4).
func (t *seat) subscribe(ctx context.Context, q subscribe) error {
	k := key{q.Target, q.Sort}
	m := t.members[q.Target]
	if q.Target != t.me.who.ID && m == nil {
		return nil
	}
	if q.Target == t.me.who.ID || m.told[q.Sort].pub.IsZero() {
		return &refusal{"invalid_request_offer", &k}
	}
	return t.get(ctx, k, q.WithoutVideo)
}

// resubscribe handles the action of that name: the same connection looks for
// another way. A new one would not do: for the client, whose connection stays, that
// has another partner in the handshake of DTLS, which it does not repeat.
func (t *seat) resubscribe(ctx context.Context, q session) error {
	k := key{q.Target, q.Sort}
	err := error(bridge.Errorf(bridge.NotFound, "there is no such subscription"))
	var offer bridge.SDP
	sub := t.getting[k]
	if sub != nil {
		offer, err = sub.restart(ctx)
	}
	if err != nil {
		t.s.c.Log.Info("subscription does not begin anew", "member", k.who, "err", err)
		return &refusal{"invalid_request_offer", &k}
	}
	sub.offering = true
	return t.s.say(nsMedia, "sdp_offer", sdpDoc{offer, k.doc()})
}

func (s *subscription) restart(ctx context.Context) (bridge.SDP, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	r, ok := s.peer.(bridge.Restarter)
	if !ok {
		return "", bridge.Errorf(bridge.NotSupported, "the connection cannot begin anew")
	}
	return r.Restart(ctx)
}

// get makes a connection for a media session and offers it. It replaces the one
// that there is.
func (t *seat) get(ctx context.Context, k key, audio bool) error {
	t.asked(k)
	t.queue.occupy(k, connectTime) // one that was not announced just now
	t.queue.extend(k, connectTime)
	p, ok := t.members[k.who].stream(k.sort)
	s := &subscription{t: t, key: k, pub: p.ID, kinds: kindsOf(p), audio: audio, offering: true, sub: bestSubstream}
	if audio {
		s.kinds.video = false
	}
	var offer bridge.SDP
	err := error(bridge.Errorf(bridge.NotFound, "there is no such media session"))
	if ok && !s.kinds.none() {
		offer, err = s.open(ctx)
	}
	if err != nil {
		t.s.c.Log.Info("no connection for a subscription", "member", k.who, "err", err)
		if err := t.s.settle(nsMedia, &refusal{"invalid_request_offer", &k}); err != nil {
			return err
		}
		return t.queue.done(ctx, k)
	}
	if old := t.getting[k]; old != nil {
		s.paused, s.sub = old.paused, old.sub
		old.close()
		s.prefer(p)
	}
	t.getting[k] = s
	s.overdue = t.s.c.After(answerTime, func(ctx context.Context) error {
		s.overdue = nil
		return t.remind(ctx, k)
	})
	return t.s.say(nsMedia, "sdp_offer", sdpDoc{offer, k.doc()})
}

// open makes the connection.
func (s *subscription) open(ctx context.Context) (bridge.SDP, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	s.t.offers++
	s.mark = "s" + strconv.FormatUint(uint64(s.t.offers), 36) + "-"
	peer, err := s.t.connect(ctx, s, bridge.PeerOptions{Codecs: codecs(), Mark: s.mark})
	if err != nil {
		return "", err
	}
	s.peer = peer
	var offer bridge.SDP
	err = peer.Send(s.pub, bridge.SendOptions{NoAudio: !s.kinds.audio, NoVideo: !s.kinds.video})
	if err == nil {
		offer, err = peer.Offer(ctx)
	}
	if err != nil {
		s.t.disconnect(peer)
	}
	return offer, err
}

// codecs are all that clients can take (reference 12.2).
func codecs() []string { return []string{"opus", "VP8"} }

// answered takes the client's answer. A second one to the same offer is told, and
// does no harm (reference 13.2). One to an offer that this one has replaced says
// nothing: the client has been asked meanwhile, and answers that, too. By ids alone the
// two cannot be told apart.
func (s *subscription) answered(ctx context.Context, answer bridge.SDP) error {
	if mid := firstMid(answer); mid != "" && !strings.HasPrefix(mid, s.mark) {
		s.t.s.c.Log.Info("answer to an offer that is over", "peer", s.peer.ID())
		return nil
	}
	err := errors.New("there is no offer to be answered")
	if s.offering {
		bounded, cancel := context.WithTimeout(ctx, offerTime)
		defer cancel()
		err = s.peer.Accept(bounded, answer)
	}
	if err == nil {
		s.offering = false
		s.rest()
		return nil
	}
	s.t.s.c.Log.Info("answer refused", "peer", s.peer.ID(), "err", err)
	if err := s.t.s.settle(nsMedia, refuse("handle_sdp_answer")); err != nil || !s.offering {
		return err
	}
	return s.t.queue.done(ctx, s.key)
}

// configure handles the action of that name: which layer, and whether any picture
// at all (reference 8.4).
func (t *seat) configure(_ context.Context, q configure) error {
	k := key{q.Target, q.Sort}
	sub := t.getting[k]
	if sub == nil {
		return nil
	}
	if n := q.Configuration.Substream; n != nil {
		if *n > bestSubstream {
			return &refusal{"invalid_configure_request", &k}
		}
		sub.sub = int(*n)
	}
	if v := q.Configuration.Video; v != nil {
		sub.paused = !*v
	}
	p, _ := t.members[q.Target].stream(q.Sort)
	sub.prefer(p)
	return nil
}

// prefer tells the engine what the client wishes of a stream.
func (s *subscription) prefer(p bridge.Publication) {
	wish := layer(p, s.sub)
	wish.NoMore = s.paused
	if err := s.peer.Prefer(s.pub, wish); err != nil {
		s.t.s.c.Log.Debug("prefer", "peer", s.peer.ID(), "err", err)
	}
}

// changed implements party.
func (s *subscription) changed(ctx context.Context, state bridge.PeerState) error {
	switch state {
	case bridge.PeerConnected:
		if s.up {
			return nil // it was lost for a moment
		}
		s.up = true
		if err := s.t.s.say(nsMedia, "webrtc_up", s.key.doc()); err != nil {
			return err
		}
	case bridge.PeerFailed, bridge.PeerClosed:
		s.close()
		if err := s.t.s.say(nsMedia, "webrtc_down", s.key.doc()); err != nil {
			return err
		}
	default:
		return nil
	}
	return s.t.queue.done(ctx, s.key)
}

// track implements party.
func (*subscription) track(context.Context, bridge.PeerTrack) error { return nil }

// close closes the connection.
func (s *subscription) close() {
	if s.t.getting[s.key] == s {
		delete(s.t.getting, s.key)
	}
	s.rest()
	s.t.disconnect(s.peer)
}
