package bridge

import (
	"maps"
	"strings"
	"time"
	"unicode/utf8"
)

// AttrGroups is the attribute that lists the chat groups of a participant, one in
// a line. Only its dialect sets it, when it joins: SetAttrs refuses it.
const AttrGroups = "groups"

// checkName tells whether a participant may be called that.
func checkName(name string) error {
	if len(name) > MaxName {
		return Errorf(BadRequest, "the name is longer than %d bytes", MaxName)
	}
	if !utf8.ValidString(name) {
		return Errorf(BadRequest, "the name is not UTF-8")
	}
	return nil
}

// checkAttrs bounds attributes.
func checkAttrs(attrs map[string]string, most int) error {
	size := 0
	for k, v := range attrs {
		size += len(k) + len(v)
		if k == "" || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return Errorf(BadRequest, "an attribute has no name or is not UTF-8")
		}
	}
	if size > most {
		return Errorf(BadRequest, "the attributes are longer than %d bytes", most)
	}
	return nil
}

func (c Rename) apply(r *room, m *member) error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	if m.Name != c.Name {
		m.Name = c.Name
		r.changed(m, NameChanged, m.by())
	}
	return nil
}

func (c SetAttrs) apply(r *room, m *member) error {
	if _, ok := c.Attrs[AttrGroups]; ok {
		return Errorf(Forbidden, "nobody chooses groups for themselves")
	}
	attrs := maps.Clone(m.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	for k, v := range c.Attrs {
		attrs[k] = v
		if v == "" {
			delete(attrs, k)
		}
	}
	if err := checkAttrs(attrs, MaxAttrs); err != nil {
		return err
	}
	if !maps.Equal(attrs, m.Attrs) {
		m.Attrs = attrs
		r.changed(m, AttrsChanged, m.by())
	}
	return nil
}

// in reports whether a member belongs to a chat group.
func (m *member) in(group string) bool {
	for name := range strings.SplitSeq(m.Attrs[AttrGroups], "\n") {
		if name == group && group != "" {
			return true
		}
	}
	return false
}

func (c RaiseHand) apply(r *room, m *member) error {
	if c.Up {
		if err := m.may(RaisingHand); err != nil {
			return err
		}
		if r.spec.NoHands {
			return Errorf(NotSupported, "raising hands is switched off")
		}
	}
	if c.Up == m.Hand.IsZero() {
		r.setHand(m, c.Up, m.by())
	}
	return nil
}

// setHand raises or lowers a hand and tells so.
func (r *room) setHand(m *member, up bool, by ParticipantID) {
	m.Hand = time.Time{}
	if up {
		m.Hand = time.Now()
	}
	r.changed(m, HandChanged, by)
}

func (c ReportTalking) apply(r *room, m *member) error {
	if err := m.may(0); err != nil {
		return err
	}
	on := c.On && r.audible(m)
	if m.Talking != on && !m.Kind.Hidden() {
		r.setTalking(m, on)
	}
	return nil
}

func (r *room) setTalking(m *member, on bool) {
	m.Talking = on
	if on {
		r.speaker = m.ID
	}
	r.tell(Talking{ID: m.ID, On: on})
}

// audible reports whether others can hear a member speak.
func (r *room) audible(m *member) bool {
	for _, p := range r.pubOrder {
		if p.owner == m && p.Source == Camera && p.Audio == Live {
			return true
		}
	}
	return false
}

func (c ReportQuality) apply(r *room, m *member) error {
	if err := m.may(0); err != nil {
		return err
	}
	if c.Score < 0 || c.Score > 5 {
		return Errorf(BadRequest, "a quality is a number from 0 to 5")
	}
	if m.score != c.Score && !m.Kind.Hidden() {
		m.score = c.Score
		r.tell(Quality{ID: m.ID, Score: c.Score})
	}
	return nil
}
