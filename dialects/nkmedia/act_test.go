package nkmedia_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"dragoman/bridge"
)

// act is what somebody of another dialect does in a transcript:
// {"who":"z","do":"publish camera"}. "join" has a room, a role, a secret and what
// the room is like if it makes it.
type act struct {
	Who, Do, Room, Role, Secret string
	To                          string // the name of a participant
	Text                        string
	Spec                        *spec
}

type spec struct {
	Moderators, Speakers string // secrets
	Waiting, NoChat      bool
	Max                  int
}

// acts does it, and answers with the ids of who did it and of its streams.
func (w *world) acts(rw http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var a act
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err == nil {
		err = w.act(a)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusTeapot)
		return
	}
	g := w.guests[a.Who]
	fmt.Fprintf(rw, `{"id":%q,"camera":%q,"screen":%q}`, g.s.At.Self.ID, g.pubs[bridge.Camera], g.pubs[bridge.Screen])
}

var rolesByName = map[string]bridge.Role{"": bridge.NoRole, "listener": bridge.Listener, "speaker": bridge.Speaker, "moderator": bridge.Moderator}

func (w *world) act(a act) error {
	verb, object, _ := strings.Cut(a.Do, " ")
	if verb != "join" {
		g := w.guests[a.Who]
		if g == nil {
			return fmt.Errorf("nobody is called %s", a.Who)
		}
		return g.act(verb, object, a)
	}
	req := bridge.JoinRequest{
		Room: bridge.RoomID(a.Room), Name: a.Who, AtMost: rolesByName[a.Role], Shows: ^bridge.Features(0),
		Secret: bridge.Secret(a.Secret), Create: &bridge.Spec{KeepChat: 10},
	}
	if s := a.Spec; s != nil {
		req.Create.Secrets = map[bridge.Role]bridge.Secret{
			bridge.Moderator: bridge.Secret(s.Moderators), bridge.Speaker: bridge.Secret(s.Speakers), bridge.Listener: bridge.Secret(s.Speakers),
		}
		req.Create.WaitingRoom, req.Create.NoChat, req.Create.Max = s.Waiting, s.NoChat, s.Max
	}
	switch object {
	case "hidden":
		req.Kind = bridge.Service
	case "nameless":
		req.Name = ""
	}
	w.guests[a.Who] = w.join(req)
	return nil
}

// sources are what is published: by name, with the states of both tracks.
var sources = map[string]bridge.Publication{
	"camera":  {Audio: bridge.Live, Video: bridge.Live},
	"audio":   {Audio: bridge.Live},
	"video":   {Video: bridge.Live},
	"muted":   {Audio: bridge.Muted, Video: bridge.Live},
	"nothing": {},
	"screen":  {Source: bridge.Screen, Video: bridge.Live},
}

// named returns a participant as somebody knows it.
func (g *guest) named(name string) bridge.ParticipantID {
	g.events()
	id := bridge.ParticipantID{}
	for _, p := range g.s.At.Participants {
		if p.Name == name {
			id = p.ID
		}
	}
	for _, e := range g.seen {
		switch e := e.(type) {
		case bridge.Joined:
			if e.P.Name == name {
				id = e.P.ID
			}
		case bridge.Knocked:
			if e.P.Name == name {
				id = e.P.ID
			}
		}
	}
	return id
}

func (g *guest) act(verb, object string, a act) error {
	var to bridge.ParticipantID
	if a.To != "" {
		if to = g.named(a.To); to.IsZero() {
			return fmt.Errorf("nobody is called %s", a.To)
		}
	}
	on := object == "on"
	commands := map[string]bridge.Command{
		"name": bridge.Rename{Name: a.Text}, "say": bridge.Say{ID: bridge.NewMessageID(), To: to, Text: a.Text},
		"silence": bridge.Mute{Targets: []bridge.ParticipantID{to}, Force: on, Off: !on},
		"kick":    bridge.Kick{Target: to}, "chat": bridge.AllowChat{On: on}, "close": bridge.CloseRoom{Reason: bridge.ByEnd},
		"lock": bridge.Lock{On: on}, "wait": bridge.SetWaitingRoom{On: on}, "admit": bridge.Admit{Target: to, OK: on},
		"back": bridge.SendToWaiting{Target: to},
		"deaf": bridge.Permit{Target: to, Remove: bridge.Subscribing}, "dumb": bridge.Permit{Target: to, Remove: bridge.PublishAudio | bridge.PublishVideo},
	}
	if c := commands[verb]; c != nil {
		return g.do(c)
	}
	switch verb {
	case "publish":
		p, ok := sources[object]
		if !ok {
			return fmt.Errorf("there is no %q to publish", object)
		}
		if p.ID = g.pubs[p.Source]; p.ID.IsZero() {
			p.ID = bridge.NewPublicationID()
			g.pubs[p.Source] = p.ID
		}
		return g.do(bridge.Publish{Publication: p})
	case "unpublish":
		src := sources[object].Source
		defer delete(g.pubs, src)
		return g.do(bridge.Unpublish{ID: g.pubs[src]})
	case "leave":
		return g.s.Leave(context.Background(), bridge.ByWish)
	case "saw":
		return g.saw(object, a.Text)
	}
	return fmt.Errorf("nobody can %q", verb)
}

// saw compares what somebody of another dialect was told last of a kind, in words.
func (g *guest) saw(kind, want string) error {
	g.events()
	got := "nothing"
	for _, e := range g.seen {
		switch e := e.(type) {
		case bridge.Joined:
			got = pick(kind, "joined", got, fmt.Sprintf("%s role %d", e.P.Name, e.P.Role))
		case bridge.Left:
			got = pick(kind, "left", got, e.P.Name)
		case bridge.Published:
			got = pick(kind, "stream", got, stream(e.Pub))
		case bridge.PublicationChanged:
			got = pick(kind, "stream", got, stream(e.Pub))
		case bridge.Unpublished:
			got = pick(kind, "stream", got, "ended")
		case bridge.Said:
			got = pick(kind, "said", got, e.Name+": "+e.Text)
		}
	}
	if got != want {
		return fmt.Errorf("%s was told %q, want %q", kind, got, want)
	}
	return nil
}

func pick(kind, want, old, now string) string {
	if kind == want {
		return now
	}
	return old
}

func stream(p bridge.Publication) string {
	names := [...]string{"absent", "live", "muted", "silenced"}
	return "audio " + names[p.Audio] + " video " + names[p.Video]
}
