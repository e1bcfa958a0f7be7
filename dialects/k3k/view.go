package k3k

import (
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
)

// Roles and kinds of participation on the wire (reference 7).
const (
	roleModerator = "moderator"
	kindUser      = "user"
	kindGuest     = "guest"
	kindPhone     = "sip"
)

// Attributes of participants.
const (
	attrAvatar = "avatar"    // the address of a picture, as other dialects have it, too
	attrOwner  = "k3k/owner" // made the room
)

// member is somebody in the room as a k3k client knows it.
type member struct {
	who     bridge.Participant
	hand    time.Time                     // when it was raised or lowered last
	streams map[sort][]bridge.Publication // oldest first; the first that has a track is shown
	told    map[sort]showing              // what the client was told; no entry: nothing
}

func newMember(p bridge.Participant) *member {
	m := &member{who: p, hand: p.Hand, streams: map[sort][]bridge.Publication{}, told: map[sort]showing{}}
	if m.hand.IsZero() {
		m.hand = p.Joined
	}
	return m
}

// showing is what a client may know of a stream. The zero one is none.
type showing struct {
	pub          bridge.PublicationID
	audio, video bool // sent, and not muted
}

func tell(p bridge.Publication) showing {
	return showing{p.ID, p.Audio == bridge.Live, p.Video == bridge.Live}
}

// doc is the object of a media session; nil: there is none.
func (s showing) doc() *stateDoc {
	if s.pub.IsZero() {
		return nil
	}
	return &stateDoc{Video: s.video, Audio: s.audio}
}

// put notes a stream, new or changed.
func (m *member) put(p bridge.Publication) {
	sort := sortOf(p.Source)
	if i := slices.IndexFunc(m.streams[sort], func(o bridge.Publication) bool { return o.ID == p.ID }); i >= 0 {
		m.streams[sort][i] = p
		return
	}
	m.streams[sort] = append(m.streams[sort], p)
}

// remove forgets a stream.
func (m *member) remove(p bridge.Publication) {
	sort := sortOf(p.Source)
	m.streams[sort] = slices.DeleteFunc(m.streams[sort], func(o bridge.Publication) bool { return o.ID == p.ID })
}

// stream returns the stream of a sort that is shown: clients know one of each.
func (m *member) stream(sort sort) (bridge.Publication, bool) {
	for _, p := range m.streams[sort] {
		if !kindsOf(p).none() {
			return p, true
		}
	}
	return bridge.Publication{}, false
}

func (m *member) moderates() bool { return m.who.Role == bridge.Moderator }

// owns reports whether this is the one who made the room. Only this dialect can
// say so.
func (m *member) owns() bool { return m.who.Dialect == Name && m.who.Attrs[attrOwner] != "" }

func (m *member) presents() bool { return m.who.Can.Has(bridge.PublishScreen) }

func (m *member) kind() string {
	switch {
	case m.who.Kind == bridge.Phone:
		return kindPhone
	case m.who.User != "":
		return kindUser
	}
	return kindGuest
}

func (m *member) role() string {
	switch {
	case m.moderates():
		return roleModerator
	case m.who.User != "":
		return kindUser
	}
	return kindGuest
}

func (m *member) groups() []string {
	return strings.FieldsFunc(m.who.Attrs[bridge.AttrGroups], func(r rune) bool { return r == '\n' })
}

// control is the object of that name (reference 7.1).
func (m *member) control() controlDoc {
	return controlDoc{
		DisplayName: m.who.Name, Role: m.role(), AvatarURL: m.who.Attrs[attrAvatar], Kind: m.kind(),
		HandIsUp: !m.who.Hand.IsZero(), JoinedAt: stamp(m.who.Joined), HandUpdatedAt: stamp(m.hand), IsRoomOwner: m.owns(),
	}
}

// focus is who talks, first in first out; the head is what clients show large
// (reference 8.6).
type focus struct {
	talking []bridge.ParticipantID
	told    bridge.ParticipantID // zero: nobody
}

// start notes that somebody begins to talk.
func (f *focus) start(id bridge.ParticipantID) {
	f.end(id)
	f.talking = append(f.talking, id)
}

// end notes that somebody does not talk any more, or is gone.
func (f *focus) end(id bridge.ParticipantID) {
	f.talking = slices.DeleteFunc(f.talking, func(o bridge.ParticipantID) bool { return o == id })
}

// head returns who is in focus, zero for nobody, and whether that is news.
func (f *focus) head() (id bridge.ParticipantID, news bool) {
	if len(f.talking) > 0 {
		id = f.talking[0]
	}
	news = id != f.told
	f.told = id
	return id, news
}

// lookAt tells who is in focus, when that has changed.
func (t *seat) lookAt() error {
	id, news := t.focus.head()
	if !news {
		return nil
	}
	d := focusDoc{&id}
	if id.IsZero() {
		d.Focus = nil
	}
	return t.s.say(nsMedia, "focus_update", d)
}
