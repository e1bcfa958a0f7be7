package forward

import "sync"

// Clock relates the clock of a sender's reports to ours. All sources of one
// connection share one, so that sound and picture stay together (RFC 3550, 6.4).
type Clock struct {
	mu     sync.Mutex
	known  bool
	offset int64 // ours minus the sender's, with the shortest delay seen
}

// ntpNanos turns an NTP time stamp into nanoseconds.
func ntpNanos(ntp uint64) int64 {
	const second = 1e9
	return int64(ntp>>32)*second + int64(ntp&0xffffffff*second>>32)
}

// observe takes the time in a report that arrived now, and returns it in
// nanoseconds of the sender's clock.
func (c *Clock) observe(ntp uint64, now int64) (sent int64) {
	sent = ntpNanos(ntp)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch offset := now - sent; {
	case !c.known || offset < c.offset:
		c.known, c.offset = true, offset
	default:
		c.offset += (offset - c.offset) / 64 // clocks drift apart
	}
	return sent
}

// ours returns a time of the sender's clock on ours.
func (c *Clock) ours(sent int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return sent + c.offset
}

// timeline tells which RTP timestamp a stream has at a time: by the last sender
// report, and before the first by the last packet.
type timeline struct {
	clock    *Clock
	rate     int64 // ticks per second
	reported bool
	ts       uint32
	at       int64 // on our clock, or if reported on the sender's
}

// packet takes a packet in order.
func (t *timeline) packet(ts uint32, at int64) {
	if !t.reported {
		t.ts, t.at = ts, at
	}
}

// report takes what a sender report says of a time on its sender's clock.
func (t *timeline) report(ts uint32, at int64) { t.ts, t.at, t.reported = ts, at, true }

// when returns the timestamp at a time.
func (t *timeline) when(now int64) uint32 {
	at := t.at
	if t.reported {
		at = t.clock.ours(at)
	}
	return t.ts + ticks(now-at, t.rate)
}

// ticks turns a duration into ticks; it goes round as timestamps do.
func ticks(d, rate int64) uint32 {
	const second = 1e9
	return uint32(d/second*rate + d%second*rate/second)
}
