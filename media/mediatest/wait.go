package mediatest

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/pion/webrtc/v4"
)

// Stats returns what was received so far, by stream id, slash, "audio" or
// "video".
func (p *Peer) Stats() map[string]Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.stats)
}

// maxDelays is how many delays of a kind are kept.
const maxDelays = 1 << 16

// Delays returns how long frames ("video") have taken from the camera, or packets of sound
// ("audio") from the microphone, see Config.Departures; and forgets them.
func (p *Peer) Delays(kind string) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.delays[kind]
	delete(p.delays, kind)
	return all
}

// MaxBitrate is what the other side last allowed the camera, by REMB, in bit/s.
func (p *Peer) MaxBitrate() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.remb)
}

// find returns the stats of a stream, or of any if none is named. The lock is
// held.
func (p *Peer) find(stream, kind string, met func(Stats) bool) bool {
	for _, s := range p.stats {
		if s.Kind == kind && (stream == "" || s.Stream == stream) && met(s) {
			return true
		}
	}
	return false
}

// WaitConnected waits until the transport is up.
func (p *Peer) WaitConnected(ctx context.Context) error {
	return p.wait(ctx, "connection", func() bool { return p.state == webrtc.PeerConnectionStateConnected })
}

// WaitVideo waits until n more frames than now have come that can be decoded, of
// a stream or of any ("").
func (p *Peer) WaitVideo(ctx context.Context, stream string, n int) error {
	before := p.Stats()
	return p.wait(ctx, fmt.Sprintf("%d frames of %q", n, stream), func() bool {
		return p.find(stream, "video", func(s Stats) bool { return s.Frames-before[s.Stream+"/video"].Frames >= n })
	})
}

// WaitPackets waits until n more packets than now have come, of whatever codec.
func (p *Peer) WaitPackets(ctx context.Context, stream, kind string, n int) error {
	before := p.Stats()
	return p.wait(ctx, fmt.Sprintf("%d packets of %q", n, stream), func() bool {
		return p.find(stream, kind, func(s Stats) bool { return s.Packets-before[s.Stream+"/"+kind].Packets >= n })
	})
}

// WaitForeign waits for a frame that no synthetic camera made: a placeholder.
func (p *Peer) WaitForeign(ctx context.Context, stream string) error {
	before := p.Stats()
	return p.wait(ctx, "foreign frame", func() bool {
		return p.find(stream, "video", func(s Stats) bool { return s.Foreign > before[s.Stream+"/video"].Foreign })
	})
}

// WaitAudio waits until sound comes that is not silence.
func (p *Peer) WaitAudio(ctx context.Context, stream string) error {
	before := p.Stats()
	return p.wait(ctx, "sound", func() bool {
		return p.find(stream, "audio", func(s Stats) bool { return s.Loud >= before[s.Stream+"/audio"].Loud+5 })
	})
}

// WaitSilence waits until no sound comes for the time d: silent packets, or
// none.
func (p *Peer) WaitSilence(ctx context.Context, stream string, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	heard := func() (n int) {
		for _, s := range p.Stats() {
			if s.Kind == "audio" && (stream == "" || s.Stream == stream) {
				n += s.Loud
			}
		}
		return n
	}
	last := heard()
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
			if n := heard(); n != last {
				last = n
				timer.Reset(d)
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for silence: %w", ctx.Err())
		}
	}
}

// WaitBitrate waits until the other side allows at most limit, in bit/s.
func (p *Peer) WaitBitrate(ctx context.Context, limit int) error {
	return p.wait(ctx, "REMB", func() bool { return p.remb > 0 && int(p.remb) <= limit })
}

// WaitReported waits until the other side has said of every layer of the camera
// that it arrives. Like a browser, the client does not name them in its packets any
// more then.
func (p *Peer) WaitReported(ctx context.Context) error {
	return p.wait(ctx, "reports", func() bool {
		for _, l := range p.c.camera {
			if !l.reports() {
				return false
			}
		}
		return true
	})
}

// WaitState waits until the connection is in one of the states.
func (p *Peer) WaitState(ctx context.Context, states ...webrtc.PeerConnectionState) error {
	return p.wait(ctx, fmt.Sprint(states), func() bool {
		for _, s := range states {
			if p.state == s {
				return true
			}
		}
		return false
	})
}
