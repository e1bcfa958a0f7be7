// Package level turns what arrives on an audio track into two facts: whether
// somebody talks, and whether a client has muted its microphone without saying
// so. It owns the thresholds and the times of both, and nothing else: no packets,
// no clock, no goroutine. A Meter is fed with the level of each packet, its size
// and its arrival time, and answers with what has changed. Times are counted from
// any fixed point, by a clock that does not go back.
//
// Talking is decided as architecture.md 13 has it: on after 150 ms above the
// threshold, off after 500 ms below. ahoy.md 8.2 suggests 300 and 800 ms, which is
// calmer but loses short answers; both can be had by Config. The threshold, -50
// dBov, is that of ahoy.md.
//
// Muting is decided as ahoy.md 8.2 has it: browsers go on sending when a track is
// disabled, digital silence in the smallest packets that the codec has. An encoder
// that is short of bandwidth does not get down to those, but its packets then have
// one size as long as the silence lasts; in a pause between words they vary.
//
// Without the level extension (RFC 6464) the sizes of packets have to do.
// Variable bit rate makes speech larger than silence; a codec of constant rate
// says nothing, and then nobody is said to talk.
package level

import "time"

// Unknown is the level of a packet that has none, because the extension was not
// negotiated. Real levels are 0 (loudest) to Silence.
const (
	Silence uint8 = 127
	Unknown uint8 = 128
)

// Change is what a packet or a tick has changed; several bits may be set.
type Change uint8

// The changes.
const (
	Started Change = 1 << iota // talking
	Stopped                    // talking
	Muted
	Unmuted
)

// Has reports whether all of want is in c.
func (c Change) Has(want Change) bool { return c&want == want }

// Config is what a Meter goes by. The zero value of each field is its default.
type Config struct {
	// Threshold is the level, in -dBov, that a talking voice is louder than. Default
	// 50.
	Threshold uint8
	// On is how long somebody must be louder to count as talking, pauses taken off.
	// Default 150 ms.
	On time.Duration
	// Off is how long somebody who talks must be quieter to have stopped. Default
	// 500 ms.
	Off time.Duration
	// Mute is how long there must be nothing but digital silence, or no packets, for
	// a client to count as muted. Default 1.5 s.
	Mute time.Duration
	// Tiny is the largest payload, in bytes, of digital silence. Default 4, for Opus;
	// for codecs of constant rate the size of their packets.
	Tiny int
}

func (c Config) withDefaults() Config {
	if c.Threshold == 0 {
		c.Threshold = 50
	}
	if c.On == 0 {
		c.On = 150 * time.Millisecond
	}
	if c.Off == 0 {
		c.Off = 500 * time.Millisecond
	}
	if c.Mute == 0 {
		c.Mute = 1500 * time.Millisecond
	}
	if c.Tiny == 0 {
		c.Tiny = 4
	}
	return c
}

const (
	// gap is the most that one packet counts for: what lies further back was a
	// pause, whatever stands at its ends.
	gap = 100 * time.Millisecond
	// smoothing is the time constant of Level, and of the sizes.
	smoothing = 200 * time.Millisecond
	// forget is the time constant by which the range of sizes shrinks.
	forget = 20 * time.Second
)

// A Meter follows one audio track. It is not safe for concurrent use. Neither of
// its methods allocates. Times must not go back; if they do, no time has passed.
type Meter struct {
	cfg     Config
	started bool
	last    time.Duration // of the latest packet, or of the first tick
	loud    bool          // the latest packet
	credit  time.Duration
	heard   time.Duration // when it was loud last
	silent  bool          // the latest packet was digital silence
	size    int           // of the latest packet
	quiet   time.Duration // since when
	talking bool
	muted   bool
	gone    bool // muted because there was nothing
	voiced  bool // the voice flag has been seen
	smooth  float64
	sizes   span
}

// New returns a Meter for a track that is neither talking nor muted. Its time
// begins with the first packet or tick: do not tick before packets can arrive.
func New(cfg Config) *Meter {
	return &Meter{cfg: cfg.withDefaults(), smooth: float64(Silence)}
}

// Talking reports whether somebody talks.
func (m *Meter) Talking() bool { return m.talking }

// Muted reports whether the client seems to be muted.
func (m *Meter) Muted() bool { return m.muted }

// Level returns the smoothed level in -dBov, for finding out who is loudest.
// Silence when no levels are known.
func (m *Meter) Level() uint8 { return uint8(m.smooth + 0.5) }

// Packet takes a packet: its level by RFC 6464 or Unknown, the voice flag that
// comes with it, the size of its payload without padding, and when it arrived. A
// sender that has once set the voice flag is taken at its word from then on: what
// it does not call voice is noise, however loud.
func (m *Meter) Packet(now time.Duration, level uint8, voice bool, size int) Change {
	elapsed := m.pass(now)
	known := level <= Silence
	tiny := size <= m.cfg.Tiny
	silent := tiny && !known || level == Silence && (tiny || size == m.size)
	m.size = size
	was := m.loud
	if known {
		m.voiced = m.voiced || voice
		m.smooth += (float64(level) - m.smooth) * share(elapsed, smoothing)
		m.loud = level < m.cfg.Threshold && (voice || !m.voiced)
	} else {
		m.loud = m.sizes.loud(size, elapsed) && !silent
	}
	m.count(was, elapsed)
	return m.unmute(known && level < Silence || !silent && (!known || m.gone)) | m.settle(silent)
}

// count adds to what speaks for talking while it is loud, and takes from it while
// it is not.
func (m *Meter) count(was bool, elapsed time.Duration) {
	switch {
	case !m.loud:
		m.credit = max(m.credit-elapsed, 0)
		return
	case was:
		m.credit = min(m.credit+elapsed, m.cfg.On)
	}
	m.heard = m.last
}

// Tick says what time it is, so that the end of a stream is noticed. Once every
// few hundred milliseconds is enough.
func (m *Meter) Tick(now time.Duration) Change {
	if !m.started {
		m.pass(now)
		return 0
	}
	var c Change
	if m.talking && now-m.heard >= m.cfg.Off {
		c |= m.stop()
	}
	if !m.muted && now-m.last >= m.cfg.Mute {
		m.muted, m.gone = true, true
		m.smooth = float64(Silence)
		c |= Muted | m.stop()
	}
	return c
}

// pass moves the time of the latest packet to now and returns how much of what
// has passed counts.
func (m *Meter) pass(now time.Duration) time.Duration {
	if !m.started {
		m.started, m.last, m.heard = true, now, now
		return 0
	}
	elapsed := now - m.last
	if elapsed <= 0 {
		return 0
	}
	m.last = now
	return min(elapsed, gap)
}

func (m *Meter) unmute(audible bool) Change {
	if !m.muted || !audible {
		return 0
	}
	m.muted, m.gone = false, false
	return Unmuted
}

// settle decides after a packet.
func (m *Meter) settle(silent bool) Change {
	var c Change
	switch {
	case !silent:
		m.silent = false
	case !m.silent:
		m.silent, m.quiet = true, m.last
	case !m.muted && m.last-m.quiet >= m.cfg.Mute:
		m.muted, m.gone = true, false
		c |= Muted
	}
	switch {
	case m.talking && (m.muted || m.last-m.heard >= m.cfg.Off):
		c |= m.stop()
	case !m.talking && !m.muted && m.loud && m.credit >= m.cfg.On:
		m.talking = true
		c |= Started
	}
	return c
}

func (m *Meter) stop() Change {
	if !m.talking {
		return 0
	}
	m.talking, m.credit, m.loud = false, 0, false
	return Stopped
}

// share is how much of the way to a new value a smoothed one goes in d.
func share(d, constant time.Duration) float64 { return float64(d) / float64(d+constant) }

// span is the range of payload sizes that a track has.
type span struct {
	low, high, smooth float64
}

// loud takes a size and tells whether it is speech: in the upper half of a range
// that is wide enough to mean something.
func (s *span) loud(size int, elapsed time.Duration) bool {
	x := float64(size)
	if s.high == 0 {
		s.low, s.high, s.smooth = x, x, x
	}
	s.smooth += (x - s.smooth) * share(elapsed, smoothing/4)
	back := share(elapsed, forget)
	s.low = min(x, s.low+(s.smooth-s.low)*back)
	s.high = max(x, s.high+(s.smooth-s.high)*back)
	return s.high >= 2*s.low && s.smooth > (s.low+s.high)/2
}
