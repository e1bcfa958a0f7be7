package k3k_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"dragoman/bridge"
)

// act is what somebody of another dialect does in a transcript:
// {"who":"z","do":"publish camera"}. "join" has a room and a role.
type act struct {
	Who  string
	Do   string
	Room string
	Role string
	To   string // a participant
	Text string
}

// acts does it, and answers with the id of who did it.
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
	fmt.Fprintf(rw, `{"id":%q}`, w.guests[a.Who].s.At.Self.ID)
}

var rolesByName = map[string]bridge.Role{"": bridge.NoRole, "listener": bridge.Listener, "speaker": bridge.Speaker, "moderator": bridge.Moderator}

func (w *world) act(a act) error {
	verb, object, _ := strings.Cut(a.Do, " ")
	if verb == "join" {
		req := bridge.JoinRequest{
			Room: bridge.RoomID(a.Room), Name: a.Who, Dialect: "other", AtMost: rolesByName[a.Role], Shows: ^bridge.Features(0),
		}
		switch object {
		case "phone":
			req.Kind = bridge.Phone
		case "hidden":
			req.Kind = bridge.Service
		case "user":
			req.User = bridge.UserID("other:" + a.Who)
		case "nameless":
			req.Name = ""
		case "mute":
			req.Shows = 0 // no private chat
		}
		if r, err := w.store.Rooms().Get(context.Background(), req.Room); err == nil {
			req.Create, req.Secret = &r.Spec, r.Spec.Secrets[req.AtMost]
		} else {
			req.Create = &bridge.Spec{}
		}
		w.guests[a.Who] = w.join(req)
		return nil
	}
	g := w.guests[a.Who]
	if g == nil {
		return fmt.Errorf("nobody is called %s", a.Who)
	}
	return g.act(verb, object, a)
}

// sources are what is published: by name, with the states of both tracks.
var sources = map[string]bridge.Publication{
	"camera":       {Audio: bridge.Live, Video: bridge.Live},
	"audio":        {Audio: bridge.Live},
	"video":        {Video: bridge.Live},
	"muted":        {Audio: bridge.Muted, Video: bridge.Live},
	"nothing":      {},
	"screen":       {Source: bridge.Screen, Video: bridge.Live},
	"simulcast":    {Audio: bridge.Live, Video: bridge.Live, Layers: []bridge.Layer{{RID: "q"}, {RID: "h"}, {RID: "f"}}},
	"screen sound": {Source: bridge.Screen, Audio: bridge.Live, Video: bridge.Live},
}

func (g *guest) act(verb, object string, a act) error {
	var to bridge.ParticipantID
	if a.To != "" {
		if err := to.UnmarshalText([]byte(a.To)); err != nil {
			return err
		}
	}
	on := object == "on"
	commands := map[string]bridge.Command{
		"hand": bridge.RaiseHand{Up: on}, "name": bridge.Rename{Name: a.Text}, "say": bridge.Say{ID: bridge.NewMessageID(), To: to, Text: a.Text},
		"silence": bridge.Mute{Targets: []bridge.ParticipantID{to}, Force: true}, "ask": bridge.Mute{Targets: []bridge.ParticipantID{to}},
		"asks": bridge.Mute{Targets: []bridge.ParticipantID{to}, Track: bridge.Video},
		"kick": bridge.Kick{Target: to}, "chat": bridge.AllowChat{On: on}, "close": bridge.CloseRoom{Reason: bridge.ByEnd},
		"lock": bridge.Lock{On: on}, "wait": bridge.SetWaitingRoom{On: on}, "admit": bridge.Admit{Target: to, OK: on},
		"talk": bridge.ReportTalking{On: on}, "back": bridge.SendToWaiting{Target: to}, "enter": bridge.Enter{},
		"shutdown": bridge.CloseRoom{Reason: bridge.ByShutdown}, "data": bridge.Send{Topic: a.Text, Data: []byte("all")},
		"role": bridge.SetRole{Target: to, Role: rolesByName[object]},
		"max":  bridge.SetMax{Max: len(object)},
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
	case "track": // "track audio on"
		kind, state, _ := strings.Cut(object, " ")
		t := map[string]bridge.Track{"audio": bridge.Audio, "video": bridge.Video}[kind]
		return g.do(bridge.SetTrack{ID: g.pubs[bridge.Camera], Track: t, Muted: state != "on"})
	case "leave":
		return g.s.Leave(context.Background(), bridge.ByWish)
	case "saw": // that events of a type were told so often: "saw Said 1"
		kind, n, _ := strings.Cut(object, " ")
		return g.saw(kind, n)
	}
	return fmt.Errorf("nobody can %q", verb)
}

func (g *guest) saw(kind, times string) error {
	g.events()
	n := 0
	for _, e := range g.seen {
		if strings.TrimPrefix(fmt.Sprintf("%T", e), "bridge.") == kind {
			n++
		}
	}
	if strconv.Itoa(n) != times {
		return fmt.Errorf("%s was told %d times, want %s: %+v", kind, n, times, g.seen)
	}
	return nil
}
