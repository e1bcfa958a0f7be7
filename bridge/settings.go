package bridge

import (
	"time"
	"unicode/utf8"
)

// Bounds of what a room is called.
const (
	MaxTitle  = 1024     // bytes
	MaxAbout  = 64 << 10 // bytes
	maxSecret = 1024     // bytes
)

func (c Lock) apply(r *room, m *member) error {
	return r.setting(m, nil, &r.locked, c.On)
}

func (c AllowChat) apply(r *room, m *member) error {
	return r.setting(m, nil, &r.spec.NoChat, !c.On)
}

func (c AllowHands) apply(r *room, m *member) error {
	return r.setting(m, func() {
		if !c.On {
			r.lowerHands(r.order, m.by())
		}
	}, &r.spec.NoHands, !c.On)
}

// setting changes a switch and tells so; then, if anything was changed, does what
// follows from it.
func (r *room) setting(m *member, then func(), what *bool, on bool) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	if *what == on {
		return nil
	}
	*what = on
	r.touch()
	r.tell(RoomChanged{Room: r.info(), By: m.by()})
	if then != nil {
		then()
	}
	return nil
}

func (c SetSecrets) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	secrets, err := checkSecrets(c.Secrets)
	if err != nil {
		return err
	}
	r.spec.Secrets = secrets
	r.door++
	r.touch()
	r.tell(RoomChanged{Room: r.info(), By: m.by()})
	return nil
}

// checkSecrets returns a copy without empty ones.
func checkSecrets(secrets map[Role]Secret) (map[Role]Secret, error) {
	set := make(map[Role]Secret, len(secrets))
	for role, s := range secrets {
		switch {
		case role == NoRole || role > Moderator:
			return nil, Errorf(BadRequest, "there is no such role")
		case len(s) > maxSecret:
			return nil, Errorf(BadRequest, "a password is longer than %d bytes", maxSecret)
		case s != "":
			set[role] = s
		}
	}
	return set, nil
}

func (c Describe) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	title, about := r.spec.Title, r.spec.About
	if c.Title != nil {
		title = *c.Title
	}
	if c.About != nil {
		about = *c.About
	}
	if err := checkTexts(title, about); err != nil {
		return err
	}
	if title != r.spec.Title || about != r.spec.About {
		r.spec.Title, r.spec.About = title, about
		r.touch()
		r.tell(RoomChanged{Room: r.info(), By: m.by()})
	}
	return nil
}

func checkTexts(title, about string) error {
	switch {
	case len(title) > MaxTitle || len(about) > MaxAbout:
		return Errorf(BadRequest, "the title is longer than %d bytes, or the description than %d", MaxTitle, MaxAbout)
	case !utf8.ValidString(title) || !utf8.ValidString(about):
		return Errorf(BadRequest, "the title or the description is not UTF-8")
	}
	return nil
}

func (c SetEnd) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	now := time.Now()
	if !c.At.IsZero() && !c.At.After(now) {
		return Errorf(BadRequest, "the end is in the past")
	}
	if !c.At.Equal(r.clock.ends) {
		r.endAt(c.At, now)
		r.tell(Ending(c))
	}
	return nil
}

func (c SetMax) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	if c.Max < 0 {
		return Errorf(BadRequest, "a maximum is not negative")
	}
	if c.Max != r.spec.Max {
		r.spec.Max = c.Max
		r.touch()
		r.tell(RoomChanged{Room: r.info(), By: m.by()})
	}
	return nil
}

func (c Record) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	switch {
	case c.On && !r.recording:
		r.record(m, m)
	case !c.On && r.recording:
		r.record(nil, m)
	}
	return nil
}

// record notes who records, nil for nobody, and tells so.
func (r *room) record(recorder, by *member) {
	r.recorder, r.recording = recorder, recorder != nil
	r.tell(Recording{On: r.recording, By: by.by()})
}

func (c CloseRoom) apply(r *room, m *member) error {
	if err := m.may(Managing); err != nil {
		return err
	}
	why := c.Reason
	if why == ByWish {
		why = ByEnd
	}
	r.end(why)
	return nil
}
