package forward

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// NoFormat stands in Down.Formats for a format that was not negotiated.
const NoFormat = 0xff

// MaxFormats is how many formats there are at most.
const MaxFormats = 32

// Formats are the payload types of a subscription by the number of the format.
type Formats [MaxFormats]uint8

// A Down is one track sent to one subscription: one stream with numbers of its
// own, whatever layers and sources it is made of.
type Down struct {
	waiting atomic.Bool // Tick has something to do
	soon    *Due

	// Guards what follows, but for what never changes. It is contended only while feedback
	// is answered. What each packet looks at comes first, so that it is in few lines of the
	// cache: with hundreds of subscriptions, all of it is read anew for each packet.
	mu      sync.Mutex
	live    bool
	sound   bool // never changes
	begun   bool
	open    bool   // a frame has begun and not ended
	cut     bool   // the rest of a frame is dropped
	tail    uint16 // packets that were numbered last and never came
	cutTS   uint32
	lastTS  uint32
	last    shift  // numbers of the last payload descriptor
	ssrc    uint32 // never changes
	current *Layer
	wanted  *Layer
	now     segment // of current
	lastIn  uint64  // of current
	caught  uint64  // last packet that catching up has sent
	chase   uint64  // packet that catching up is at; 0: it is not going on
	lastOut uint64
	lastAt  int64
	held    int64  // since when a key frame of wanted waits for the end of a frame; 0: none does
	credit  int    // how many packets may be repeated
	writer  Writer // never changes
	out     Packet
	head    [maxDescriptor]byte
	counts  DownStats

	rate     int64 // never changes
	exact    bool  // never changes
	numbered bool  // no packet is repeated as it was
	mismatch bool
	paused   bool   // send none
	target   string // rid of the best layer to send; empty: the best there is
	formats  Formats
	repairs  Formats   // payload types of retransmissions (RFC 4588)
	before   []segment // oldest first; at most maxSegments
	pace     pace
	blank    blanker

	repair    uint32 // SSRC of retransmissions; 0: packets are repeated as they were
	repairSeq uint16
	repeats   *[repeatsSize]repeat    // nil: nothing was ever asked for again
	original  [2 + maxDescriptor]byte // head of a retransmission
}

// segment is a stretch of packets that are all renumbered in the same way.
type segment struct {
	layer    *Layer
	from, to uint64 // incoming sequence numbers; to is known of past ones
	delta    int64  // outgoing minus incoming
	ts       uint32
	pt       uint8
	shift    shift
}

// repeat is a packet that was sent again.
type repeat struct {
	out   uint64
	at    int64
	tries int
}

const (
	repeatsSize = 256
	// repeatGap is the least time until a packet is repeated once more; it doubles with
	// every time, because some clients ask on for what has come long ago.
	repeatGap  = int64(20 * time.Millisecond)
	maxRepeats = 9
	fewRepeats = 2

	maxSegments = 64
	maxCredit   = 256
	// jump is a step between sequence numbers that means a new beginning.
	jump = 1 << 15
)

// DownConfig is what a Down is made from.
type DownConfig struct {
	SSRC   uint32
	Rate   int // of the RTP clock, in Hz
	Sound  bool
	Repair uint32 // SSRC of retransmissions; 0: none
	Writer Writer
	Blank  []byte // frame to show while there is no picture; nil: none
	Exact  bool   // sends the layer that it is aimed at, and never another one
	Due    *Due   // marked when Tick has something to do
}

// NewDown makes a subscription, which sends nothing until it is added to a
// track and live.
func NewDown(cfg DownConfig) *Down {
	d := &Down{
		ssrc: cfg.SSRC, rate: int64(cfg.Rate), sound: cfg.Sound, exact: cfg.Exact, writer: cfg.Writer, soon: cfg.Due,
		credit: maxCredit, repair: cfg.Repair, repairSeq: uint16(rand.N(1 << 15)), blank: blanker{frame: cfg.Blank},
	}
	d.lastOut = 1<<32 | uint64(rand.N(1<<15))
	d.lastTS = rand.Uint32()
	d.out.SSRC = cfg.SSRC
	for i := range d.formats {
		d.formats[i], d.repairs[i] = NoFormat, NoFormat
	}
	return d
}

// SSRC returns the stream's SSRC.
func (d *Down) SSRC() uint32 { return d.ssrc }

// SetFormats sets the payload types, by format. Track.Update must follow.
func (d *Down) SetFormats(f Formats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.formats = f
}

// SetRepairs sets the payload types of retransmissions, by the format of what they
// repeat. Without, packets are repeated as they were, unless they are numbered (see
// Extensions.Number): then they are not repeated at all.
func (d *Down) SetRepairs(f Formats, numbered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.repairs, d.numbered = f, numbered
}

// SetLive says whether the transport is up and the client receives.
// Track.Update must follow.
func (d *Down) SetLive(live bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live = live; !live {
		d.halt()
	}
}

// Aim says which layer to send at best, by rid, empty for the best there is, or
// to send none. It reports whether that is new; Track.Update must follow then.
func (d *Down) Aim(rid string, paused bool) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed = d.target != rid || d.paused != paused
	d.target, d.paused = rid, paused
	return changed
}

// Mismatch reports whether the track has packets that the client has no format
// for.
func (d *Down) Mismatch() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mismatch
}

// Current returns the rid of the layer that is sent, and whether one is.
func (d *Down) Current() (rid string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil {
		return "", false
	}
	return d.current.RID, true
}

func (d *Down) layers() (current, wanted *Layer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.live {
		return nil, nil
	}
	return d.current, d.wanted
}

// pause stops what is sent until a new beginning.
func (d *Down) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halt()
}

// leave stops what is sent of a source.
func (d *Down) leave(s *Source) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil && d.current.source == s {
		d.stop()
	}
	if d.wanted != nil && d.wanted.source == s {
		d.wanted = nil
	}
}

// abandon stops what is sent of a layer.
func (d *Down) abandon(l *Layer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == l {
		d.stop()
	}
	if d.wanted == l {
		d.wanted = nil
	}
}

func (d *Down) halt() {
	d.stop()
	d.wanted = nil
}

// stop closes the segment.
func (d *Down) stop() {
	if d.current == nil {
		return
	}
	d.archive(d.lastIn)
	d.current, d.chase, d.held, d.open = nil, 0, 0, false
	d.now = segment{}
}

// archive keeps the segment for repairs and for what comes late.
func (d *Down) archive(to uint64) {
	if len(d.before) == maxSegments {
		copy(d.before, d.before[1:])
		d.before = d.before[:maxSegments-1]
	}
	s := d.now
	s.to = to
	d.before = append(d.before, s)
}

// choose decides on a layer. It returns the layer if a key frame of it is
// needed.
func (d *Down) choose(layers []*Layer, now int64) *Layer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.live {
		return nil
	}
	usable := make([]*Layer, 0, len(layers))
	for _, l := range layers {
		if d.formats[l.Format] != NoFormat {
			usable = append(usable, l)
		}
	}
	d.mismatch = len(usable) == 0 && len(layers) > 0
	if len(usable) == 0 {
		return nil // what was sent until now, of an older source, may go on
	}
	l := d.pick(usable, now)
	if l != d.wanted {
		d.wanted, d.held = l, 0
	}
	switch {
	case l == nil:
		d.stop()
		return nil
	case l == d.current:
		return nil
	case d.current == nil && d.catchUp(l, now):
		return nil
	}
	return l
}

// pick returns the target if it is there, else the best, of those that are
// live.
func (d *Down) pick(layers []*Layer, now int64) *Layer {
	if d.paused {
		return nil
	}
	if d.exact {
		for _, l := range layers {
			if l.RID == d.target {
				return l
			}
		}
		return nil
	}
	var best *Layer
	for _, l := range layers {
		if len(layers) > 1 && l.Idle(now) > stalled {
			continue
		}
		if best = l; d.target != "" && l.RID == d.target {
			break
		}
	}
	if best == nil {
		return d.wanted
	}
	return best
}

// Takes reports whether the client has a payload type for one of the formats.
func (d *Down) Takes(numbers []int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range numbers {
		if d.formats[n] != NoFormat {
			return true
		}
	}
	return false
}
