package livekit

import (
	"maps"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"dragoman/bridge"
)

// Packets may stop coming though the connection seems to be there (federation-and-cluster.md
// 6.7). Each stream is watched: first a key frame is asked for, then the stream itself once
// more, ever more seldom. Where nothing at all comes over a connection, it is made anew.

const (
	silentTime = 5 * time.Second // that is too long; what is done next is done after as long again
	mostSilent = 5 * time.Minute // between attempts that are in vain
)

// silence is what the watchdog knows of a stream.
type silence struct {
	packets uint64
	since   time.Time     // since when none came, or something was done about it
	done    int           // how often something was
	wait    time.Duration // until something is done again; 0: silentTime
}

// watchdog watches the streams of one connection.
type watchdog struct {
	since time.Time     // since when nothing has come of anything
	wait  time.Duration // how long that may last; 0: it has never come to that
	heard uint64        // packets of all streams
	known map[bridge.PublicationID][2]*livekit.TrackInfo
}

// fresh reports whether what there is differs from what there was.
func (d *watchdog) fresh(known map[bridge.PublicationID][2]*livekit.TrackInfo) bool {
	same := maps.EqualFunc(known, d.known, func(a, b [2]*livekit.TrackInfo) bool {
		return proto.Equal(a[0], b[0]) && proto.Equal(a[1], b[1])
	})
	if !same || d.known == nil {
		d.known = known
		return true
	}
	return false
}

// cure is what is to be done about a stream.
type cure uint8

const (
	nothing  cure = iota
	askKey        // for a key frame
	askAgain      // for the stream
)

// look takes how many packets have come of a stream so far; quiet: there are none to
// expect. It returns what is to be done, and whether the stream is silent.
func (w *silence) look(packets uint64, quiet bool, now time.Time) (do cure, silent bool) {
	switch {
	case packets != w.packets:
		*w = silence{packets: packets, since: now}
		return nothing, false
	case quiet:
		w.since = now
		return nothing, false
	case now.Sub(w.since) < max(w.wait, silentTime):
		return nothing, w.done > 0
	}
	w.since = now
	if w.done++; w.done == 1 {
		return askKey, true
	}
	w.wait = min(2*max(w.wait, silentTime), mostSilent)
	return askAgain, true
}

// judge takes how many streams are silent, of all that there are, and the packets of all
// together. It reports whether the connection is to be given up.
func (d *watchdog) judge(silent, all int, packets uint64, now time.Time) bool {
	if packets != d.heard || silent == 0 || silent < all {
		if packets != d.heard {
			d.wait = 0
		}
		d.heard, d.since = packets, now
		return false
	}
	patience := max(d.wait, 2*silentTime)
	if now.Sub(d.since) < patience {
		return false
	}
	d.wait = min(2*patience, mostSilent)
	return true
}

// look looks after all subscriptions. It reports whether the connection is to be given up.
func (d *watchdog) look(c *view, now time.Time) bool {
	silent, total := 0, uint64(0)
	for at, s := range c.subs {
		f := c.flowOf(at, s.sid)
		var packets uint64
		if f != nil {
			packets = f.packets.Load()
		}
		total += packets
		do, is := s.watch.look(packets, s.pub.IsMuted() || !c.v.open(at), now)
		if is {
			silent++
		}
		switch {
		case do == askKey && f != nil && at.track == bridge.Video:
			f.key.Store(true)
		case do == askAgain:
			c.v.count.resubscribed.Add(1)
			_ = s.pub.SetSubscribed(false) // if it cannot be said, the connection is lost
			s.renew = now.Add(renewTime)
		}
	}
	return d.judge(silent, len(c.subs), total, now)
}

// open reports whether our room has a track open.
func (v *views) open(at target) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gates[at.pub][at.track]
}
