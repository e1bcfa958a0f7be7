package ahoy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
)

// viewer is a client that believes what it is told, and notices what may not be
// told (8.3, 8.4).
type viewer struct {
	*user
	name    string
	members map[string]object // by memberID
	about   string
}

func (v *viewer) join() {
	v.t.Helper()
	r := v.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "name": v.name})
	v.id, _ = r["memberID"].(string)
	v.members = membersOf(r)
	v.about, _ = r["description"].(string)
	if v.members[v.id] != nil {
		v.t.Errorf("%s is among its members", v.name)
	}
}

func membersOf(r object) map[string]object {
	all := map[string]object{}
	members, _ := r["members"].([]any)
	for _, m := range members {
		all[m.(object)["memberID"].(string)] = m.(object)
	}
	return all
}

// catchUp takes in all that was told.
func (v *viewer) catchUp() {
	for len(v.frames) > 0 {
		v.take(<-v.frames)
	}
}

func (v *viewer) take(m object) {
	kind, _ := m["messageType"].(string)
	who, _ := m["member"].(object)
	if kind == "CHAT_MESSAGE_indication" {
		who, _ = m["from"].(object)
	}
	id, _ := who["memberID"].(string)
	known := v.members[id]
	switch kind {
	case "CONFERENCE_JOIN_indication":
		if known != nil || id == v.id {
			v.t.Errorf("%s: %s joins twice, or is itself", v.name, who["name"])
		}
		if who["audio"].(object)["available"] == true || who["video"].(object)["available"] == true {
			v.t.Errorf("%s: %s joins with media", v.name, who["name"])
		}
		v.members[id] = who
	case "CONFERENCE_LEAVE_indication":
		if known == nil {
			v.t.Errorf("%s: %s leaves and was not there", v.name, who["name"])
		}
		delete(v.members, id)
	case "MEDIA_indication":
		if known == nil || id == v.id {
			v.t.Errorf("%s: media of %s, who is itself or unknown", v.name, who["name"])
			return
		}
		known["audio"], known["video"] = m["audio"], m["video"]
	case "MEDIA_event":
		if known == nil && id != v.id {
			v.t.Errorf("%s: %s of %s, who is unknown", v.name, m["event"], who["name"])
		}
		if known != nil {
			known["audio"] = afterEvent(known["audio"].(object), m["event"].(string))
		}
	case "SDP_request", "CHAT_MESSAGE_indication":
		if known == nil {
			v.t.Errorf("%s: %s about %s, who is unknown", v.name, kind, who["name"])
		}
	case "CONFERENCE_DESCRIPTION_indication":
		v.about = m["description"].(string)
	case "MEDIA_RECEIVE_request":
		v.answer("MEDIA_RECEIVE_response", m)
		return
	default:
		if m["status"] == nil {
			v.t.Errorf("%s: %v", v.name, m)
		}
	}
	if kind == "SDP_request" {
		v.answer("SDP_response", m)
	}
}

func afterEvent(audio object, event string) object {
	audio = maps.Clone(audio)
	switch event {
	case "start_speaking":
		audio["speaking"] = true
	case "stop_speaking":
		audio["speaking"] = false
	case "audio_muted":
		audio["muted"] = true
	case "audio_unmuted":
		audio["muted"] = false
	}
	return audio
}

// TestRandomMeeting: members of Ahoy and of another dialect do what they like. No
// client is told what may not be told, and in the end what each believes is what
// one who joins now is told.
func TestRandomMeeting(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, w *world) { randomMeeting(t, w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func randomMeeting(t *testing.T, w *world, r *rand.Rand) {
	w.room(bridge.Spec{})
	var viewers []*viewer
	for _, name := range []string{"A", "B", "C"} {
		v := &viewer{user: w.dial(), name: name}
		v.join()
		viewers = append(viewers, v)
	}
	var guests []*actor
	for range 200 {
		if r.IntN(4) == 0 || len(guests) == 0 {
			guests = guestMoves(w, r, guests)
		} else if r.IntN(2) == 0 {
			g := guests[r.IntN(len(guests))]
			g.move(r)
		} else {
			viewers[r.IntN(len(viewers))].move(r)
		}
		if r.IntN(3) == 0 {
			wait(time.Duration(r.IntN(100)) * time.Millisecond)
		}
		synctest.Wait()
		for _, v := range viewers {
			v.catchUp()
		}
		for _, g := range guests {
			g.events()
		}
	}
	wait(12 * time.Second)
	for _, v := range viewers {
		v.catchUp()
	}
	late := &viewer{user: w.dial(), name: "late"}
	like := late.ask("CONFERENCE_JOIN_request", object{"conferenceID": "r", "name": "late"})
	truth := membersOf(like)
	for _, v := range viewers {
		wait(time.Second)
		v.catchUp()
		want := maps.Clone(truth)
		delete(want, v.id)
		delete(v.members, like["memberID"].(string))
		if got := describeMembers(v.members); !slices.Equal(got, describeMembers(want)) {
			t.Errorf("%s believes\n%s\nand it is\n%s", v.name, got, describeMembers(want))
		}
		if v.about != like["description"] {
			t.Errorf("%s believes that it is about %q", v.name, v.about)
		}
	}
}

// describeMembers says of members what clients are told: new names and the mute of
// video are not.
func describeMembers(all map[string]object) (lines []string) {
	for id, m := range all {
		lines = append(lines, fmt.Sprintf("%.8s %v %v", id, m["audio"], m["video"].(object)["available"]))
	}
	slices.Sort(lines)
	return lines
}

// move does something as a client does.
func (v *viewer) move(r *rand.Rand) {
	request := func(kind string, m object) {
		m["messageType"], m["transactionID"] = kind, "x"
		v.send(m)
	}
	switch r.IntN(8) {
	case 0:
		request("MEDIA_SHARE_request", object{"audio": r.IntN(2), "video": r.IntN(2)})
	case 1, 2:
		if p := v.w.last[v.id][true]; p != nil && !p.Closed() {
			what := []string{"camera", "camera", "audio", "video", "mute", "unmute", "talk", "hush", "failed"}[r.IntN(9)]
			if err := v.w.publish(v.id, what); err != nil {
				v.t.Error(err)
			}
		}
	case 3, 4:
		var wishes []any
		for id := range v.members {
			wishes = append(wishes, object{"memberID": id, "audio": r.IntN(2), "video": r.IntN(2)})
		}
		request("MEDIA_request", object{"members": append(wishes, object{"memberID": v.id, "audio": true})})
	case 5:
		request("CHAT_MESSAGE_request", object{"message": object{"text": `{"chat":"x"}`}})
	case 6:
		request("CONFERENCE_DESCRIPTION_request", object{"description": fmt.Sprint(r.IntN(3))})
	case 7:
		if r.IntN(4) == 0 {
			synctest.Wait()
			v.catchUp()
			v.join()
		}
	}
}

// actor is a guest with streams.
type actor struct {
	*guest
	pubs []bridge.PublicationID
}

// guestMoves lets somebody come or go.
func guestMoves(w *world, r *rand.Rand, guests []*actor) []*actor {
	if len(guests) > 0 && (len(guests) > 4 || r.IntN(2) == 0) {
		i := r.IntN(len(guests))
		if err := guests[i].s.Leave(w.t.Context(), bridge.ByWish); err != nil {
			w.t.Error(err)
		}
		return slices.Delete(guests, i, i+1)
	}
	return append(guests, &actor{guest: w.guest(bridge.JoinRequest{Room: "r", Name: fmt.Sprint("guest", r.IntN(100))})})
}

// move does something as a member of another dialect does.
func (a *actor) move(r *rand.Rand) {
	state := func() bridge.TrackState { return bridge.TrackState(r.IntN(int(bridge.Muted) + 1)) }
	switch r.IntN(7) {
	case 0, 1:
		if len(a.pubs) < 3 {
			a.pubs = append(a.pubs, a.publish(bridge.Source(r.IntN(2)), state(), state()))
		}
	case 2:
		if n := len(a.pubs); n > 0 {
			a.do(bridge.Unpublish{ID: a.pubs[n-1]})
			a.pubs = a.pubs[:n-1]
		}
	case 3:
		if len(a.pubs) > 0 {
			// Refused where the track is absent: as well.
			_ = a.s.Do(a.w.t.Context(), bridge.SetTrack{ID: a.pubs[0], Track: bridge.Track(r.IntN(2)), Muted: r.IntN(2) == 0})
		}
	case 4:
		_ = a.s.Do(a.w.t.Context(), bridge.ReportTalking{On: r.IntN(2) == 0})
	case 5:
		a.do(bridge.RaiseHand{Up: r.IntN(2) == 0})
	case 6:
		a.do(bridge.Rename{Name: fmt.Sprint("guest", r.IntN(100))})
	}
}
