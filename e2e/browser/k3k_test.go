package browser

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"dragoman/config"
	"dragoman/dialects/k3k/client"
	"dragoman/e2e/node"
)

// knocker opens the lobby for a k3k client that is not in the room at once.
func knocker(t *testing.T, n *node.Node, room, name, password string) *guest {
	t.Helper()
	g := open(t, n, name, "k3k", url.Values{"room": {room}, "audio": {"0"}, "video": {"0"}})
	g.run(fmt.Sprintf("document.getElementById('password').value = %q", password))
	g.run("void window.lobby.join()")
	return g
}

// asked waits until the page asks for the password, and gives one.
func (g *guest) asked(password, because string) {
	g.Helper()
	g.until("is asked for the password", func(stats) error {
		if text := eval[string](g, "document.getElementById('ask').open ? document.getElementById('ask-text').textContent : ''"); !strings.Contains(text, because) {
			return fmt.Errorf("it says %q", text)
		}
		return nil
	})
	g.run(fmt.Sprintf(`(document.getElementById("ask-value").value = %q, document.querySelector("#ask [value=ok]").click())`, password))
}

// TestPassword: a room that is made with a password asks others for it, and the
// panel shows how they came in.
func TestPassword(t *testing.T) {
	n := node.Start(t, node.Options{})
	maker := knocker(t, n, "vault", "Kim", "sesame")
	maker.entered()
	other := knocker(t, n, "vault", "Kai", "")
	other.asked("wrong", "needs a password")
	other.asked("sesame", "is wrong")
	other.entered()
	shown := eval[[]string](other, `(() => {
		document.getElementById("tab-wire").click();
		return [...document.querySelectorAll("#frames .title")].map((x) => x.textContent);
	})()`)
	at := 0
	for _, want := range []string{
		"POST v1/names", "200 POST v1/names", "POST v1/invite/verify", "200 POST v1/invite/verify", "GET v1/turn", "200 GET v1/turn",
		"POST v1/rooms/", "401 POST v1/rooms/", "200 POST v1/rooms/", "control join", "control join_success",
	} {
		for ; at < len(shown) && !strings.HasPrefix(shown[at], want); at++ {
		}
		if at == len(shown) {
			t.Fatalf("no %q in its place among %q", want, shown)
		}
	}
	if pictures() {
		other.save("wire")
	}
}

// TestWaitingRoom: who waits is let in by a moderator, by the button that the page
// has for it, or is sent away.
func TestWaitingRoom(t *testing.T) {
	n := node.Start(t, node.Options{Config: func(c *config.Config) {
		c.Rooms = []config.Room{{Name: "office", WaitingRoom: true, Secrets: config.Secrets{Moderator: "boss"}}}
	}})
	moderator := knocker(t, n, "office", "Mo", "boss")
	moderator.entered()
	waits := func(g *guest) {
		t.Helper()
		g.until("waits", func(s stats) error {
			if s.State != "joining" || !strings.Contains(s.Status, "waiting room") {
				return fmt.Errorf("state %q, problem %q, status %q", s.State, s.Problem, s.Status)
			}
			return nil
		})
	}
	knocks := func(want string) {
		t.Helper()
		moderator.until("sees who waits", func(stats) error {
			if got := eval[string](moderator, "document.getElementById('knocking').innerText"); !strings.HasPrefix(got, want) || want == "" && got != "" {
				return fmt.Errorf("shown: %q", got)
			}
			return nil
		})
	}
	other := knocker(t, n, "office", "Kai", "")
	waits(other)
	knocks("Kai waits")
	if pictures() {
		moderator.save("knocking")
	}
	moderator.run(`document.querySelector("#knocking button").click()`)
	other.entered()
	knocks("")
	moderator.run(`window.lobby.kick((await window.lobby.stats()).participants.find((p) => p.name === "Kai").id)`)
	other.until("is told that a moderator has removed him", func(s stats) error {
		if s.State != "idle" || !strings.Contains(s.Problem, "removed") {
			return fmt.Errorf("state %q, problem %q", s.State, s.Problem)
		}
		return nil
	})
}

// TestComeBack: a client whose connection is lost comes back as who it was, and
// everybody sees everybody again.
func TestComeBack(t *testing.T) {
	n := node.Start(t, node.Options{})
	from := enter(t, n, "tunnel", "Anna", "ahoy")
	lost := open(t, n, "Kim", "k3k", url.Values{"room": {"tunnel"}})
	lost.run(`(window.WebSocket = class extends WebSocket {
		constructor(...a) { super(...a); window.last = this; }
	}, window.lobby.join())`)
	lost.entered()
	lost.meets(from)
	from.meets(lost)
	lost.run(`window.lobby.say("before")`)
	from.reads(lost, "before")
	was := eval[string](lost, "(async () => (await window.lobby.stats()).id)()")
	lost.run("window.last.close()")
	lost.until("is back", func(s stats) error {
		if s.Status != "" || eval[int](lost, `window.lobby.frames().filter((f) => f.text.includes('"join_success"')).length`) < 2 {
			return fmt.Errorf("state %q, problem %q, status %q", s.State, s.Problem, s.Status)
		}
		return nil
	})
	if is := eval[string](lost, "(async () => (await window.lobby.stats()).id)()"); is != was {
		t.Errorf("it was %s and is %s", was, is)
	}
	lost.meets(from)
	from.meets(lost)
	lost.until("has no word twice", func(s stats) error {
		if len(s.Chat) != 1 || len(s.Participants) != 1 {
			return fmt.Errorf("chat %+v, participants %+v", s.Chat, s.Participants)
		}
		return nil
	})
}

// TestAskedToMute: a client that a moderator asks to be quiet is.
func TestAskedToMute(t *testing.T) {
	n := node.Start(t, node.Options{})
	g := enter(t, n, "noise", "Kim", "k3k")
	rest := client.REST{Base: n.URL() + "/k3k"}
	place, err := rest.Named(t.Context(), "noise")
	if err != nil {
		t.Fatal(err)
	}
	pass, err := rest.StartInvited(t.Context(), place.Invite, "", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Join(t.Context(), client.Config{URL: "ws" + strings.TrimPrefix(n.URL(), "http") + "/k3k/signaling", Name: "Mo", Web: true}, pass)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	talks := func(want bool) {
		t.Helper()
		g.until(fmt.Sprintf("sends sound: %t", want), func(s stats) error {
			people, err := c.People(t.Context())
			if err != nil || len(people) != 1 || people[0].Media.Video == nil || people[0].Media.Video.Audio != want {
				return errors.Join(err, fmt.Errorf("%+v", people))
			}
			if pressed := eval[string](g, `document.getElementById("mute-audio").getAttribute("aria-pressed")`) == "true"; pressed == want {
				return fmt.Errorf("the button says that it is mute: %t, status %q", pressed, s.Status)
			}
			return nil
		})
	}
	talks(true)
	people, err := c.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Act(t.Context(), "media", "moderator_mute", map[string]any{"targets": []string{people[0].ID}, "force": true}); err != nil {
		t.Fatal(err)
	}
	talks(false)
	g.until("is told who has asked", func(s stats) error {
		if !strings.HasPrefix(s.Status, "Mo has asked") {
			return fmt.Errorf("status %q", s.Status)
		}
		return nil
	})
	g.run(`window.lobby.mute("audio", false)`)
	talks(true)
}
