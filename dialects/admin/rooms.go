package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
)

func (d *Dialect) list(w http.ResponseWriter, r *http.Request) error {
	infos, err := d.host.List(r.Context())
	if err != nil {
		return err
	}
	rooms := make([]Room, len(infos))
	where := d.where(r.Context())
	for i, info := range infos {
		rooms[i] = roomOf(info)
		rooms[i].Node = where[rooms[i].ID]
	}
	answer(w, http.StatusOK, map[string]any{"rooms": rooms})
	return nil
}

func roomIn(r *http.Request) (bridge.RoomID, error) { return bridge.Normalize(r.PathValue("room")) }

func (d *Dialect) show(w http.ResponseWriter, r *http.Request) error {
	id, err := roomIn(r)
	if err != nil {
		return err
	}
	return d.enter(r.Context(), id, func(s *bridge.Session) error {
		view := viewOf(s.At)
		view.Node = d.where(r.Context())[view.ID]
		answer(w, http.StatusOK, view)
		return nil
	})
}

// card tells the ways into a room, whether it exists yet or not.
func (d *Dialect) card(w http.ResponseWriter, r *http.Request) error {
	id, err := roomIn(r)
	if err != nil {
		return err
	}
	ways := []Way{}
	if d.cfg.Ways != nil {
		ways = append(ways, d.cfg.Ways(id)...)
	}
	answer(w, http.StatusOK, map[string]any{"room": string(id), "ways": ways})
	return nil
}

// traffic tells what the publications of this node bring.
func (d *Dialect) traffic(w http.ResponseWriter, _ *http.Request) error {
	all := []Traffic{}
	if d.cfg.Traffic != nil {
		all = append(all, d.cfg.Traffic()...)
	}
	answer(w, http.StatusOK, map[string]any{"traffic": all})
	return nil
}

func (d *Dialect) version(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, map[string]string{"version": d.cfg.Version})
	return nil
}

// Spec is what a room is made from, as the API takes it.
type Spec struct {
	ID          string            `json:"id"`
	Title       string            `json:"title,omitempty"`
	About       string            `json:"about,omitempty"`
	Secrets     map[string]string `json:"secrets,omitempty"` // by role
	DefaultRole string            `json:"default_role,omitempty"`
	Max         int               `json:"max,omitempty"`
	Limit       string            `json:"limit,omitempty"` // a duration: 1h30m
	WaitingRoom bool              `json:"waiting_room,omitempty"`
	NoHands     bool              `json:"no_hands,omitempty"`
	NoChat      bool              `json:"no_chat,omitempty"`
	MaxBitrate  int               `json:"max_bitrate,omitempty"`
	Keep        bool              `json:"keep,omitempty"`
	KeepChat    int               `json:"keep_chat,omitempty"`
	Unlisted    bool              `json:"unlisted,omitempty"`
	Home        string            `json:"home,omitempty"` // a LiveKit server, or "server/their room", that it is one with
}

func (s Spec) spec() (bridge.Spec, error) {
	out := bridge.Spec{
		Title: s.Title, About: s.About, Max: s.Max, WaitingRoom: s.WaitingRoom, NoHands: s.NoHands, NoChat: s.NoChat,
		MaxBitrate: s.MaxBitrate, Keep: s.Keep, KeepChat: s.KeepChat, Unlisted: s.Unlisted,
		Home: s.Home, Secrets: map[bridge.Role]bridge.Secret{},
	}
	var err error
	if out.ID, err = bridge.Normalize(s.ID); err != nil {
		return out, err
	}
	if s.Max < 0 || s.KeepChat < 0 || s.MaxBitrate < 0 {
		return out, bridge.Errorf(bridge.BadRequest, "max, keep_chat and max_bitrate are at least 0")
	}
	if s.Limit != "" {
		if out.Limit, err = time.ParseDuration(s.Limit); err != nil || out.Limit < 0 {
			return out, bridge.Errorf(bridge.BadRequest, "limit is a duration like 1h30m")
		}
	}
	if out.Default, err = roleNamed(s.DefaultRole); err != nil {
		return out, err
	}
	for name, secret := range s.Secrets {
		role, err := roleNamed(name)
		if err != nil || role == bridge.NoRole {
			return out, bridge.Errorf(bridge.BadRequest, "secrets are for listener, speaker and moderator")
		}
		if secret != "" {
			out.Secrets[role] = bridge.Secret(secret)
		}
	}
	return out, nil
}

func roleNamed(name string) (bridge.Role, error) {
	if i := slices.Index(roleNames, name); i >= 0 {
		return bridge.Role(i), nil
	}
	return 0, bridge.Errorf(bridge.BadRequest, "%q is not a role: %s", name, strings.Join(roleNames[1:], ", "))
}

func (d *Dialect) create(w http.ResponseWriter, r *http.Request) error {
	var in Spec
	if err := read(w, r, &in); err != nil {
		return err
	}
	spec, err := in.spec()
	if err == nil {
		err = d.checkHome(spec.Home)
	}
	if err != nil {
		return err
	}
	if err := d.host.Create(r.Context(), spec); err != nil {
		return err
	}
	info, err := d.host.Lookup(r.Context(), spec.ID)
	if err != nil {
		return err
	}
	answer(w, http.StatusCreated, roomOf(info))
	return nil
}

// command posts one command to the room of a request and answers with nothing.
func (d *Dialect) command(w http.ResponseWriter, r *http.Request, c bridge.Command) error {
	id, err := roomIn(r)
	if err != nil {
		return err
	}
	err = d.enter(r.Context(), id, func(s *bridge.Session) error { return s.Do(r.Context(), c) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *Dialect) close(w http.ResponseWriter, r *http.Request) error {
	return d.command(w, r, bridge.CloseRoom{Reason: bridge.ByEnd})
}

// Kick throws somebody out of a room.
type Kick struct {
	Participant bridge.ParticipantID `json:"participant"`
	Ban         bool                 `json:"ban,omitempty"`
	Reason      string               `json:"reason,omitempty"`
}

func (d *Dialect) kick(w http.ResponseWriter, r *http.Request) error {
	var in Kick
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Participant.IsZero() {
		return bridge.Errorf(bridge.BadRequest, "participant is missing")
	}
	return d.command(w, r, bridge.Kick{Target: in.Participant, Ban: in.Ban, Reason: in.Reason})
}

// Mute asks participants to mute a track, or with Force silences it. No
// participants: everybody but moderators.
type Mute struct {
	Participants []bridge.ParticipantID `json:"participants,omitempty"`
	Track        string                 `json:"track"`
	Force        bool                   `json:"force,omitempty"`
	Off          bool                   `json:"off,omitempty"`
}

func (d *Dialect) mute(w http.ResponseWriter, r *http.Request) error {
	var in Mute
	if err := read(w, r, &in); err != nil {
		return err
	}
	track := slices.Index(trackNames, in.Track)
	if track < 0 {
		return bridge.Errorf(bridge.BadRequest, "track is audio or video")
	}
	return d.command(w, r, bridge.Mute{Targets: in.Participants, Track: bridge.Track(track), Force: in.Force, Off: in.Off})
}

// Lock lets nobody into a room any more, or again.
type Lock struct {
	On bool `json:"on"`
}

func (d *Dialect) lock(w http.ResponseWriter, r *http.Request) error {
	var in Lock
	if err := read(w, r, &in); err != nil {
		return err
	}
	return d.command(w, r, bridge.Lock{On: in.On})
}
