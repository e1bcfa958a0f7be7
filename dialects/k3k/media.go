package k3k

import (
	"context"
	"strings"

	"dragoman/bridge"
)

// mediaActions are what clients ask of the namespace media (reference 8.1).
var mediaActions = map[string]handler{
	"publish":               to((*seat).publish),
	"publish_complete":      to((*seat).publishComplete),
	"update_media_session":  to((*seat).updateSession),
	"unpublish":             to((*seat).unpublishOwn),
	"subscribe":             to((*seat).subscribe),
	"resubscribe":           to((*seat).resubscribe),
	"sdp_answer":            to((*seat).sdpAnswer),
	"sdp_candidate":         to((*seat).sdpCandidate),
	"sdp_end_of_candidates": to((*seat).endOfCandidates),
	"configure":             to((*seat).configure),
	"moderator_mute":        to((*seat).moderatorMute),
	"grant_presenter_role":  to((*seat).grantPresenter),
	"revoke_presenter_role": to((*seat).revokePresenter),
}

// sdpAnswer handles the action of that name.
func (t *seat) sdpAnswer(ctx context.Context, q describe) error {
	sub := t.getting[key{q.Target, q.Sort}]
	if sub == nil {
		return refuse("handle_sdp_answer")
	}
	return sub.answered(ctx, *q.SDP)
}

// sdpCandidate handles the action of that name.
func (t *seat) sdpCandidate(ctx context.Context, q candidate) error {
	text := *q.Candidate.Text
	if text != "" && !strings.HasPrefix(strings.TrimPrefix(text, "a="), "candidate:") {
		return refuse("invalid_candidate")
	}
	c := bridge.Candidate{Text: text, Index: *q.Candidate.Index}
	if !t.addCandidate(ctx, q.session, c) {
		return refuse("invalid_candidate")
	}
	return nil
}

// endOfCandidates handles sdp_end_of_candidates.
func (t *seat) endOfCandidates(ctx context.Context, q session) error {
	if !t.addCandidate(ctx, q, bridge.Candidate{Index: -1}) {
		return refuse("invalid_end_of_candidates")
	}
	return nil
}

// addCandidate gives a candidate to the connection it is for. Those that come
// before that is made are kept: that is not the client's fault (reference 13.1).
func (t *seat) addCandidate(ctx context.Context, q session, c bridge.Candidate) bool {
	var peer bridge.Peer
	if q.Target == t.me.who.ID {
		p := t.giving[q.Sort]
		if p == nil {
			return false
		}
		if p.peer == nil || t.queue.waits(p.key()) {
			if len(p.early) < maxEarly {
				p.early = append(p.early, c)
			}
			return true
		}
		peer = p.peer
	} else if sub := t.getting[key{q.Target, q.Sort}]; sub != nil {
		peer = sub.peer
	}
	if peer == nil {
		return false
	}
	err := peer.AddCandidate(ctx, c)
	if err != nil {
		t.s.c.Log.Debug("candidate refused", "peer", peer.ID(), "err", err)
	}
	return bridge.CodeOf(err) != bridge.BadRequest
}

// topicMute tells k3k clients that they are asked to mute, and whether they may
// refuse. The room's own question does not say that.
const topicMute = Name + "/mute"

// moderatorMute handles the action of that name (reference 8.5). Clients of this
// dialect obey by themselves. For others a forced mute is done by the room, and
// lifted at once, so that they can unmute themselves, as here.
func (t *seat) moderatorMute(ctx context.Context, q moderatorMute) error {
	if !t.me.who.Can.Has(bridge.MutingOthers) {
		return refuse(permissionError)
	}
	for _, id := range *q.Targets {
		m := t.member(id)
		if m == nil {
			continue
		}
		if err := t.mute(ctx, m, *q.Force); err != nil && bridge.CodeOf(err) != bridge.NotFound {
			return err
		}
	}
	return nil
}

func (t *seat) mute(ctx context.Context, m *member, force bool) error {
	one := []bridge.ParticipantID{m.who.ID}
	if m.who.Dialect == Name {
		data, err := encode(muteDoc{Issuer: t.me.who.ID, Force: force})
		if err != nil {
			return err
		}
		return t.session.Do(ctx, bridge.Send{To: m.who.ID, Topic: topicMute, Data: data})
	}
	if force {
		for _, off := range []bool{false, true} {
			if err := t.session.Do(ctx, bridge.Mute{Targets: one, Track: bridge.Audio, Force: !off, Off: off}); err != nil {
				return err
			}
		}
	}
	return t.session.Do(ctx, bridge.Mute{Targets: one, Track: bridge.Audio})
}

// muteAsked tells of a moderator of another dialect who asks. There is no word for
// a camera.
func (t *seat) muteAsked(_ context.Context, e bridge.MuteAsked) error {
	if e.Track != bridge.Audio {
		return nil
	}
	return t.s.say(nsMedia, "request_mute", muteDoc{Issuer: e.By})
}

// silenced: the room drops one's sound. The client is asked to show that.
func (t *seat) silenced(e bridge.PublicationChanged) error {
	p := t.giving[sortOf(e.Pub.Source)]
	if p == nil || p.pub != e.Pub.ID || e.Pub.Audio != bridge.Silenced || e.By == t.me.who.ID {
		return nil
	}
	return t.s.say(nsMedia, "request_mute", muteDoc{Issuer: e.By, Force: true})
}

// grantPresenter handles grant_presenter_role.
func (t *seat) grantPresenter(ctx context.Context, q presenters) error {
	return t.permit(ctx, *q.IDs, func(m *member) (bridge.Permit, bool) {
		return bridge.Permit{Target: m.who.ID, Add: bridge.PublishScreen}, !m.presents()
	})
}

// revokePresenter handles revoke_presenter_role. Moderators may share their screen
// in any case.
func (t *seat) revokePresenter(ctx context.Context, q presenters) error {
	return t.permit(ctx, *q.IDs, func(m *member) (bridge.Permit, bool) {
		return bridge.Permit{Target: m.who.ID, Remove: bridge.PublishScreen}, m.presents() && !m.moderates()
	})
}

func (t *seat) permit(ctx context.Context, ids []bridge.ParticipantID, change func(*member) (bridge.Permit, bool)) error {
	if !t.me.who.Can.Has(bridge.Managing) {
		return refuse(permissionError)
	}
	for _, id := range ids {
		m := t.member(id)
		if m == nil {
			continue
		}
		if c, news := change(m); news {
			if err := t.session.Do(ctx, c); err != nil && bridge.CodeOf(err) != bridge.NotFound {
				return err
			}
		}
	}
	return nil
}
