package k3k

import (
	"context"

	"dragoman/bridge"
)

// raiseHand handles raise_hand. The sender gets nothing back (reference 7.2).
func (t *seat) raiseHand(ctx context.Context, _ nothing) error {
	err := t.session.Do(ctx, bridge.RaiseHand{Up: true})
	if bridge.CodeOf(err) == bridge.NotSupported {
		return refuse("raise_hands_disabled")
	}
	return err
}

// lowerHand handles lower_hand.
func (t *seat) lowerHand(ctx context.Context, _ nothing) error {
	return t.session.Do(ctx, bridge.RaiseHand{})
}

// grantModerator handles grant_moderator_role (reference 7.5).
func (t *seat) grantModerator(ctx context.Context, q target) error {
	return t.regrade(ctx, q.Target, bridge.Moderator)
}

// revokeModerator handles revoke_moderator_role.
func (t *seat) revokeModerator(ctx context.Context, q target) error {
	return t.regrade(ctx, q.Target, bridge.Speaker)
}

func (t *seat) regrade(ctx context.Context, id bridge.ParticipantID, role bridge.Role) error {
	m := t.member(id)
	switch {
	case !t.me.who.Can.Has(bridge.Managing):
		return refuse(insufficient)
	case m == nil || m.moderates() == (role == bridge.Moderator):
		return refuse("nothing_to_do")
	case m.owns():
		return refuse("target_is_room_owner")
	}
	return t.session.Do(ctx, bridge.SetRole{Target: id, Role: role})
}

// member returns somebody who is here, oneself included; nil for nobody.
func (t *seat) member(id bridge.ParticipantID) *member {
	if id == t.me.who.ID {
		return t.me
	}
	return t.members[id]
}
