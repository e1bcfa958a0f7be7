package spreed

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// To whom a document between peers goes.
type route struct {
	to address
	x  *member // nil: it is in another room, or in none
}

// route finds whom a client means. False: nobody, the document is dropped
// (reference 3.3).
func (s *speaker) route(id string) (r route, ok bool) {
	if r.to, ok = s.forms.parse(id); !ok {
		return r, false
	}
	if s.at != nil {
		if x := s.at.members[r.to.id]; x != nil && x.virtual() == r.to.virtual {
			r.x = x
		}
	}
	return r, r.x != nil || !r.to.virtual // those whom the bridge speaks for are reached in their room only
}

// peerToPeer reports whether documents about calls go from client to client: they
// do where there is no common room, and where the operator wants it so.
func (s *speaker) peerToPeer(r route) bool {
	return r.x == nil || !r.to.virtual && s.cfg.Peers == peersRelay
}

// onOffer handles Offer (reference 5.11).
func (s *speaker) onOffer(ctx context.Context, r wire.Request) error {
	if r.Offer == nil || len(r.Offer.Offer) == 0 {
		return nil
	}
	to, ok := s.route(r.Offer.To)
	var d wire.Description
	if !ok {
		return nil
	}
	err := json.Unmarshal(r.Offer.Offer, &d)
	switch {
	case s.peerToPeer(to), d.Token != "" && !to.to.virtual:
		return s.pass(ctx, to.to.id, r.Offer)
	case err != nil || d.SDP == "":
		return nil
	case d.Token != "":
		return s.at.screens.offered(ctx, to.x, d)
	}
	return s.at.calls.offered(ctx, to.x, d)
}

// onAnswer handles Answer.
func (s *speaker) onAnswer(ctx context.Context, r wire.Request) error {
	if r.Answer == nil || len(r.Answer.Answer) == 0 {
		return nil
	}
	to, ok := s.route(r.Answer.To)
	var d wire.Description
	if !ok {
		return nil
	}
	err := json.Unmarshal(r.Answer.Answer, &d)
	switch {
	case s.peerToPeer(to), d.Token != "" && !to.to.virtual:
		return s.pass(ctx, to.to.id, r.Answer)
	case err != nil:
		return nil
	case d.Token != "":
		return s.at.screens.answered(ctx, to.x, d)
	}
	if l := s.at.calls.legs[to.to.id]; l != nil || to.to.virtual {
		return s.at.calls.answered(ctx, l, d)
	}
	return s.pass(ctx, to.to.id, r.Answer)
}

// onCandidate handles Candidate.
func (s *speaker) onCandidate(ctx context.Context, r wire.Request) error {
	if r.Candidate == nil || len(r.Candidate.Candidate) == 0 || string(r.Candidate.Candidate) == "null" {
		return nil
	}
	to, ok := s.route(r.Candidate.To)
	if !ok {
		return nil
	}
	var c wire.ICE
	err := json.Unmarshal(r.Candidate.Candidate, &c)
	switch {
	case s.peerToPeer(to), c.Token != "" && !to.to.virtual:
		return s.pass(ctx, to.to.id, r.Candidate)
	case err != nil:
		return nil
	case c.Token != "":
		s.at.screens.candidate(ctx, to.x, c)
		return nil
	}
	if l := s.at.calls.legs[to.to.id]; l != nil {
		s.at.calls.candidate(ctx, l, candidateOf(c))
		return nil
	}
	if to.to.virtual {
		return nil
	}
	return s.pass(ctx, to.to.id, r.Candidate)
}

// candidateOf strips what clients put around a candidate (reference 5.11).
func candidateOf(c wire.ICE) bridge.Candidate {
	b := bridge.Candidate{Text: strings.TrimPrefix(strings.TrimSpace(c.Candidate), "a="), Mid: c.SDPMid, Index: -1}
	if c.SDPMLineIndex != nil {
		b.Index = *c.SDPMLineIndex
	}
	return b
}

// onBye handles Bye (reference 5.12).
func (s *speaker) onBye(ctx context.Context, r wire.Request) error {
	if r.Bye == nil {
		return nil
	}
	to, ok := s.route(r.Bye.To)
	if !ok {
		return nil // an iOS client says so when its user leaves the screen of the room
	}
	if s.peerToPeer(to) {
		return s.pass(ctx, to.to.id, r.Bye)
	}
	k := &s.at.calls
	switch l := k.legs[to.to.id]; {
	case k.broken(r.Bye.Bye):
		return k.lost(ctx, to.x, l)
	case l != nil:
		k.remove(ctx, l)
		return k.report(ctx, to.x, r.Bye.Bye)
	case to.to.virtual:
		return nil
	}
	return s.pass(ctx, to.to.id, r.Bye)
}

// offered takes the client's call to a member. With one whom the bridge speaks for,
// and in the conference of the room, it is taken at once; else the other client is
// asked (reference 14.7, 14.8).
func (k *calls) offered(ctx context.Context, x *member, d wire.Description) error {
	if !k.m.key.automatic() && d.Conference != "" {
		k.conference = d.Conference
	}
	if l := k.legs[x.ID]; l != nil && l.state == legUp && l.origin != "" && l.origin == origin(d.SDP) {
		l.offer = d.SDP // the same connection, negotiated anew
		return k.answer(ctx, l)
	}
	k.idle()
	l := k.add(ctx, x, legAsking, d.Conference)
	l.offer = d.SDP
	if x.virtual() {
		return k.answer(ctx, l)
	}
	if err := k.ask(ctx, x, d.Conference); err != nil {
		return err
	}
	if k.common(d.Conference) {
		return k.answer(ctx, l)
	}
	l.stop = k.s().after(consentTime, func(ctx context.Context) error {
		if k.legs[x.ID] != l {
			return nil
		}
		return k.hangUp(ctx, x, "pickuptimeout")
	})
	return nil
}

// callNote says that the sender's client calls.
type callNote struct{ Conference string }

// ask has the other client's speaker call it.
func (k *calls) ask(ctx context.Context, x *member, conference string) error {
	data, err := json.Marshal(callNote{Conference: conference})
	if err != nil {
		return err
	}
	return k.s().gentle(k.m.session.Do(ctx, bridge.Send{To: x.ID, Topic: topicCall, Data: data}))
}

// called calls the client, because a member's client called it.
func (k *calls) called(ctx context.Context, x *member, n callNote) error {
	switch l := k.legs[x.ID]; {
	case l == nil:
		return k.offer(ctx, x, n.Conference)
	case l.state == legAsking: // both have called each other
		if err := k.accept(ctx, x); err != nil {
			return err
		}
		return k.answer(ctx, l)
	case l.state == legUp:
		return k.accept(ctx, x)
	}
	return nil
}

func (k *calls) accept(ctx context.Context, x *member) error {
	return k.s().gentle(k.m.session.Do(ctx, bridge.Send{To: x.ID, Topic: topicAccept}))
}

// accepted answers the client's call once the other client has taken it.
func (k *calls) accepted(ctx context.Context, x *member) error {
	l := k.legs[x.ID]
	if l == nil || l.state != legAsking {
		return nil
	}
	l.stop()
	return k.answer(ctx, l)
}

// answered takes the client's answer to a call of ours.
func (k *calls) answered(ctx context.Context, l *leg, d wire.Description) error {
	if l == nil || l.state != legOffered {
		return nil
	}
	l.stop()
	short, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	if err := l.peer.Accept(short, bridge.SDP(d.SDP)); err != nil {
		_ = k.s().gentle(err)
		return k.failed(ctx, l, "error")
	}
	l.state, l.origin = legUp, origin(d.SDP)
	k.up.feed(ctx)
	if !l.who.virtual() {
		return k.accept(ctx, l.who)
	}
	if k.m.key.automatic() {
		return k.announce(ctx) // the client may have been idle: now it calls the others
	}
	return k.gather(ctx)
}

// broken reports whether a Bye says that something failed, where everybody is called:
// that is no wish to hang up (reference 14.6).
func (k *calls) broken(why wire.Object) bool {
	var r wire.Reason
	_ = json.Unmarshal(why, &r) // whatever else is in there
	return k.m.key.automatic() && slices.Contains([]string{"failed", "error", "busy", "unsupported"}, r.Reason)
}

// lost has a call made anew that the client could not make, or has lost. The leg may
// be unknown here: a client that comes back too late believes for a while in the calls
// that it had.
func (k *calls) lost(ctx context.Context, x *member, l *leg) error {
	ours := !x.virtual() && x.id < k.s().id // who sorts below calls
	if l != nil {
		ours = l.ours && l.conference != ""
		k.remove(ctx, l)
	}
	return k.redial(x, ours)
}

// report tells the other client that this one hung up.
func (k *calls) report(ctx context.Context, x *member, why wire.Object) error {
	if x.virtual() {
		return nil
	}
	return k.s().gentle(k.m.session.Do(ctx, bridge.Send{To: x.ID, Topic: topicBye, Data: why}))
}

// byeFrom ends the call with a member whose client has hung up.
func (k *calls) byeFrom(ctx context.Context, x *member, why []byte) error {
	l := k.legs[x.ID]
	if l == nil {
		return nil
	}
	k.remove(ctx, l)
	return k.m.unicast(x, wire.Bye{To: k.s().id, Type: wire.TypeBye, Bye: why})
}

// object encodes what a document carries.
func object(v any) wire.Object {
	data, err := json.Marshal(v)
	if err != nil {
		return nil // structs of texts always encode
	}
	return data
}
