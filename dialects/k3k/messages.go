package k3k

import (
	"dragoman/bridge"
)

// person is the object of a participant: one key per module (reference 7.1).
type person struct {
	ID      bridge.ParticipantID `json:"id"`
	Control controlDoc           `json:"control"`
	Media   *mediaDoc            `json:"media,omitempty"`
	Chat    *groupsDoc           `json:"chat,omitempty"`
	Timer   *readyDoc            `json:"timer,omitempty"`
	// Waiting is only there for those in the waiting room (reference 10).
	Waiting string `json:"waiting_room_state,omitempty"`
}

type controlDoc struct {
	DisplayName string `json:"display_name"`
	Role        string `json:"role"`
	AvatarURL   string `json:"avatar_url,omitempty"`
	Kind        string `json:"participation_kind"`
	HandIsUp    bool   `json:"hand_is_up"`
	JoinedAt    stamp  `json:"joined_at"`
	// LeftAt is there and null for everybody who is here: one of the clients hides
	// people without it.
	LeftAt        *stamp `json:"left_at"`
	HandUpdatedAt stamp  `json:"hand_updated_at"`
	IsRoomOwner   bool   `json:"is_room_owner"`
}

type mediaDoc struct {
	IsPresenter bool      `json:"is_presenter"`
	Video       *stateDoc `json:"video,omitempty"`
	Screen      *stateDoc `json:"screen,omitempty"`
}

// stateDoc is what a media session sends.
type stateDoc struct {
	Video bool `json:"video"`
	Audio bool `json:"audio"`
}

type groupsDoc struct {
	Groups []string `json:"groups"`
}

type readyDoc struct {
	Ready bool `json:"ready_status"`
}

// joinSuccess is all that a client is told when it comes in (reference 7.4).
type joinSuccess struct {
	ID           bridge.ParticipantID `json:"id"`
	DisplayName  string               `json:"display_name"`
	AvatarURL    string               `json:"avatar_url,omitempty"`
	Role         string               `json:"role"`
	ClosesAt     *stamp               `json:"closes_at,omitempty"`
	Tariff       tariffDoc            `json:"tariff"`
	IsRoomOwner  bool                 `json:"is_room_owner"`
	EventInfo    *eventInfo           `json:"event_info,omitempty"`
	Chat         chatState            `json:"chat"`
	Media        mediaDoc             `json:"media"`
	Moderation   moderationDoc        `json:"moderation"`
	Timer        *timerDoc            `json:"timer,omitempty"`
	Polls        *pollDoc             `json:"polls,omitempty"`
	Participants []person             `json:"participants"`
}

// tariffDoc is what the installation allows (reference 4.3, 7.4).
type tariffDoc struct {
	ID       bridge.AccountID         `json:"id"`
	Name     string                   `json:"name"`
	Quotas   map[string]int64         `json:"quotas"`
	Enabled  []string                 `json:"enabled_modules"`
	Disabled []string                 `json:"disabled_features"`
	Modules  map[string]moduleFeature `json:"modules"`
}

type moduleFeature struct {
	Features []string `json:"features"`
}

type eventInfo struct {
	ID      bridge.MeetingID `json:"id"`
	Title   string           `json:"title"`
	IsAdhoc bool             `json:"is_adhoc"`
}

// moderationDoc is how the room is moderated. The last two are for moderators.
type moderationDoc struct {
	RaiseHands  bool      `json:"raise_hands_enabled"`
	WaitingRoom *bool     `json:"waiting_room_enabled,omitempty"`
	Waiting     *[]person `json:"waiting_room_participants,omitempty"`
}

// chatState is the chat as it is at the join (reference 9).
type chatState struct {
	Enabled     bool             `json:"enabled"`
	Room        []said           `json:"room_history"`
	Groups      []groupHistory   `json:"groups_history"`
	Private     []privateHistory `json:"private_history"`
	SeenRoom    *stamp           `json:"last_seen_timestamp_global"`
	SeenPrivate map[string]stamp `json:"last_seen_timestamps_private"`
	SeenGroup   map[string]stamp `json:"last_seen_timestamps_group"`
}

type groupHistory struct {
	Name    string `json:"name"`
	History []said `json:"history"`
}

type privateHistory struct {
	Correspondent bridge.ParticipantID `json:"correspondent"`
	History       []said               `json:"history"`
}

// said is a chat message. In an event its time is the envelope's.
type said struct {
	ID        bridge.MessageID     `json:"id"`
	Source    bridge.ParticipantID `json:"source"`
	Timestamp *stamp               `json:"timestamp,omitempty"`
	Content   string               `json:"content"`
	Scope     string               `json:"scope"`
	Target    string               `json:"target,omitempty"`
}

// What is told of a media session (reference 8.2).
type (
	sessionDoc struct {
		Source bridge.ParticipantID `json:"source"`
		Sort   sort                 `json:"media_session_type"`
	}
	sdpDoc struct {
		SDP bridge.SDP `json:"sdp"`
		sessionDoc
	}
	statusDoc struct {
		sessionDoc
		Kind      string `json:"kind"`
		Receiving bool   `json:"receiving"`
	}
	focusDoc struct {
		Focus *bridge.ParticipantID `json:"focus"`
	}
	muteDoc struct {
		Issuer bridge.ParticipantID `json:"issuer"`
		Force  bool                 `json:"force"`
	}
)

// Other events with few fields.
type (
	idDoc struct {
		ID bridge.ParticipantID `json:"id"`
	}
	roleDoc struct {
		Role string `json:"new_role"`
	}
	issuedBy struct {
		By bridge.ParticipantID `json:"issued_by"`
	}
	blockedDoc struct {
		Reason string `json:"reason"`
	}
)
