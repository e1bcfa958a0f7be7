package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"dragoman/bridge"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
	"dragoman/media/mediatest"
)

// TestUpdateMedia: what an NkMEDIA client says of its session by update_media
// (nkmedia.md 8.7) holds at the receivers, whatever dialect they speak.
func TestUpdateMedia(t *testing.T) {
	n := node.Start(t, node.Options{})
	nkmedia, ok := driver.Lookup("nkmedia")
	if !ok {
		t.Fatal("there is no driver for NkMEDIA")
	}
	t.Run("all", func(t *testing.T) { // ends when its parallel tests have
		for _, s := range []scenario{{name: "bitrate", play: bitrate}, {name: "silence", play: silence}} {
			for _, other := range driver.Dialects() {
				meet(t, n, scenario{name: s.name, alone: true, play: func(m *meeting) {
					m.Parallel()
					s.play(m)
				}}, nkmedia, other)
			}
		}
	})
}

// perSecond is how many pictures Anna's camera sends.
const perSecond = 15

// bitrate: a camera that could send much more sends what it is told to, and more when
// it is told again: twice two seconds in a row are within 20 %.
func bitrate(m *meeting) {
	m.a = m.enter(m.pair[0], "Anna", func(o *driver.Options) { o.Media = mediatest.Config{Bitrate: 800_000, FPS: perSecond, Follow: true} })
	m.b = m.enter(m.pair[1], "Ben")
	m.look(m.all(), m.all())
	for _, limit := range []int{200_000, 400_000} {
		m.do("limit", func(ctx context.Context) error { return m.a.Driver.(driver.Limiter).Limit(ctx, limit) })
		got, steady := 0, 0
		m.do("the bitrate follows", func(ctx context.Context) error {
			for ; steady < 2; steady++ {
				if got = m.rate(ctx); ctx.Err() != nil {
					return fmt.Errorf("with a limit of %d bit/s: %w", limit, ctx.Err())
				}
				if !near(got, limit) {
					m.Logf("with a limit of %d bit/s %s gets %d", limit, m.b.Dialect, got)
					steady = -1
				}
			}
			return nil
		})
		m.Logf("with a limit of %d bit/s %s gets %d", limit, m.b.Dialect, got)
	}
}

// near reports whether a bitrate is within 20 % of a limit.
func near(got, limit int) bool { return 5*got >= 4*limit && 5*got <= 6*limit }

// rate returns at what bitrate Anna's camera reaches Ben, over two seconds of the
// camera's own time: how busy the machine is does not matter. 0: ctx has ended.
func (m *meeting) rate(ctx context.Context) int {
	m.Helper()
	const enough = 2 * perSecond
	_, before, err := m.b.Received(ctx, "Anna")
	after := before
	for ; err == nil && after.Last.Number < before.Last.Number+enough; _, after, err = m.b.Received(ctx, "Anna") {
		if _, err = m.b.Sees(ctx, "Anna", bridge.Camera); err != nil {
			break
		}
	}
	if err != nil {
		return 0
	}
	return (after.Bytes - before.Bytes) * 8 * perSecond / int(after.Last.Number-before.Last.Number)
}

// silence: while an NkMEDIA client is muted, whose microphone goes on, not one
// packet of it is relayed.
func silence(m *meeting) {
	m.a, m.b = m.enter(m.pair[0], "Anna"), m.enter(m.pair[1], "Ben")
	m.look(m.all(), m.all())
	m.do("mute", func(ctx context.Context) error { return m.a.Mute(ctx, true) })
	m.do("silence", func(ctx context.Context) error { return m.b.Deaf(ctx, "Anna") })
	before, _, err := m.b.Received(m.ctx, "Anna")
	m.must(err, "count")
	if before.Packets == 0 {
		m.Fatal("no packet has come before, either")
	}
	m.do("two seconds of picture", func(ctx context.Context) error {
		if m.rate(ctx) == 0 {
			return errors.New("no picture")
		}
		return nil
	})
	after, _, err := m.b.Received(m.ctx, "Anna")
	m.must(err, "count")
	if n := after.Packets - before.Packets; n > 0 {
		m.Errorf("%d packets of sound have reached %s of somebody who is muted", n, m.b.Dialect)
	}
	m.do("unmute", func(ctx context.Context) error { return m.a.Mute(ctx, false) })
	m.look(m.all(), m.all())
}
