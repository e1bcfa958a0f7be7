package browser

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/cluster/livekit/quiet"
	"dragoman/config"
	"dragoman/e2e/node"
	"dragoman/media/mediatest"
)

// foreigner is LiveKit's own client in a browser, see livekit/page.js.
type foreigner struct{ *guest }

// decoded is what its page tells of somebody else.
type decoded struct {
	Name, Identity            string
	Frames, Width, Height     int
	ScreenFrames, ScreenWidth int
	Shares, Muted, Speaking   bool
	Energy                    float64
}

// page is what its page tells.
type page struct {
	Joined       bool
	Problems     []string
	Chat         []struct{ Name, Text string }
	Participants []decoded
}

func (p page) find(name string) (decoded, error) {
	for _, o := range p.Participants {
		if o.Name == name {
			return o, nil
		}
	}
	return decoded{}, fmt.Errorf("no %q among %+v", name, p.Participants)
}

// serve serves the page and LiveKit's client.
func serve(t *testing.T) string {
	t.Helper()
	const client = "livekit/node_modules/livekit-client/dist/livekit-client.umd.js"
	if _, err := os.Stat(client); err != nil {
		t.Fatalf("LiveKit's client is missing: npm ci --ignore-scripts in e2e/browser/livekit; \"make test\" does (%v)", err)
	}
	mux := http.NewServeMux()
	for _, name := range []string{"livekit/index.html", "livekit/page.js", client} {
		mux.HandleFunc("GET /"+name[strings.LastIndexByte(name, '/')+1:], func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "livekit/index.html") })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// come opens the page in a browser of its own.
func come(t *testing.T, root, name string) foreigner {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := Start(context.WithoutCancel(t.Context()), name+"-livekit")
	if err != nil {
		t.Fatal(err)
	}
	f := foreigner{&guest{T: t, Browser: b, name: name, dialect: "livekit"}}
	t.Cleanup(func() {
		if t.Failed() || pictures() {
			f.save("end")
		}
		b.Close()
	})
	if err := b.Open(ctx, root); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(ctx, "window.client"); err != nil {
		t.Fatalf("the page: %v\n%s", err, b.Console())
	}
	return f
}

// till waits until what the page tells satisfies met.
func (f foreigner) till(what string, met func(p page) error) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	for {
		p, err := Eval[page](ctx, f.Browser, "window.client.stats()")
		if err == nil {
			err = met(p)
		}
		if err == nil {
			f.Logf("%s (livekit) %s after %s", f.name, what, time.Since(begin).Round(time.Millisecond))
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Fatalf("%s (livekit) %s: %v; problems %q", f.name, what, err, p.Problems)
		}
	}
}

// sees waits until pictures and sound of others are decoded.
func (f foreigner) sees(others ...*guest) {
	f.Helper()
	first := map[string]decoded{}
	f.till("sees and hears "+names(others), func(p page) error {
		var errs []error
		for _, o := range others {
			d, err := p.find(o.name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if _, known := first[o.name]; !known {
				first[o.name] = d
			}
			if was := first[o.name]; d.Frames < was.Frames+enough || d.Width == 0 || d.Energy <= was.Energy {
				errs = append(errs, fmt.Errorf("%+v, and was %+v", d, was))
			}
		}
		return errors.Join(errs...)
	})
}

func names(all []*guest) string {
	var out []string
	for _, g := range all {
		out = append(out, g.name)
	}
	return strings.Join(out, ", ")
}

// samples are a picture and sound of the browser's encoders.
func (f foreigner) samples() (picture []byte, sound [][]byte) {
	f.Helper()
	got := eval[struct {
		Picture string
		Sound   []string
	}](f.guest, "window.client.samples(640, 360)")
	picture, err := base64.StdEncoding.DecodeString(got.Picture)
	for _, s := range got.Sound {
		packet, wrong := base64.StdEncoding.DecodeString(s)
		sound, err = append(sound, packet), errors.Join(err, wrong)
	}
	if err != nil || len(picture) == 0 || len(sound) == 0 {
		f.Fatalf("the browser encodes %d bytes of picture and %d packets of sound: %v", len(picture), len(sound), err)
	}
	return picture, sound
}

// enters lets the page join a room of a server, and somebody by the SDK, with what the
// browser's encoders have made.
func (f foreigner) enters(lk *livekittest.Server, room string) *livekittest.Client {
	f.Helper()
	token, err := lk.Token(room, "lara", livekittest.JoinOptions{Name: f.name})
	if err != nil {
		f.Fatal(err)
	}
	f.run(fmt.Sprintf("window.client.join(%q, %q)", lk.URL(), token))
	picture, sound := f.samples()
	luc := lk.Join(f.T, room, "luc", livekittest.JoinOptions{Name: "Luc", Picture: picture, Sound: sound, Media: mediatest.Config{FPS: 15}})
	if err := errors.Join(luc.Publish(livekittest.Microphone), luc.Publish(livekittest.Camera)); err != nil {
		f.Fatal(err)
	}
	return luc
}

// TestLiveKitAlone: the page and the SDK meet at LiveKit itself: what they tell is what
// there is.
func TestLiveKitAlone(t *testing.T) {
	quiet.SDK()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lk, lara := livekittest.Start(t, livekittest.Options{}), come(t, serve(t), "Lara")
	luc := lara.enters(lk, "r")
	lara.sees(&guest{name: "Luc"})
	for _, err := range []error{
		luc.WaitSound(ctx, "lara", livekittest.Microphone),
		luc.Wait(ctx, "frames", func() bool { return luc.Received("lara", livekittest.Camera).Foreign >= enough }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	lara.run(`window.client.say("hello")`)
	lara.run(`window.client.mute(true)`)
	luc.Say("hello, too")
	if err := errors.Join(
		luc.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: "Lara", Text: "hello"}),
		luc.WaitTold(ctx, livekittest.Told{What: livekittest.Muted, Name: "Lara", Text: livekittest.Microphone.String()}),
		luc.Mute(livekittest.Microphone, true),
	); err != nil {
		t.Fatal(err)
	}
	lara.till("reads and is told", func(p page) error {
		d, err := p.find("Luc")
		if err == nil && (!d.Muted || len(p.Chat) != 1 || p.Chat[0].Text != "hello, too" || p.Chat[0].Name != "Luc") {
			err = fmt.Errorf("%+v, %+v", d, p.Chat)
		}
		return err
	})
	luc.Leave()
	lara.till("misses Luc", func(p page) error {
		if len(p.Participants) > 0 {
			return fmt.Errorf("%+v", p.Participants)
		}
		return nil
	})
}

// TestLiveKit: browsers in the lobby by three dialects, LiveKit's own client in a browser,
// and one by LiveKit's own SDK meet in one room: all decode and hear all, read all, see
// screens, and see who mutes and who leaves.
func TestLiveKit(t *testing.T) {
	quiet.SDK()
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: func(c *config.Config) {
		p := livekit.DefaultSettings()
		p.Name, p.URL, p.Key, p.Secret, p.Rooms = "lk", lk.URL(), livekittest.Key, bridge.Secret(lk.Secret()), []string{"*"}
		c.LiveKit = []livekit.Settings{p}
	}})
	m := &mixed{T: t, lara: come(t, serve(t), "Lara")}
	m.luc = m.lara.enters(lk, "meeting")
	for _, dialect := range []string{"ahoy", "k3k", "spreed"} {
		g := open(t, n, dialects[dialect].name, dialect, url.Values{"room": {"meeting"}, "height": {"240"}, "autojoin": {"1"}})
		g.entered()
		m.ours = append(m.ours, g)
	}
	m.meet()
	if pictures() {
		m.lara.save("meeting")
	}
	m.talk()
	m.share()
	m.mute()
	m.leave()
	t.Logf("\n%s", m)
}

// mixed is a meeting of three of ours and two of LiveKit's.
type mixed struct {
	*testing.T
	ours []*guest
	lara foreigner           // in a browser
	luc  *livekittest.Client // by the SDK
	got  []string            // who got what of whom
}

// note writes a line of the matrix: what somebody got of others.
func (m *mixed) note(who, what, whose string) {
	m.got = append(m.got, fmt.Sprintf("%-6s %-8s of %s", who, what, whose))
}

// String returns who got what of whom.
func (m *mixed) String() string { return strings.Join(m.got, "\n") }

// theirs are Lara and Luc as those of the lobby know others: by name.
func (m *mixed) theirs() []*guest { return []*guest{m.lara.guest, m.second()} }

func (m *mixed) second() *guest { return &guest{T: m.T, name: "Luc", dialect: "livekit"} }

// do waits for something that the one by the SDK gets of everybody who is named.
func (m *mixed) do(what string, of []*guest, f func(ctx context.Context, identity, name string) error) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	for _, o := range of {
		id, err := m.luc.WaitNamed(ctx, o.name)
		if err == nil {
			err = f(ctx, id, o.name)
		}
		if err != nil {
			m.Fatalf("Luc (livekit) %s of %s: %v", what, o.name, err)
		}
	}
	m.note("Luc", what, names(of))
}

func (m *mixed) meet() {
	m.Helper()
	meet(m.ours, append(m.theirs(), m.ours...))
	for _, g := range m.ours {
		m.note(g.name, "decodes", "all")
	}
	m.lara.sees(append([]*guest{m.second()}, m.ours...)...)
	m.note("Lara", "decodes", "all")
	// The SDK has no decoder: frames of real encoders count when they are whole and in order.
	m.do("receives", append([]*guest{m.lara.guest}, m.ours...), func(ctx context.Context, id, _ string) error {
		frames := func() int { f := m.luc.Received(id, livekittest.Camera); return f.Foreign }
		before := frames()
		return errors.Join(m.luc.WaitSound(ctx, id, livekittest.Microphone),
			m.luc.Wait(ctx, "frames", func() bool { return frames() >= before+enough }))
	})
}

func (m *mixed) talk() {
	m.Helper()
	for _, g := range m.ours {
		g.run(`window.lobby.say("hello from ` + g.name + `")`)
	}
	m.lara.run(`window.client.say("hello from Lara")`)
	m.luc.Say("hello from Luc")
	for _, g := range m.ours {
		for _, o := range append(m.theirs(), m.ours...) {
			if o != g {
				g.reads(o, "hello from "+o.name)
			}
		}
		m.note(g.name, "reads", "all")
	}
	for _, o := range append([]*guest{m.second()}, m.ours...) {
		m.lara.till("reads "+o.name, func(p page) error {
			for _, line := range p.Chat {
				if line.Name == o.name && line.Text == "hello from "+o.name {
					return nil
				}
			}
			return fmt.Errorf("chat is %+v", p.Chat)
		})
	}
	m.note("Lara", "reads", "all")
	m.do("reads", append([]*guest{m.lara.guest}, m.ours...), func(ctx context.Context, _, name string) error {
		return m.luc.WaitTold(ctx, livekittest.Told{What: livekittest.Said, Name: name, Text: "hello from " + name})
	})
}

// share: one of ours shares a screen, which LiveKit's decode beside the camera, and the
// other way.
func (m *mixed) share() {
	m.Helper()
	from := m.ours[1]
	canvas := `(() => {
		const c = document.createElement("canvas");
		c.width = 800; c.height = 600;
		const g = c.getContext("2d");
		let n = 0;
		window.drawing = setInterval(() => { g.fillStyle = n % 2 ? "navy" : "teal"; g.fillRect(0, 0, 800, 600); g.fillStyle = "white"; g.font = "80px sans-serif"; g.fillText(String(n++), 40, 120); }, 50);
		return c.captureStream(15);
	})()`
	from.run(`window.lobby.share(` + canvas + `)`)
	m.lara.till("sees the screen of "+from.name, func(p page) error {
		d, err := p.find(from.name)
		if err == nil && (d.ScreenFrames < enough || d.ScreenWidth < 400) {
			err = fmt.Errorf("%+v", d)
		}
		return err
	})
	from.run(`(clearInterval(window.drawing), window.lobby.unshare())`)
	m.lara.till("sees the screen of "+from.name+" end", func(p page) error {
		d, err := p.find(from.name)
		if err == nil && d.Shares {
			err = fmt.Errorf("%+v", d)
		}
		return err
	})
	m.note("Lara", "screen", from.name)
	m.lara.run(`window.client.share(` + canvas + `)`)
	together(m.ours, "sees the screen of Lara", func(*guest) func(s stats) error {
		return func(s stats) error {
			p, err := s.find("Lara", true)
			if err == nil && (p.Frames < enough || p.Width < 400) {
				err = fmt.Errorf("%d frames, %dx%d", p.Frames, p.Width, p.Height)
			}
			return err
		}
	})
	m.lara.run(`(clearInterval(window.drawing), window.client.unshare())`)
	together(m.ours, "sees the screen of Lara end", func(*guest) func(s stats) error {
		return func(s stats) error {
			if _, err := s.find("Lara", true); err == nil {
				return errors.New("it is still there")
			}
			return nil
		}
	})
	m.note(names(m.ours), "screen", "Lara")
}

func (m *mixed) mute() {
	m.Helper()
	for _, on := range []bool{true, false} {
		m.lara.run(fmt.Sprintf("window.client.mute(%t)", on))
		together(m.ours, fmt.Sprintf("is told that Lara is mute: %t", on), func(g *guest) func(s stats) error {
			return func(s stats) error {
				p, err := s.find("Lara", false)
				if err == nil && p.Muted != (on && g.habits().told) {
					err = fmt.Errorf("shown as mute: %t", p.Muted)
				}
				return err
			}
		})
		for _, g := range m.ours {
			g.run(fmt.Sprintf(`window.lobby.mute("audio", %t)`, on))
			m.lara.till(fmt.Sprintf("is told that %s is mute: %t", g.name, on), func(p page) error {
				d, err := p.find(g.name)
				if err == nil && d.Muted != on {
					err = fmt.Errorf("%+v", d)
				}
				return err
			})
		}
	}
	m.note("all", "mute", "all")
}

func (m *mixed) leave() {
	m.Helper()
	out := m.ours[0]
	out.leaves(m.ours[1:]...)
	m.ours = m.ours[1:]
	m.lara.till("misses "+out.name, func(p page) error {
		if _, err := p.find(out.name); err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	if err := m.luc.WaitTold(ctx, livekittest.Told{What: livekittest.Left, Name: out.name}); err != nil {
		m.Fatal(err)
	}
	m.lara.run("window.client.leave()")
	for _, g := range m.ours {
		g.misses(m.lara.guest)
	}
	meet(m.ours, append([]*guest{m.second()}, m.ours...))
	m.luc.Leave()
	for _, g := range m.ours {
		g.misses(m.second())
	}
	m.note("all", "leave", "all")
}
