package bridge

import (
	"cmp"
	"maps"
	"time"
)

// prepare checks what a room is to be made from, and fills in what it leaves open.
func prepare(s, usual Spec) (Spec, error) {
	id, err := Normalize(string(s.ID))
	if err != nil {
		return s, err
	}
	s.ID = id
	s.Title, s.About = cmp.Or(s.Title, usual.Title), cmp.Or(s.About, usual.About)
	s.Default = cmp.Or(s.Default, usual.Default)
	s.Max, s.MaxBitrate = cmp.Or(s.Max, usual.Max), cmp.Or(s.MaxBitrate, usual.MaxBitrate)
	s.Limit = cmp.Or(s.Limit, usual.Limit)
	s.NeverJoined = cmp.Or(s.NeverJoined, usual.NeverJoined, DefaultNeverJoined)
	s.EmptyTimeout = cmp.Or(s.EmptyTimeout, usual.EmptyTimeout, DefaultEmptyTimeout)
	s.KeepChat = cmp.Or(s.KeepChat, usual.KeepChat)
	s.WaitingRoom = s.WaitingRoom || usual.WaitingRoom
	s.NoHands, s.NoChat = s.NoHands || usual.NoHands, s.NoChat || usual.NoChat
	s.Keep, s.Unlisted = s.Keep || usual.Keep, s.Unlisted || usual.Unlisted
	s.Home = cmp.Or(s.Home, usual.Home)
	if s.Secrets == nil {
		s.Secrets = usual.Secrets
	}
	if s.Attrs == nil {
		s.Attrs = usual.Attrs
	}
	s.Attrs = maps.Clone(s.Attrs)
	if s.Secrets, err = checkSecrets(s.Secrets); err != nil {
		return s, err
	}
	return s, checkSpec(s)
}

// Info is what may be known of a room before it is made.
func (s Spec) Info() Info {
	secured := make(map[Role]bool, len(s.Secrets))
	for role, secret := range s.Secrets {
		if secret != "" {
			secured[role] = true
		}
	}
	return Info{
		ID: s.ID, Title: s.Title, About: s.About, Secured: secured, Max: s.Max, Ends: s.Ends,
		WaitingRoom: s.WaitingRoom, Hands: !s.NoHands, Chat: !s.NoChat,
		MaxBitrate: s.MaxBitrate, Unlisted: s.Unlisted, Home: s.Home, Attrs: s.Attrs,
	}
}

func checkSpec(s Spec) error {
	switch {
	case s.Default > Moderator:
		return Errorf(BadRequest, "there is no such role")
	case s.Max < 0 || s.MaxBitrate < 0:
		return Errorf(BadRequest, "a limit is not negative")
	case s.Limit < 0 || s.NeverJoined < 0 || s.EmptyTimeout < 0:
		return Errorf(BadRequest, "a time is not negative")
	case s.KeepChat < 0 || s.KeepChat > MaxKeepChat:
		return Errorf(BadRequest, "a room keeps at most %d messages", MaxKeepChat)
	case !s.Ends.IsZero() && !s.Ends.After(time.Now()):
		return Errorf(BadRequest, "the end is in the past")
	}
	if err := checkAttrs(s.Attrs, MaxAttrs); err != nil {
		return err
	}
	return checkTexts(s.Title, s.About)
}

// checkRequest tells whether a participant may be like that.
func checkRequest(req JoinRequest) error {
	if id, err := Normalize(string(req.Room)); err != nil {
		return err
	} else if id != req.Room {
		return Errorf(BadRequest, "the name of the room begins or ends with a blank")
	}
	switch {
	case req.AtMost > Moderator:
		return Errorf(BadRequest, "there is no such role")
	case req.Kind > Service:
		return Errorf(BadRequest, "there is no such kind of participant")
	case len(req.Secret) > maxSecret:
		return Errorf(BadRequest, "the password is longer than %d bytes", maxSecret)
	}
	if err := checkName(req.Name); err != nil {
		return err
	}
	return checkAttrs(req.Attrs, MaxAttrs)
}
