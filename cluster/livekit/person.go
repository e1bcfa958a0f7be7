package livekit

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
)

// dialect is what the seats of this package have as theirs.
const dialect = "livekit"

// The attributes of LiveKit's people in our rooms.
const (
	attrServer    = "livekit.server"
	attrIdentity  = "livekit.identity"
	attrKind      = "livekit.kind"      // person, agent, ingress, sip, bridge
	attrEncrypted = "livekit.encrypted" // "true": what they publish cannot be read here
)

// maxAttr is how much of an attribute of theirs is taken, in bytes.
const maxAttr = 1024

// person is somebody in a LiveKit room, as it is told at one moment.
type person struct {
	identity, sid, name string
	kind                livekit.ParticipantInfo_Kind
	attrs               map[string]string
	tracks              []*livekit.TrackInfo
}

// personOf reads what the SDK knows of somebody.
func personOf(rp *lksdk.RemoteParticipant) person {
	p := person{
		identity: rp.Identity(), sid: rp.SID(), name: rp.Name(),
		kind: livekit.ParticipantInfo_Kind(rp.Kind()), attrs: rp.Attributes(),
	}
	for _, pub := range rp.TrackPublications() {
		if info := pub.TrackInfo(); info != nil {
			p.tracks = append(p.tracks, info)
		}
	}
	slices.SortFunc(p.tracks, func(a, b *livekit.TrackInfo) int { return cmp.Compare(a.Sid, b.Sid) })
	return p
}

// sourceOf returns of what publication a track is one, and which.
func sourceOf(info *livekit.TrackInfo) (bridge.Source, bridge.Track) {
	kind := bridge.Audio
	if info.Type == livekit.TrackType_VIDEO {
		kind = bridge.Video
	}
	switch info.Source {
	case livekit.TrackSource_SCREEN_SHARE, livekit.TrackSource_SCREEN_SHARE_AUDIO:
		return bridge.Screen, kind
	default:
		return bridge.Camera, kind
	}
}

// publications returns what somebody publishes in a room of ours that can be read here, at
// most one stream of each source, by source.
func (p person) publications(server string, room bridge.RoomID) (pubs []bridge.Publication) {
	for _, src := range []bridge.Source{bridge.Camera, bridge.Screen} {
		pub := bridge.Publication{ID: publicationID(server, room, p.identity, src), Source: src}
		for _, info := range p.tracks {
			s, t := sourceOf(info)
			if s != src || info.Type == livekit.TrackType_DATA || info.Encryption != livekit.Encryption_NONE || pub.State(t) != bridge.Absent {
				continue
			}
			state := bridge.Live
			if info.Muted {
				state = bridge.Muted
			}
			if t == bridge.Audio {
				pub.Audio = state
			} else {
				pub.Video, pub.Layers = state, layersOf(info)
			}
		}
		if pub.Audio != bridge.Absent || pub.Video != bridge.Absent {
			pubs = append(pubs, pub)
		}
	}
	return pubs
}

// rids are the names of LiveKit's layers.
func rids() map[livekit.VideoQuality]string {
	return map[livekit.VideoQuality]string{livekit.VideoQuality_LOW: "q", livekit.VideoQuality_MEDIUM: "h", livekit.VideoQuality_HIGH: "f"}
}

// layersOf returns the layers of a video track, lowest first; none without simulcast.
func layersOf(info *livekit.TrackInfo) (layers []bridge.Layer) {
	all := offersOf(info)
	if len(all) < 2 {
		return nil
	}
	for _, l := range all {
		layers = append(layers, bridge.Layer{RID: l.RID, Width: l.Width, Height: l.Height})
	}
	return layers
}

// seatAttrs are the attributes of somebody's seat.
func (p person) seatAttrs(server string) map[string]string {
	attrs := map[string]string{attrServer: server, attrIdentity: p.identity, attrKind: kindOf(p.kind)}
	for _, key := range []string{attrCluster, attrDialect, attrPath} { // where a bridge has them from
		if v := p.attrs[key]; p.kind == livekit.ParticipantInfo_BRIDGE && v != "" && len(v) <= maxAttr && utf8.ValidString(v) {
			attrs[key] = v
		}
	}
	if slices.ContainsFunc(p.tracks, func(t *livekit.TrackInfo) bool { return t.Encryption != livekit.Encryption_NONE }) {
		attrs[attrEncrypted] = "true"
	}
	return attrs
}

func kindOf(k livekit.ParticipantInfo_Kind) string {
	if k == livekit.ParticipantInfo_STANDARD {
		return "person"
	}
	return strings.ToLower(k.String())
}

// handKeys are the attributes by which clients of LiveKit say that a hand is raised; there
// is no agreed one. The first is ours.
func handKeys() []string {
	return []string{attrHand, "hand", "handRaised", "hand_raised", "raisedHand", "raised_hand"}
}

// hand reports whether somebody's hand is raised, and by which attributes.
func hand(attrs map[string]string) (keys []string) {
	for _, key := range handKeys() {
		switch strings.ToLower(attrs[key]) {
		case "", "0", "false", "no", "off", "null", "down":
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// handValue is what the own attribute says of a hand.
func handValue(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return strconv.FormatInt(at.UnixMilli(), 10)
}

// named returns what somebody is called in our rooms.
func (p person) named() string {
	name := strings.ToValidUTF8(cmp.Or(strings.TrimSpace(p.name), p.identity), "?")
	for len(name) > bridge.MaxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}
