package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"dragoman/e2e/node"
	"dragoman/media/mediatest"
)

// sentLayer is what a browser sends of one layer.
type sentLayer struct {
	RID           string
	Width, Height int
	Frames, Bytes int // so far
}

// watched is what a page has seen of the frames of one track, and of its own
// clock.
type watched struct {
	Width  int     // of the last frame
	Frames int     // since the page was told to begin
	Same   int     // of the width that the last one has
	Gap    float64 // the longest time without a frame since then, in ms
	Idle   float64 // since the last frame, in ms
	Stall  float64 // the longest time in which the page did not run, in ms
	SSRCs  []int   // of all streams that there ever were
	Lost   int     // packets, by their sequence numbers
	Keys   int     // key frames
	NACKs  int
}

// watching counts frames as they leave the decoder, whether or not they are
// drawn. A page that does not run sees no frames, so it watches itself, too.
const watching = `window.watching = (track, receiver) => {
	const w = window.watched = { width: 0, ssrcs: new Set() };
	const now = () => performance.now();
	w.begin = () => Object.assign(w, { frames: 0, same: 0, gap: 0, stall: 0, last: now(), ticked: now() });
	w.begin();
	const reader = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
	(async () => {
		for (;;) {
			const { value, done } = await reader.read();
			if (done) return;
			w.same = value.displayWidth === w.width ? w.same + 1 : 1;
			w.width = value.displayWidth;
			value.close();
			w.gap = Math.max(w.gap, now() - w.last);
			w.last = now();
			w.frames++;
		}
	})();
	setInterval(() => {
		w.stall = Math.max(w.stall, now() - w.ticked);
		w.ticked = now();
	}, 20);
	w.read = async () => {
		const report = receiver ? [...(await receiver.getStats()).values()].filter((s) => s.type === "inbound-rtp") : [];
		for (const s of report) w.ssrcs.add(s.ssrc);
		const [s] = report;
		return { ...w, idle: now() - w.last, ssrcs: [...w.ssrcs], lost: s?.packetsLost, keys: s?.keyFramesDecoded, nacks: s?.nackCount };
	};
}`

// camera is the sender of the camera, in the page of who is watched.
const camera = `window.lobby.connections().flatMap((c) => c.pc.getSenders()).find((s) => s.track?.kind === "video")`

// eval evaluates an expression that has to have a value.
func eval[T any](g *guest, expression string) T {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), patience)
	defer cancel()
	v, err := Eval[T](ctx, g.Browser, expression)
	if err != nil {
		g.Fatalf("%s (%s) %s: %v", g.name, g.dialect, expression, err)
	}
	return v
}

// layers returns what a browser sends of each layer of its camera, by rid.
func (g *guest) layers() map[string]sentLayer {
	g.Helper()
	all := map[string]sentLayer{}
	for _, l := range eval[[]sentLayer](g, `(async () => [...(await `+camera+`.getStats()).values()].filter((s) => s.type === "outbound-rtp")
		.map((s) => ({ rid: s.rid, width: s.frameWidth || 0, height: s.frameHeight || 0, frames: s.framesEncoded, bytes: s.bytesSent })))()`) {
		all[l.RID] = l
	}
	return all
}

// simulcasts waits until a browser sends three layers, all of which go on.
func (g *guest) simulcasts() {
	g.Helper()
	// A browser on a machine that is busy would rather send smaller pictures, and
	// fewer layers.
	steadfast := `(async () => {
		const s = ` + camera + `;
		await s?.setParameters({ ...s.getParameters(), degradationPreference: "maintain-resolution" });
		return !!s;
	})()`
	var before map[string]sentLayer
	g.until("sends three layers", func(stats) error {
		if !eval[bool](g, steadfast) {
			return errors.New("it sends nothing yet")
		}
		now := g.layers()
		if before == nil {
			before = now
		}
		for rid, width := range map[string]int{"high": 1280, "medium": 640, "low": 320} {
			if l := now[rid]; l.Width != width || l.Frames < before[rid].Frames+enough {
				return fmt.Errorf("it sends %+v", now)
			}
		}
		return nil
	})
	g.Logf("%s sends %+v", g.name, g.layers())
}

// watch begins to count the frames that come of somebody.
func (g *guest) watch(other string) {
	g.Helper()
	g.run(watching)
	g.run(fmt.Sprintf(`(async () => {
		window.watchedID = (await window.lobby.stats()).participants.find((p) => p.name === %q).id;
		const { pc } = window.lobby.connections().find((c) => c.id === window.watchedID);
		const receiver = pc.getReceivers().find((r) => r.track.kind === "video");
		window.watching(receiver.track, receiver);
	})()`, other))
}

// sees waits until what comes is as it should be.
func (g *guest) sees(what string, met func(w watched) error) (w watched) {
	g.Helper()
	g.until("sees "+what, func(stats) error {
		w = eval[watched](g, "window.watched.read()")
		return met(w)
	})
	return w
}

// wide is met by frames of a width that go on.
func wide(width int) func(watched) error {
	return func(w watched) error {
		if w.Width != width || w.Same < enough {
			return fmt.Errorf("%d frames, the last %d of them %d wide", w.Frames, w.Same, w.Width)
		}
		return nil
	}
}

func dark(w watched) error {
	if w.Idle < 1500 {
		return fmt.Errorf("a frame came %.0f ms ago", w.Idle)
	}
	return nil
}

// best is met by frames of the best layer that a browser sends: one on a machine
// that does not keep up leaves layers out, and those who receive get what there is
// below.
func best(from *guest) func(watched) error {
	before, at := from.layers(), time.Now()
	living := before
	return func(w watched) error {
		if now := from.layers(); time.Since(at) > 2*time.Second {
			living = map[string]sentLayer{}
			for rid, l := range now {
				if l.Frames > before[rid].Frames {
					living[rid] = l
				}
			}
			before, at = now, time.Now()
		}
		width := 0
		for _, l := range living {
			width = max(width, l.Width)
		}
		if err := wide(width)(w); err != nil {
			return fmt.Errorf("%w; sent are %v", err, living)
		}
		return nil
	}
}

// TestSimulcast: a browser sends three layers, another one chooses among them and
// has no picture that stands still for longer than a second, in one stream without
// a gap in its numbers.
func TestSimulcast(t *testing.T) {
	n := node.Start(t, node.Options{})
	from := enter(t, n, "layers", "Paula", "k3k")
	from.simulcasts()
	to := look(t, n, "layers", "Kim", "k3k")
	to.watch("Paula")
	to.sees("the best layer", wide(1280))
	from.run(watching)
	from.run("window.watching(" + camera + ".track)")
	for _, step := range []struct {
		name, wish string
		met        func(watched) error
		off        bool
	}{
		{"the best layer", "{ substream: 2 }", best(from), false},
		{"the lowest layer", "{ substream: 0 }", wide(320), false},
		{"no picture", "{ video: false }", dark, true},
		{"the best layer again", "{ video: true, substream: 2 }", best(from), false},
		{"the middle layer", "{ substream: 1 }", wide(640), false},
	} {
		from.run("window.watched.begin()")
		to.run("(window.watched.begin(), window.lobby.configure(window.watchedID, " + step.wish + "))")
		w := to.sees(step.name, step.met)
		f := eval[watched](from, "window.watched.read()")
		t.Logf("%s: %d frames, longest gap %.0f ms (its page stood still for %.0f ms; the camera's longest gap %.0f ms, its page %.0f ms); SSRCs %v, %d packets lost, %d key frames, %d NACKs",
			step.name, w.Frames, w.Gap, w.Stall, f.Gap, f.Stall, w.SSRCs, w.Lost, w.Keys, w.NACKs)
		// Nothing is to be seen of a camera that stands still, nor in a page that does.
		if most := time.Second + ms(w.Stall) + ms(max(f.Gap, f.Stall)); !step.off && ms(w.Gap) > most {
			t.Errorf("%s: the picture stood still for %s, and may for %s", step.name, ms(w.Gap), most)
		}
		if len(w.SSRCs) != 1 {
			t.Errorf("%s: %d streams: %v", step.name, len(w.SSRCs), w.SSRCs)
		}
	}
	to.sees("no gap in the numbers", func(w watched) error {
		if w.Lost != 0 {
			return fmt.Errorf("%d packets are lost", w.Lost)
		}
		return nil
	})
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// TestResubscribe: a subscription that begins anew goes on, in the connection that
// the browser has.
func TestResubscribe(t *testing.T) {
	n := node.Start(t, node.Options{})
	from := enter(t, n, "again", "Paula", "k3k")
	to := enter(t, n, "again", "Kim", "k3k")
	to.meets(from)
	to.watch("Paula")
	to.run("(window.was = window.lobby.connections().find((c) => c.id === window.watchedID).pc, window.lobby.restart(window.watchedID))")
	to.until("has answered another offer", func(stats) error {
		if n := eval[int](to, `window.lobby.frames().filter((f) => f.dir === "out" && f.text.includes('"sdp_answer"')).length`); n < 2 {
			return fmt.Errorf("%d answers", n)
		}
		return nil
	})
	to.meets(from)
	if !eval[bool](to, "window.was === window.lobby.connections().find((c) => c.id === window.watchedID).pc") {
		t.Error("it has made another connection")
	}
}

// rates measures what a browser sends of each layer, in bit/s.
func (g *guest) rates() map[string]int {
	g.Helper()
	var before map[string]sentLayer
	var at time.Time
	rates := map[string]int{}
	g.until("tells what it sends", func(stats) error {
		now := g.layers()
		if before == nil {
			before, at = now, time.Now()
		}
		for rid, l := range now {
			if l.Frames < before[rid].Frames+3*enough {
				return fmt.Errorf("%d frames of %s", l.Frames-before[rid].Frames, rid)
			}
			rates[rid] = int(float64(l.Bytes-before[rid].Bytes) * 8 / time.Since(at).Seconds())
		}
		if before, at = now, time.Now(); rates["high"] < rates["medium"]*3/2 {
			return fmt.Errorf("the layers are too much alike: %v", rates)
		}
		return nil
	})
	return rates
}

// TestCap: a viewer of a protocol that has no word for layers gets the best one
// that its network takes.
func TestCap(t *testing.T) {
	n := node.Start(t, node.Options{})
	proxy, err := mediatest.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	}()
	engine, err := net.ResolveUDPAddr("udp4", n.Ports().UDP)
	if err != nil {
		t.Fatal(err)
	}
	proxy.Start(engine)
	from := open(t, n, "Paula", "k3k", url.Values{"room": {"cap"}, "audio": {"0"}})
	from.run("window.lobby.join()")
	from.entered()
	from.simulcasts()
	to := open(t, n, "Anna", "ahoy", url.Values{"room": {"cap"}, "audio": {"0"}, "video": {"0"}})
	// The page is told the way through the proxy, and no other.
	to.run(fmt.Sprintf(`(() => {
		const set = RTCPeerConnection.prototype.setRemoteDescription;
		RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
			const lines = sdp.split("\r\n").filter((l) => !/^a=candidate:.* tcp /i.test(l));
			return set.call(this, { type, sdp: lines.join("\r\n").replaceAll(/^(a=candidate:.* udp .* )%d( typ host)/gmi, "$1%d$2") });
		};
	})()`, engine.Port, proxy.Addr().Port()))
	to.run("window.lobby.join()")
	to.entered()
	to.watch("Paula")
	to.sees("the best layer", wide(1280))
	rates := from.rates()
	limit := rates["medium"] + (rates["high"]-rates["medium"])*3/4
	t.Logf("the layers have %v bit/s; the network of the viewer is limited to %d", rates, limit)
	proxy.Set(mediatest.Loss{Rate: limit})
	begin, width := time.Now(), 0
	to.sees("the middle layer for a while", func(w watched) error {
		if w.Width != width {
			width = w.Width
			t.Logf("%d wide after %s", width, time.Since(begin).Round(time.Millisecond))
		}
		if w.Width != 640 || w.Same < 2*enough {
			return fmt.Errorf("%d frames, the last %d of them %d wide", w.Frames, w.Same, w.Width)
		}
		return nil
	})
	t.Logf("%d packets did not pass until then", proxy.Drops())
}
