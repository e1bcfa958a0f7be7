package ahoy

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"dragoman/bridge"
)

// screenSuffix ends the name of a member that is a screen (reference 9, 10.4).
const screenSuffix = " (screen)"

// settle is how long changes of media are gathered before others are told, so
// that a stop and a start, or a stop and a leave, are one message (5.4).
const settle = 30 * time.Millisecond

// naming is how long a member of another dialect that has no name yet is kept
// back. A Spreed client says its name about a second after it came in (spreed.md
// 8), and Ahoy clients have no message for a member that is called otherwise now.
const naming = 1500 * time.Millisecond

// member is one whom Ahoy clients see: a participant with its first stream, or
// a further stream of one ("extra").
type member struct {
	id      string // memberID
	who     bridge.Participant
	extra   bool
	stream  bridge.Publication // zero: shares nothing
	told    showing            // what the client was told last
	pending func()             // takes back the message to come; nil: none is
	unnamed func()             // takes back the end of being kept back; nil: the client knows it
}

// showing is what an Ahoy client may know of a stream.
type showing struct {
	pub                    bridge.PublicationID
	audio, video           bool // available
	audioMuted, videoMuted bool
}

func mediaOf(p bridge.Publication) showing {
	quiet := func(s bridge.TrackState) bool { return s != bridge.Live }
	return showing{
		pub: p.ID, audio: p.Audio != bridge.Absent, video: p.Video != bridge.Absent,
		audioMuted: quiet(p.Audio), videoMuted: quiet(p.Video),
	}
}

// sameTracks reports whether a client that receives a need not ask anew for b.
func (m showing) sameTracks(b showing) bool {
	return m.pub == b.pub && m.audio == b.audio && m.video == b.video || !m.any() && !b.any()
}

func (m showing) any() bool { return m.audio || m.video }

func (m *member) name() string {
	if m.extra {
		return m.who.Name + screenSuffix
	}
	return m.who.Name
}

func (m *member) ref() memberRef { return memberRef{Name: m.name(), MemberID: m.id} }

func (m *member) speaking() bool { return m.who.Talking && !m.extra }

// tracks returns the audio and video objects for a state of the media.
func (m *member) tracks(s showing) (audioDoc, videoDoc) {
	return audioDoc{Available: s.audio, Muted: s.audioMuted, Speaking: m.speaking()},
		videoDoc{Available: s.video, Muted: s.videoMuted}
}

// maySpeak is the "speaker" of the protocol.
func maySpeak(p bridge.Permissions) bool {
	return p&(bridge.PublishAudio|bridge.PublishVideo) != 0
}

// doc is the member object (6) with a state of its media.
func (t *seat) doc(m *member, s showing) memberDoc {
	d := memberDoc{
		Name: m.name(), MemberID: m.id,
		Moderator: m.who.Role == bridge.Moderator, Speaker: maySpeak(m.who.Can),
		WebRTC: m.who.Kind != bridge.Phone,
	}
	if m.extra {
		d.Moderator = false
	}
	d.Audio, d.Video = m.tracks(s)
	if m.who.Dialect == Name && m.who.Remote.IsValid() && !t.s.cfg.MaskIP {
		d.IP = m.who.Remote.String()
	}
	return d
}

// none is the state of media before anything is shared.
func none() showing { return mediaOf(bridge.Publication{}) }

// Scopes of sealed ids.
const (
	memberScope = "ahoy"
	screenScope = "ahoy-screen"
)

func (t *seat) memberID(id bridge.ParticipantID) string {
	sealed := t.s.c.Env.IDs.Seal(id.Array(), memberScope, string(t.room.ID))
	return hex.EncodeToString(sealed[:])
}

func (t *seat) screenID(id bridge.PublicationID) string {
	sealed := t.s.c.Env.IDs.Seal(id.Array(), screenScope, string(t.room.ID))
	return hex.EncodeToString(sealed[:])
}

// addMember notes a participant. Its streams come after it.
func (t *seat) addMember(p bridge.Participant) *member {
	m := &member{id: t.memberID(p.ID), who: p, told: none()}
	t.members[m.id] = m
	t.people[p.ID] = m
	return m
}

// addStream notes a stream: on its owner where it is the first of its camera,
// and otherwise as a member of its own (10.4). It is nil for streams of those
// whom nobody sees.
func (t *seat) addStream(p bridge.Publication) (m *member) {
	m = t.people[p.Owner]
	switch {
	case m == nil:
		return nil
	// A screen that an Ahoy client shares has a member of its own by itself.
	case m.stream.ID.IsZero() && (p.Source == bridge.Camera || m.who.Dialect == Name):
	default:
		m = &member{id: t.screenID(p.ID), who: m.who, extra: true, told: none()}
		t.members[m.id] = m
	}
	m.stream = p
	t.streams[p.ID] = m
	return m
}

// load notes everybody of a snapshot and returns them, participants first, in the
// order in which they came.
func (t *seat) load(at bridge.Snapshot) (all []*member) {
	for _, p := range at.Participants {
		if !p.Kind.Hidden() {
			all = append(all, t.addMember(p))
		}
	}
	for _, p := range at.Publications {
		if m := t.addStream(p); m != nil && m.extra {
			all = append(all, m)
		}
	}
	return all
}

// touch makes the client told of a change of media, once things have settled.
func (t *seat) touch(m *member) {
	if m == t.me || m.pending != nil || m.unnamed != nil {
		return
	}
	m.pending = t.s.c.After(settle, func(context.Context) error {
		m.pending = nil
		now := mediaOf(m.stream)
		if now.sameTracks(m.told) {
			return t.toldMute(m, now)
		}
		m.told = now
		return t.indicate(m)
	})
}

// toldMute tells of mute alone.
func (t *seat) toldMute(m *member, now showing) error {
	before := m.told
	m.told = now
	if t.s.cfg.IndicateMute && now.any() && before != now {
		return t.indicate(m)
	}
	return nil
}

func (t *seat) indicate(m *member) error {
	audio, video := m.tracks(m.told)
	return t.s.say("MEDIA_indication", &mediaIndication{Member: m.ref(), Audio: audio, Video: video})
}

// isScreen reports whether a member of this name that shares only video is a
// screen: so the extension of the browser joins (10.2).
func isScreen(name string) bool { return strings.HasSuffix(name, screenSuffix) }
