package admin

import (
	"time"

	"dragoman/bridge"
)

// Room is a room as the API shows it.
type Room struct {
	ID           string        `json:"id"`
	Node         string        `json:"node,omitempty"` // where it runs, in a cluster; not told of unlisted rooms
	Title        string        `json:"title"`
	About        string        `json:"about"`
	Members      int           `json:"members"`
	Max          int           `json:"max"`
	Locked       bool          `json:"locked"`
	Secured      []string      `json:"secured"` // roles for which there is a password
	WaitingRoom  bool          `json:"waiting_room"`
	Hands        bool          `json:"hands"`
	Chat         bool          `json:"chat"`
	Recording    bool          `json:"recording"`
	MaxBitrate   int           `json:"max_bitrate"`
	Unlisted     bool          `json:"unlisted"`
	Created      time.Time     `json:"created"`
	Ends         *time.Time    `json:"ends"` // null: no end is known
	Participants []Participant `json:"participants,omitempty"`
}

// Participant is somebody in a room as the API shows it.
type Participant struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Dialect string    `json:"dialect"`
	Role    string    `json:"role"`
	Kind    string    `json:"kind"`
	From    string    `json:"from,omitempty"` // the LiveKit server of one who is federated
	User    string    `json:"user"`
	Remote  string    `json:"remote"` // empty: not known
	Joined  time.Time `json:"joined"`
	Hand    bool      `json:"hand"`
	Talking bool      `json:"talking"`
	Away    bool      `json:"away"`
	Waiting bool      `json:"waiting"`
	Streams []Stream  `json:"streams"`
}

// Stream is a publication as the API shows it.
type Stream struct {
	ID     string `json:"id"`
	Owner  string `json:"owner"`
	Source string `json:"source"`
	Audio  string `json:"audio"`
	Video  string `json:"video"`
}

// Traffic counts what has come of one track of a publication.
type Traffic struct {
	Stream string         `json:"stream"` // id of the publication
	Track  string         `json:"track"`
	Layers []LayerTraffic `json:"layers"` // one without simulcast
}

// LayerTraffic counts what has come of one layer. What only rises is counted
// since the layer began; whoever wants rates asks twice.
type LayerTraffic struct {
	RID     string `json:"rid"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Lost    uint64 `json:"lost"` // packets
}

var (
	roleNames   = []string{bridge.NoRole: "", bridge.Listener: "listener", bridge.Speaker: "speaker", bridge.Moderator: "moderator"}
	kindNames   = []string{bridge.Person: "person", bridge.Guest: "guest", bridge.Phone: "phone", bridge.Federated: "federated", bridge.Recorder: "recorder", bridge.Service: "service"}
	sourceNames = []string{bridge.Camera: "camera", bridge.Screen: "screen"}
	trackNames  = []string{bridge.Audio: "audio", bridge.Video: "video"}
	stateNames  = []string{bridge.Absent: "absent", bridge.Live: "live", bridge.Muted: "muted", bridge.Silenced: "silenced"}
	reasonNames = []string{
		bridge.ByWish: "left", bridge.ByLoss: "lost", bridge.ByModerator: "kicked", bridge.ByTimeLimit: "time limit",
		bridge.ByEnd: "closed", bridge.TooSlow: "too slow", bridge.ByShutdown: "shutdown", bridge.ByMove: "moved", bridge.Refused: "refused", bridge.Unused: "unused",
	}
)

// named looks a small number up in a table of names.
func named[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "other"
}

func roomOf(i bridge.Info) Room {
	r := Room{
		ID: string(i.ID), Title: i.Title, About: i.About, Members: i.Members, Max: i.Max, Locked: i.Locked,
		Secured: []string{}, WaitingRoom: i.WaitingRoom, Hands: i.Hands, Chat: i.Chat, Recording: i.Recording,
		MaxBitrate: i.MaxBitrate, Unlisted: i.Unlisted, Created: i.Created,
	}
	for role := bridge.Listener; role <= bridge.Moderator; role++ {
		if i.Secured[role] {
			r.Secured = append(r.Secured, named(roleNames, role))
		}
	}
	if !i.Ends.IsZero() {
		r.Ends = &i.Ends
	}
	return r
}

func participantOf(p bridge.Participant, waiting bool) Participant {
	out := Participant{
		ID: p.ID.String(), Name: p.Name, Dialect: p.Dialect, Role: named(roleNames, p.Role), Kind: named(kindNames, p.Kind),
		User: string(p.User), Joined: p.Joined, Hand: !p.Hand.IsZero(), Talking: p.Talking, Away: p.Away, Waiting: waiting,
		Streams: []Stream{},
	}
	if p.Kind == bridge.Federated {
		out.From = p.Attrs["livekit.server"]
	}
	if p.Remote.IsValid() {
		out.Remote = p.Remote.String()
	}
	return out
}

func streamOf(p bridge.Publication) Stream {
	return Stream{
		ID: p.ID.String(), Owner: p.Owner.String(), Source: named(sourceNames, p.Source),
		Audio: named(stateNames, p.Audio), Video: named(stateNames, p.Video),
	}
}

// viewOf is a whole room, with those who are in it and those who wait.
func viewOf(s bridge.Snapshot) Room {
	r := roomOf(s.Room)
	r.Participants = []Participant{}
	streams := map[bridge.ParticipantID][]Stream{}
	for _, p := range s.Publications {
		streams[p.Owner] = append(streams[p.Owner], streamOf(p))
	}
	for _, p := range s.Participants {
		v := participantOf(p, false)
		v.Streams = append(v.Streams, streams[p.ID]...)
		r.Participants = append(r.Participants, v)
	}
	for _, p := range s.Knocking {
		r.Participants = append(r.Participants, participantOf(p, true))
	}
	return r
}
