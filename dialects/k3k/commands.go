package k3k

import (
	"time"

	"dragoman/bridge"
)

// What clients send (reference 7.2, 8.1, 9 and 10). Fields that must be there and
// whose zero value means something are pointers.
type (
	nothing struct{}
	join    struct {
		DisplayName string `json:"display_name"`
	}
	target struct {
		Target bridge.ParticipantID `json:"target"`
	}
	session struct {
		Target bridge.ParticipantID `json:"target"`
		Sort   sort                 `json:"media_session_type"`
	}
	describe struct {
		session
		SDP *bridge.SDP `json:"sdp"`
	}
	subscribe struct {
		session
		WithoutVideo bool `json:"without_video"`
	}
	candidate struct {
		session
		Candidate *struct {
			Index *int    `json:"sdpMLineIndex"`
			Text  *string `json:"candidate"`
		} `json:"candidate"`
	}
	configure struct {
		session
		Configuration *struct {
			Video     *bool  `json:"video"`
			Substream *uint8 `json:"substream"`
		} `json:"configuration"`
	}
	state struct {
		Sort  sort `json:"media_session_type"`
		State *struct {
			Audio *bool `json:"audio"`
			Video *bool `json:"video"`
		} `json:"media_session_state"`
	}
	unpublish struct {
		Sort sort `json:"media_session_type"`
	}
	moderatorMute struct {
		Targets *[]bridge.ParticipantID `json:"targets"`
		Force   *bool                   `json:"force"`
	}
	presenters struct {
		IDs *[]bridge.ParticipantID `json:"participant_ids"`
	}
	say struct {
		Scope   scope   `json:"scope"`
		Target  *string `json:"target"`
		Content *string `json:"content"`
	}
	seen struct {
		Scope     scope   `json:"scope"`
		Target    *string `json:"target"`
		Timestamp *stamp  `json:"timestamp"`
	}
	debrief struct {
		Scope kickScope `json:"kick_scope"`
	}
	rename struct {
		Target bridge.ParticipantID `json:"target"`
		Name   *string              `json:"new_name"`
	}
)

func (nothing) complete() bool    { return true }
func (join) complete() bool       { return true }
func (c target) complete() bool   { return !c.Target.IsZero() }
func (c session) complete() bool  { return !c.Target.IsZero() && c.Sort != "" }
func (c describe) complete() bool { return c.session.complete() && c.SDP != nil }
func (c candidate) complete() bool {
	return c.session.complete() && c.Candidate != nil && c.Candidate.Text != nil && c.Candidate.Index != nil && *c.Candidate.Index >= 0
}
func (c configure) complete() bool { return c.session.complete() && c.Configuration != nil }
func (c state) complete() bool {
	return c.Sort != "" && c.State != nil && c.State.Audio != nil && c.State.Video != nil
}
func (c unpublish) complete() bool     { return c.Sort != "" }
func (c moderatorMute) complete() bool { return c.Targets != nil && c.Force != nil }
func (c presenters) complete() bool    { return c.IDs != nil }
func (c say) complete() bool           { return c.Content != nil && c.Scope.complete(c.Target) }
func (c seen) complete() bool          { return c.Timestamp != nil && c.Scope.complete(c.Target) }
func (c debrief) complete() bool       { return c.Scope != "" }
func (c rename) complete() bool        { return !c.Target.IsZero() && c.Name != nil }

// at returns when the client has read.
func (c seen) at() time.Time { return time.Time(*c.Timestamp) }

// scope is whom a chat message is for.
type scope string

// The scopes.
const (
	global  scope = "global"
	group   scope = "group"
	private scope = "private"
)

// complete reports whether there is such a scope and its target can be one.
func (s scope) complete(target *string) bool {
	switch s {
	case global:
		return true
	case group:
		return target != nil
	case private:
		var id bridge.ParticipantID
		return target != nil && id.UnmarshalText([]byte(*target)) == nil
	}
	return false
}

// kickScope is who has to go in a debriefing.
type kickScope string

// The scopes of a debriefing.
const (
	kickGuests kickScope = "guests"
	kickUsers  kickScope = "users_and_guests"
	kickAll    kickScope = "all"
)

// UnmarshalText takes the three scopes.
func (k *kickScope) UnmarshalText(text []byte) error {
	switch *k = kickScope(text); *k {
	case kickGuests, kickUsers, kickAll:
		return nil
	}
	return errUnread
}
