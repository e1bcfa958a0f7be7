package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

func TestScenarios(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, s := range scenarios() {
		hold(t, n, s)
	}
}

// TestScenariosOverNodes plays them in a cluster: the first one comes by one node, the
// second one by another, and the operator asks the third.
func TestScenariosOverNodes(t *testing.T) {
	n := node.Cluster(t, 3)
	for _, s := range scenarios() {
		hold(t, n[2], s, n[0], n[1])
	}
}

func scenarios() []scenario {
	return []scenario{
		{name: "media", play: media},
		{name: "chat", play: chat},
		{name: "mute", play: mute},
		{name: "moderator_mute", play: moderatorMute},
		{name: "kick", play: kick},
		{name: "lock", play: lock},
		{name: "screen", play: screen},
		{name: "leave", play: leave},
		{name: "late", play: late},
	}
}

// media: everybody hears and sees everybody.
func media(m *meeting) { m.look(m.all(), m.all()) }

// chat: what is said to all reaches all, what is said to one reaches nobody else.
func chat(m *meeting) {
	c := m.enter(m.pair[1], "Carla")
	for _, from := range []driver.Member{m.a, m.b} {
		text := "a line from " + from.Name + ", with \"quotes\", <tags> & ünicode"
		if d, _ := driver.Lookup(from.Dialect); d.NoChat {
			m.must(unable(from.Say(m.ctx, "", text)), "say")
			continue
		}
		m.do("say", func(ctx context.Context) error { return from.Say(ctx, "", text) })
		for _, to := range []driver.Member{m.a, m.b, c} {
			if to.Name != from.Name && to.Shows(driver.Said) {
				m.saw(to, driver.Sight{What: driver.Said, Who: from.Name, Text: text})
			}
		}
	}
	if !m.pair[0].Private {
		return
	}
	m.saw(m.a, driver.Sight{What: driver.Came, Who: "Ben"})
	const secret = "only for Ben"
	if err := m.a.Say(m.ctx, "Ben", secret); err != nil && m.b.Shows(driver.Said) { // who cannot read may be said not to
		m.Fatalf("whisper: %v", err)
	}
	if m.b.Shows(driver.Whispered) {
		m.saw(m.b, driver.Sight{What: driver.Whispered, Who: "Anna", Text: secret})
	}
	m.after(m.a, m.b)
	m.after(m.a, c)
	for _, p := range []driver.Member{m.b, c} {
		m.times(p, driver.Sight{What: driver.Said, Text: secret}, 0)
	}
	m.times(c, driver.Sight{What: driver.Whispered, Text: secret}, 0)
}

// mute: a microphone that is switched off is silent, and shown where the dialect
// can show it.
func mute(m *meeting) {
	m.look(m.all(), m.all())
	m.do("mute", func(ctx context.Context) error { return m.a.Mute(ctx, true) })
	if m.b.Shows(driver.Muted) {
		m.saw(m.b, driver.Sight{What: driver.Muted, Who: "Anna"})
	}
	m.do("silence", func(ctx context.Context) error { return m.b.Deaf(ctx, "Anna") })
	m.do("unmute", func(ctx context.Context) error { return m.a.Mute(ctx, false) })
	if m.b.Shows(driver.Unmuted) {
		m.saw(m.b, driver.Sight{What: driver.Unmuted, Who: "Anna"})
	}
	m.look(m.all(), m.all())
}

// moderatorMute: who is silenced is heard by nobody, whatever its client sends.
func moderatorMute(m *meeting) {
	m.look(m.all(), m.all())
	who := []string{m.id("Anna")}
	m.admin(http.MethodPost, m.path()+"/mute", map[string]any{"participants": who, "track": "audio", "force": true}, nil)
	for _, p := range m.all() {
		if p.Shows(driver.Muted) {
			m.saw(p, driver.Sight{What: driver.Muted, Who: "Anna"})
		}
	}
	m.do("silence", func(ctx context.Context) error { return m.b.Deaf(ctx, "Anna") })
	m.do("the other way", func(ctx context.Context) error { return m.a.Hears(ctx, "Ben") })
	m.admin(http.MethodPost, m.path()+"/mute", map[string]any{"participants": who, "track": "audio", "off": true}, nil)
}

// kick: who is thrown out is told so, or loses its connection; the others see it
// leave exactly once.
func kick(m *meeting) {
	c := m.enter(m.pair[1], "Carla")
	m.look(m.all(), m.all())
	if m.pair[0].Moderates {
		m.do("kick", func(ctx context.Context) error { return m.a.Kick(ctx, "Ben") })
	} else {
		m.must(unable(m.a.Kick(m.ctx, "Ben")), "kick")
		m.admin(http.MethodPost, m.path()+"/kick", map[string]any{"participant": m.id("Ben")}, nil)
	}
	m.saw(m.b, driver.Sight{What: driver.ThrownOut})
	m.b.Close() // some would come back to listen to somebody new
	for _, p := range []driver.Member{m.a, c} {
		m.saw(p, driver.Sight{What: driver.Left, Who: "Ben"})
	}
	m.after(m.a, c)
	m.after(c, m.a)
	for _, p := range []driver.Member{m.a, c} {
		m.times(p, driver.Sight{What: driver.Left, Who: "Ben"}, 1)
		m.times(p, driver.Sight{What: driver.Left, Who: "Anna"}, 0)
	}
}

func unable(err error) error {
	if errors.Is(err, driver.ErrUnable) {
		return nil
	}
	return errors.Join(errors.New("want ErrUnable"), err)
}

// lock: nobody comes in any more, and is told so in the words of its dialect;
// those who are inside stay.
func lock(m *meeting) {
	m.saw(m.a, driver.Sight{What: driver.Came, Who: "Ben"})
	m.lock(true)
	code := bridge.RoomLocked
	if m.pair[0].LocksBySecret {
		code = bridge.Unauthenticated
	}
	for _, d := range m.pair {
		m.refused(d, "Carla", code)
	}
	m.look(m.all(), m.all())
	m.lock(false)
	c := m.enter(m.pair[1], "David")
	m.look([]driver.Member{c}, m.all())
}

// lock locks the room as the first one's client does, or else as the operator.
func (m *meeting) lock(on bool) {
	m.Helper()
	if !m.pair[0].NoLock {
		m.do("lock", func(ctx context.Context) error { return m.a.Lock(ctx, on) })
		return
	}
	m.must(unable(m.a.Lock(m.ctx, on)), "lock")
	m.admin(http.MethodPost, m.path()+"/lock", map[string]any{"on": on}, nil)
}

// screen: a screen is seen beside the camera, and goes. Where the first one cannot
// share one, the second one does.
func screen(m *meeting) {
	m.look(m.all(), m.all())
	from, to, dialect := m.a, m.b, m.pair[0]
	if dialect.NoScreen {
		m.must(unable(from.Publish(m.ctx, bridge.Screen)), "share")
		from, to, dialect = m.b, m.a, m.pair[1]
	}
	if dialect.NoScreen {
		m.must(unable(from.Publish(m.ctx, bridge.Screen)), "share")
		return
	}
	m.do("share", func(ctx context.Context) error { return from.Publish(ctx, bridge.Screen) })
	m.saw(to, driver.Sight{What: driver.ScreenOn, Who: from.Name})
	m.do("see the screen", func(ctx context.Context) error {
		f, err := to.Sees(ctx, from.Name, bridge.Screen)
		if err == nil && f.Source != from.Source() {
			err = errors.New("it is somebody else's")
		}
		if err == nil && f.Layer != screenLayer {
			err = errors.New("it is the camera")
		}
		return err
	})
	m.look(m.all(), m.all())
	m.do("stop", func(ctx context.Context) error { return from.Unpublish(ctx, bridge.Screen) })
	m.saw(to, driver.Sight{What: driver.ScreenOff, Who: from.Name})
	m.look(m.all(), m.all())
	m.times(to, driver.Sight{What: driver.Left, Who: from.Name}, 0)
}

// screenLayer marks the frames of synthetic screens.
const screenLayer = 3

// leave: the others are told once.
func leave(m *meeting) {
	c := m.enter(m.pair[1], "Carla")
	people := []driver.Member{m.a, m.b, c}
	m.look(people, people)
	m.do("leave", m.a.Leave)
	for _, p := range people[1:] {
		m.saw(p, driver.Sight{What: driver.Left, Who: "Anna"})
	}
	m.after(m.b, c)
	m.after(c, m.b)
	for _, p := range people[1:] {
		m.times(p, driver.Sight{What: driver.Left, Who: "Anna"}, 1)
		m.times(p, driver.Sight{What: driver.Left, Who: "Ben"}, 0)
	}
	m.look(people[1:], people[1:])
}

// late: who joins later gets picture and sound of all who are there.
func late(m *meeting) {
	m.look(m.all(), m.all())
	begin := time.Now()
	c := m.enter(m.pair[0], "Carla")
	m.look([]driver.Member{c}, m.all())
	m.Logf("%s joins %s and %s late: picture and sound of both after %s", c.Dialect, m.a.Dialect, m.b.Dialect, time.Since(begin).Round(time.Millisecond))
	m.look(m.all(), []driver.Member{c})
}
