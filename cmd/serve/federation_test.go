package serve

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/config"
	"dragoman/dialects/admin"
)

// mains are the settings of a server that is called main.
func mains(s *livekittest.Server) livekit.Settings {
	to := livekit.DefaultSettings()
	to.Name, to.URL, to.Key, to.Secret = "main", s.URL(), livekittest.Key, bridge.Secret(s.Secret())
	return to
}

// hooks is where a LiveKit server may tell what happens before there is a node.
func hooks(t *testing.T) (where string, to func(*Server)) {
	t.Helper()
	var node atomic.Pointer[url.URL]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := node.Load()
		if u == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, u.String(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header
		answer, err := plain.Do(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway) // the node is gone
			return
		}
		w.WriteHeader(answer.StatusCode)
		answer.Body.Close()
	}))
	t.Cleanup(s.Close)
	return s.URL, func(n *Server) { node.Store(&url.URL{Scheme: "http", Host: n.Ports().HTTP, Path: webhookPath}) }
}

func (s *Server) metric(t *testing.T, line string) bool {
	t.Helper()
	_, text := get(t, "http://"+s.Ports().Admin+"/metrics")
	return strings.Contains(text, "\n"+line)
}

func (s *Server) peered(t *testing.T) []admin.Peering {
	t.Helper()
	var got struct{ Peerings []admin.Peering }
	if status := s.ask(t, "GET", "peerings", nil, &got); status != 200 {
		t.Fatalf("peerings: %d", status)
	}
	return got.Peerings
}

// TestFederation: somebody of an Ahoy client and somebody of a LiveKit client are in each
// other's room; an operator sees it, and kicks the one from there; webhooks are taken,
// if they are signed; when the node goes, its people leave the LiveKit room.
func TestFederation(t *testing.T) {
	hook, to := hooks(t)
	server := livekittest.Start(t, livekittest.Options{Webhook: hook})
	c := free()
	c.LiveKit = []livekit.Settings{mains(server)}
	c.Rooms = []config.Room{{Name: "demo", Home: "main/stage"}, {Name: "alone"}}
	s := start(t, c)
	to(s)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	lena := server.Join(t, "stage", "lena", livekittest.JoinOptions{Name: "Lena"})
	join(t, ahoy(s), "demo", "Ann")
	ann, err := lena.WaitNamed(ctx, "Ann")
	if err != nil {
		t.Fatal(err)
	}
	find := func() (out admin.Participant) {
		var room admin.Room
		s.ask(t, "GET", "rooms/demo", nil, &room)
		for _, p := range room.Participants {
			if p.Name == "Lena" {
				out = p
			}
		}
		return out
	}
	wait(t, "Lena is in our room", func() bool { return find().ID != "" })
	if p := find(); p.Kind != "federated" || p.Dialect != "livekit" || p.From != "main" {
		t.Errorf("%+v", p)
	}
	wait(t, "the peering is told to be up", func() bool {
		all := s.peered(t)
		return len(all) == 1 && all[0].State == "up" && all[0].In == 1 && all[0].Out == 1 && all[0].Puppets == 1
	})
	if p := s.peered(t)[0]; p.Room != "demo" || p.Server != "main" || p.Theirs != "stage" || p.Origin != "home" || !p.Roster || p.Since.IsZero() || p.Error != "" || p.Node != "" {
		t.Errorf("%+v", p)
	}
	for _, line := range []string{
		`dragoman_livekit_peerings{state="up"} 1`, `dragoman_livekit_peerings{state="failed"} 0`,
		"dragoman_livekit_puppets 1", "dragoman_livekit_seated 1", "dragoman_livekit_rosters 1",
	} {
		wait(t, line, func() bool { return s.metric(t, line) })
	}
	wait(t, "a webhook is taken", func() bool { st, _ := s.federationStats(); return st.Webhooks > 0 })
	if r, err := plain.Post("http://"+s.Ports().HTTP+webhookPath, "application/webhook+json", strings.NewReader(`{"event":"room_finished","room":{"name":"stage"}}`)); err != nil || r.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unsigned webhook: %v, %v", r, err)
	}
	if line := `dragoman_livekit_webhooks_total{result="refused"} 1`; !s.metric(t, line) {
		t.Errorf("no line %s", line)
	}
	if status := s.ask(t, "POST", "rooms/demo/kick", admin.Kick{Participant: id(t, find().ID)}, nil); status != 204 {
		t.Errorf("kick: %d", status)
	}
	if err := lena.WaitTold(ctx, livekittest.Told{What: livekittest.Gone}); err != nil {
		t.Error(err)
	}
	wait(t, "who was kicked is gone", func() bool { return find().ID == "" })

	// Of a room that is peered by hand, and of the end.
	max := server.Join(t, "foyer", "max", livekittest.JoinOptions{Name: "Max"})
	if status := s.ask(t, "POST", "rooms/alone/peerings", admin.Peer{Server: "main", Theirs: "foyer"}, nil); status != 204 {
		t.Errorf("peer: %d", status)
	}
	join(t, ahoy(s), "alone", "Bea")
	bea, err := max.WaitNamed(ctx, "Bea")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := max.WaitTold(ctx, livekittest.Told{What: livekittest.Left, Who: bea}); err != nil {
		t.Error(err)
	}
	if ann == bea {
		t.Errorf("two have one identity: %s", ann)
	}
	if _, ok := s.federationStats(); ok {
		t.Error("the federation outlives the node")
	}
}

// TestFederationOfNodes: each node has its own part in a peering, and an operator sees
// all from any; when the node goes that seats LiveKit's people, they stay.
func TestFederationOfNodes(t *testing.T) {
	server := livekittest.Start(t, livekittest.Options{})
	nodes := townOf(t, func(c *config.Config) {
		c.LiveKit = []livekit.Settings{mains(server)}
		c.LiveKit[0].Rooms = []string{"stand*"}
	}, "n0", "n1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lena := server.Join(t, "standup", "lena", livekittest.JoinOptions{Name: "Lena"})
	for i, name := range []string{"Ann", "Bea"} {
		join(t, ahoy(nodes[i]), "standup", name)
		if _, err := lena.WaitNamed(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	parts := func(s *Server) (all map[string]admin.Peering) {
		all = map[string]admin.Peering{}
		for _, p := range s.peered(t) {
			all[p.Node] = p
		}
		return all
	}
	owner := func(s *Server) (node string, rosters int) {
		for name, p := range parts(s) {
			if p.Roster && p.In == 1 {
				node = name
				rosters++
			}
		}
		return node, rosters
	}
	for _, s := range nodes {
		wait(t, "both nodes are seen", func() bool {
			all := parts(s)
			_, rosters := owner(s)
			return len(all) == 2 && all["n0"].Puppets == 1 && all["n1"].Puppets == 1 && rosters == 1
		})
	}
	goes, stays := nodes[0], nodes[1]
	if name, _ := owner(stays); name == "n1" {
		goes, stays = stays, goes
	}
	var was string
	for _, p := range people(t, stays) {
		if p.Name == "Lena" {
			was = p.ID
		}
	}
	if err := goes.Close(); err != nil {
		t.Error(err)
	}
	wait(t, "the other node seats her", func() bool { _, rosters := owner(stays); return rosters == 1 && len(people(t, stays)) == 2 })
	wait(t, "Lena is told that one has left", func() bool { return lena.Times(livekittest.Told{What: livekittest.Left}) == 1 })
	for _, p := range people(t, stays) {
		if p.Name == "Lena" && p.ID != was {
			t.Errorf("Lena is %s, and was %s", p.ID, was)
		}
	}
}

// people are those in the room that all have.
func people(t *testing.T, s *Server) []admin.Participant {
	t.Helper()
	var room admin.Room
	s.ask(t, "GET", "rooms/standup", nil, &room)
	return room.Participants
}

func id(t *testing.T, text string) (out bridge.ParticipantID) {
	t.Helper()
	if err := out.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWithoutAFederation: nothing of it is there where no server is configured.
func TestWithoutAFederation(t *testing.T) {
	s := start(t, free())
	if s.metric(t, "dragoman_livekit") {
		t.Error("there are metrics")
	}
	with, _ := get(t, "http://"+s.Ports().HTTP+webhookPath)
	without, _ := get(t, "http://"+s.Ports().HTTP+"/livekit/else")
	if with != without {
		t.Errorf("webhooks are answered: %d, not %d", with, without)
	}
	if status := s.ask(t, "POST", "rooms/x/peerings", admin.Peer{Server: "main"}, nil); status != 501 {
		t.Errorf("peer: %d", status)
	}
}

// TestLiveKitThatIsAway: a node starts, and its rooms go on, when nobody answers; the
// operator is told, without the secret.
func TestLiveKitThatIsAway(t *testing.T) {
	c := free()
	to := livekit.DefaultSettings()
	to.Name, to.URL, to.Key, to.Secret, to.Rooms = "main", "ws://127.0.0.1:1", "key", "a secret of the server", []string{"*"}
	c.LiveKit = []livekit.Settings{to}
	s := start(t, c)
	join(t, ahoy(s), "demo", "Ann")
	wait(t, "the peering has failed", func() bool {
		all := s.peered(t)
		return len(all) == 1 && all[0].State == "failed" && strings.Contains(all[0].Error, "refused") && all[0].Origin == "rule"
	})
	wait(t, "that is counted", func() bool { return s.metric(t, `dragoman_livekit_peerings{state="failed"} 1`) })
	r, err := plain.Get("http://" + s.Ports().Admin + "/api/v1/peerings")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); err != nil || strings.Contains(string(text), "a secret") || strings.Contains(string(text), "eyJ") {
		t.Errorf("%v: %s", err, text)
	}
}
