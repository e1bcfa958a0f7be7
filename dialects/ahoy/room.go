package ahoy

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
)

// kick handles CONFERENCE_KICK_request (4.7). Of a member that is a screen only
// the stream ends (10.4).
func (t *seat) kick(ctx context.Context, m message) (answer, error) {
	q, err := read[kick](m)
	if err != nil {
		return answer{}, err
	}
	target := t.members[q.MemberID]
	if q.MemberID == t.me.id {
		target = t.me
	}
	switch {
	case q.MemberID == "":
		return answer{}, bridge.Errorf(bridge.BadRequest, "memberID is missing")
	case !t.me.who.Can.Has(bridge.Kicking):
		return answer{}, bridge.Errorf(bridge.Forbidden, "only moderators may do that")
	case target == nil:
		return answer{}, bridge.Errorf(bridge.NotFound, "there is no such member")
	case target.extra:
		return answer{}, t.session.Do(ctx, bridge.Unpublish{ID: target.stream.ID})
	}
	return answer{}, t.session.Do(ctx, bridge.Kick{Target: target.who.ID})
}

// lock handles CONFERENCE_LOCK_request (4.10).
func (t *seat) lock(ctx context.Context, m message) (answer, error) {
	q, err := read[lock](m)
	if err != nil {
		return answer{}, err
	}
	on := bool(q.Lock)
	if err := t.session.Do(ctx, bridge.Lock{On: on}); err != nil || on != t.room.Locked {
		return answer{}, err
	}
	// Nothing changes, so the room is silent; but the web client's button follows
	// the indication only.
	return answer{then: func(context.Context) error { return t.locked(on) }}, nil
}

// describe handles CONFERENCE_DESCRIPTION_request (4.9).
func (t *seat) describe(ctx context.Context, m message) (answer, error) {
	q, err := read[describe](m)
	if err != nil {
		return answer{}, err
	}
	about := ""
	if err := json.Unmarshal(q.Description, &about); err != nil {
		return answer{}, &bridge.Error{Code: bridge.BadRequest, Msg: "description is missing", Err: err}
	}
	if err := t.session.Do(ctx, bridge.Describe{About: &about}); err != nil || about != t.room.About {
		return answer{}, err
	}
	return answer{then: func(context.Context) error { return t.description(about) }}, nil
}

// destroy handles CONFERENCE_DESTROY_request (4.11).
func (t *seat) destroy(ctx context.Context, _ message) (answer, error) {
	return answer{}, t.session.Do(ctx, bridge.CloseRoom{Reason: bridge.ByEnd})
}
