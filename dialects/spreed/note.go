package spreed

import (
	"fmt"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// remark tells what the protocol has no document for, as a chat line of whom it is
// about, if the operator wants that.
func (m *meeting) remark(x *member, format string, args ...any) error {
	if !m.s.cfg.Notes {
		return nil
	}
	doc := wire.Chat{Type: wire.TypeChat, Chat: &wire.Message{
		Message: "* " + fmt.Sprintf(format, args...), Time: stamp(time.Now()), NoEcho: true,
	}}
	if x == nil {
		return m.s.reply("", doc)
	}
	return m.broadcast(x, doc)
}

// note tells what is done to the client, or to the room.
func (m *meeting) note(e bridge.Event) error {
	switch e := e.(type) {
	case bridge.MuteAsked:
		if e.Track == bridge.Video {
			return m.remark(m.members[e.By], "asks you to switch off your camera")
		}
		return m.remark(m.members[e.By], "asks you to mute your microphone")
	case bridge.Recording:
		if e.On {
			return m.remark(m.members[e.By], "records this meeting")
		}
		return m.remark(m.members[e.By], "does not record any more")
	case bridge.Ending:
		if !e.At.IsZero() {
			return m.remark(nil, "the meeting ends at %s", stamp(e.At))
		}
	}
	return nil
}

// noteEnd tells why the client is not in the room any more. That its calls end it
// is told when the session is lost.
func (m *meeting) noteEnd(e bridge.Event) error {
	switch e := e.(type) {
	case bridge.Kicked:
		return m.remark(m.members[e.By], "removed you from the room")
	case bridge.Ended:
		if e.Reason == bridge.ByTimeLimit {
			return m.remark(nil, "the time of the meeting is up")
		}
		return m.remark(nil, "the meeting has ended")
	}
	return nil
}

// noteSilenced tells a client that a moderator has switched it off.
func (m *meeting) noteSilenced(old bridge.Publication, e bridge.PublicationChanged) error {
	for track, what := range [...]string{bridge.Audio: "microphone", bridge.Video: "camera"} {
		was, is := old.State(bridge.Track(track)), e.Pub.State(bridge.Track(track))
		switch {
		case is == bridge.Silenced && was != bridge.Silenced:
			return m.remark(m.members[e.By], "switched off your %s", what)
		case is != bridge.Silenced && was == bridge.Silenced:
			return m.remark(m.members[e.By], "lets you use your %s again", what)
		}
	}
	return nil
}

// stamp writes a time as chats have it (reference 5.13).
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
