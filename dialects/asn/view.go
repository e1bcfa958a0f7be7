package asn

import (
	"slices"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// Attributes of participants.
const (
	attrParty  = Name + "/party" // what an asn client says of itself: an AsnConferenceParty in JSON
	attrAvatar = "avatar"        // the address of a picture, of other dialects
	attrImage  = Name + "/image" // of a room: the id of its picture
)

// publishing is what a publisher may do. Who may do none of it is just a member.
const publishing = bridge.PublishAudio | bridge.PublishVideo | bridge.PublishScreen

// permission returns what a media needs.
func permission(m rose.ConferenceMediaType) bridge.Permissions {
	return map[rose.ConferenceMediaType]bridge.Permissions{
		rose.MediaAudio: bridge.PublishAudio, rose.MediaVideo: bridge.PublishVideo, rose.MediaScreen: bridge.PublishScreen,
	}[m]
}

// medias are the three, in the order of their numbers.
func medias() [3]rose.ConferenceMediaType {
	return [...]rose.ConferenceMediaType{rose.MediaAudio, rose.MediaVideo, rose.MediaScreen}
}

// place is where a media is in the room model. A screen's sound is its second
// track.
type place struct {
	source bridge.Source
	track  bridge.Track
}

func placeOf(m rose.ConferenceMediaType) place {
	return map[rose.ConferenceMediaType]place{
		rose.MediaAudio: {bridge.Camera, bridge.Audio}, rose.MediaVideo: {bridge.Camera, bridge.Video},
		rose.MediaScreen: {bridge.Screen, bridge.Video},
	}[m]
}

// member is a party as the others know it.
type member struct {
	who  bridge.Participant
	pubs []bridge.Publication // oldest first
	told []byte               // what the client was told, in JSON

	text   string               // of attrParty, as it was read
	parsed rose.ConferenceParty // what it says
}

func newMember(p bridge.Participant) *member { return &member{who: p} }

// put notes a stream, new or changed.
func (m *member) put(p bridge.Publication) {
	if i := slices.IndexFunc(m.pubs, func(o bridge.Publication) bool { return o.ID == p.ID }); i >= 0 {
		m.pubs[i] = p
		return
	}
	m.pubs = append(m.pubs, p)
}

// drop forgets a stream.
func (m *member) drop(id bridge.PublicationID) {
	m.pubs = slices.DeleteFunc(m.pubs, func(o bridge.Publication) bool { return o.ID == id })
}

// stream returns the stream that has a media: of several, the oldest.
func (m *member) stream(media rose.ConferenceMediaType) (p bridge.Publication, ok bool) {
	at := placeOf(media)
	for _, p := range m.pubs {
		if p.Source == at.source && (p.State(at.track) != bridge.Absent || media == rose.MediaScreen && p.Audio != bridge.Absent) {
			return p, true
		}
	}
	return p, false
}

// state is that of a media of a stream. A screen without a picture is its sound.
func state(p bridge.Publication, media rose.ConferenceMediaType) bridge.TrackState {
	if media == rose.MediaScreen && p.Video == bridge.Absent {
		return p.Audio
	}
	return p.State(placeOf(media).track)
}

// moderates reports whether the party is a moderator.
func (m *member) moderates() bool { return m.who.Role == bridge.Moderator }

// said returns what an asn client says of itself; false: it is of another dialect.
func (m *member) said() (rose.ConferenceParty, bool) {
	text := m.who.Attrs[attrParty]
	if m.who.Dialect != Name || text == "" {
		return rose.ConferenceParty{}, false
	}
	if text != m.text {
		m.text, m.parsed = text, rose.ConferenceParty{}
		_ = rose.JSON.Unmarshal([]byte(text), &m.parsed) // it was written by another server of ours
	}
	return m.parsed, true
}

// party is the party as clients are told it (reference 14).
func (m *member) party() *rose.ConferenceParty {
	p, own := m.said()
	if !own {
		p.Capabilities = m.capabilities()
	}
	if name := shown(m.who.Name); !own || cut(p.Contact.DisplayName, bridge.MaxName) != m.who.Name {
		p.Contact.DisplayName = name // renamed in the room
	}
	p.PartyID, p.Joined = m.who.ID.String(), m.who.Joined
	p.Role = rose.RoleUser
	if m.moderates() {
		p.Role = rose.RoleModerator
	}
	p.Publisher = m.who.Can&publishing != 0
	p.Media = []rose.PublishedMedia{}
	for _, media := range medias() {
		if s, ok := m.stream(media); ok {
			p.Media = append(p.Media, rose.PublishedMedia{MediaType: media, Muted: state(s, media) != bridge.Live})
		}
	}
	p.Properties = slices.Concat([]rose.StringPair{{Key: propertyDialect, Value: m.who.Dialect}}, p.Properties, m.properties())
	return &p
}

// Properties that the bridge sets.
const (
	propertyDialect = "dialect"
	propertyAvatar  = "avatar" // the address of a picture that another dialect shows
	propertyHand    = "hand"   // "raised"
)

// properties are what of the room model has no member of its own.
func (m *member) properties() (all []rose.StringPair) {
	if a := m.who.Attrs[attrAvatar]; a != "" {
		all = append(all, rose.StringPair{Key: propertyAvatar, Value: a})
	}
	if !m.who.Hand.IsZero() {
		all = append(all, rose.StringPair{Key: propertyHand, Value: "raised"})
	}
	return all
}

// capabilities are those of a party of another dialect: what a phone can carry is
// sound (reference 9).
func (m *member) capabilities() rose.ConferenceCapabilities {
	numbers := []int64{int64(rose.CapabilityAudio), int64(rose.CapabilityVideo), int64(rose.CapabilityScreenShare)}
	if m.who.Kind == bridge.Phone {
		numbers = numbers[:1]
	}
	return rose.ConferenceCapabilities{ClientCapabilities: numbers, CustomCapabilities: []rose.StringPair{}}
}

// shown is a display name that is never empty.
func shown(name string) string {
	if name == "" {
		return "Guest"
	}
	return name
}
