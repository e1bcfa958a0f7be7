package media

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/rtp"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// OutletConfig is what an outlet is made from.
type OutletConfig struct {
	Publication bridge.PublicationID
	Track       bridge.Track
	RID         string        // the layer; empty without simulcast
	Room        bridge.RoomID // of the publication, for Wishes
	// Write takes each packet, as Outlet says. It does not wait for the network, calls
	// nothing of the outlet but WantKey, and keeps nothing: the header is its own to change until it
	// returns, the payload is shared. What level says is of sound (RFC 6464). An error is
	// counted.
	Write func(h *rtp.Header, payload []byte, level uint8, hasLevel bool) error
}

// Outlet hands one layer of a publication to a function, from a key frame on, with
// numbers of its own that have gaps only where packets are missing. It is a wish for the
// layer, where no client of this node feeds the publication. The function gets packets in
// the goroutines in which they arrive. All methods may be called from any goroutine.
type Outlet struct {
	e    *Engine
	cfg  OutletConfig
	pub  *publication
	down *forward.Down
	key  atomic.Bool // a key frame is wanted
	hold atomic.Bool // Pause
	end  func()
}

// NewOutlet begins to hand out a layer, whether or not there is any of it yet.
func (e *Engine) NewOutlet(cfg OutletConfig) (*Outlet, error) {
	if cfg.Write == nil || cfg.Publication.IsZero() || cfg.Track > bridge.Video {
		return nil, bridge.Errorf(bridge.BadRequest, "an outlet needs a publication, one of its tracks, and a function")
	}
	pub, err := e.pubs.acquire(cfg.Publication, bridge.ParticipantID{})
	if err != nil {
		return nil, err
	}
	sound := cfg.Track == bridge.Audio
	rate := 90000
	if sound {
		rate = 48000
	}
	o := &Outlet{e: e, cfg: cfg, pub: pub}
	o.down = forward.NewDown(forward.DownConfig{
		SSRC: rand.Uint32(), Rate: rate, Sound: sound, Exact: true, Writer: &outletWriter{write: cfg.Write},
	})
	o.down.SetFormats(relayFormats())
	o.down.Aim(cfg.RID, false)
	o.end = sync.OnceFunc(o.close)
	o.down.SetLive(true)
	pub.tracks[cfg.Track].Add(o.down, e.now())
	e.mu.Lock()
	closed := e.closed
	if !closed {
		all := append(slices.Clone(*e.outlets.Load()), o)
		e.outlets.Store(&all)
	}
	e.mu.Unlock()
	if closed {
		o.Close()
		return nil, bridge.Errorf(bridge.Unavailable, "the media engine is closed")
	}
	e.nudge()
	return o, nil
}

// WantKey asks whoever sends the layer for a key frame, at the engine's next tick, and at
// most twice a second for all who ask; a wish that comes too early is kept. It takes no
// lock, and may be called from anywhere.
func (o *Outlet) WantKey() { o.key.Store(true) }

// Pause stops what is handed out, or lets it begin again with a key frame: numbers go on
// as if nothing had been missed. While it is paused, it wishes for nothing.
func (o *Outlet) Pause(on bool) {
	if o.hold.Swap(on) == on {
		return
	}
	o.down.Aim(o.cfg.RID, on)
	o.pub.tracks[o.cfg.Track].Update(o.e.now())
	o.e.nudge()
}

// tick does what is due.
func (o *Outlet) tick(now int64) {
	o.down.Tick(now)
	if o.key.Load() && o.key.Swap(false) {
		o.down.WantKey(now)
	}
}

// Stats returns what was counted.
func (o *Outlet) Stats() forward.DownStats { return o.down.Stats() }

// Close ends the outlet: the function is not called any more once it has returned. It is
// idempotent.
func (o *Outlet) Close() { o.end() }

func (o *Outlet) close() {
	o.down.SetLive(false) // and nothing brings it back
	o.pub.tracks[o.cfg.Track].Remove(o.down)
	o.e.pubs.release(o.pub)
	o.e.mu.Lock()
	all := slices.DeleteFunc(slices.Clone(*o.e.outlets.Load()), func(x *Outlet) bool { return x == o })
	o.e.outlets.Store(&all)
	var s Stats
	s.send(o.down.Stats())
	o.e.totals.mu.Lock()
	o.e.totals.past.add(s)
	o.e.totals.mu.Unlock()
	o.e.mu.Unlock()
	o.e.nudge()
}

// wish adds what the outlet wants.
func (o *Outlet) wish(w RelayWish) RelayWish {
	if o.cfg.Room != "" {
		w.Room = o.cfg.Room
	}
	if o.cfg.Track == bridge.Audio {
		w.Sound = true
		return w
	}
	w.Video = true
	if !slices.Contains(w.Layers, o.cfg.RID) {
		w.Layers = append(w.Layers, o.cfg.RID)
	}
	return w
}

// outletWriter hands packets to a function. It implements forward.Writer, which is called
// with the lock of the Down held.
type outletWriter struct {
	write func(h *rtp.Header, payload []byte, level uint8, hasLevel bool) error
	h     rtp.Header
	buf   []byte
}

// Write implements forward.Writer.
func (w *outletWriter) Write(p *forward.Packet) error {
	w.h = rtp.Header{
		Version: 2, Marker: p.Marker, PayloadType: p.PT, SequenceNumber: p.Seq, Timestamp: p.TS, SSRC: p.SSRC,
		Padding: p.Padding > 0, PaddingSize: p.Padding,
		Extensions: w.h.Extensions[:0], // room that who puts any in need not make
	}
	payload := p.Body
	if len(p.Head) > 0 {
		w.buf = append(append(w.buf[:0], p.Head...), p.Body...)
		payload = w.buf
	}
	return w.write(&w.h, payload, p.Level, p.HasLevel)
}
