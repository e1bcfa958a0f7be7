package mediatest

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// Stats is what was received of one track.
type Stats struct {
	Stream string // MediaStream id
	Kind   string // "audio" or "video"
	Codec  string // "VP8", "opus", …

	Packets    int
	Bytes      int
	Lost       int // given up
	Duplicates int
	Late       int // came after a later one: reordered, or repaired
	Backward   int // timestamps that went back

	Frames      int // complete and undamaged
	KeyFrames   int
	Broken      int // damaged, or with a part missing
	Undecodable int // whole, but the frame it builds on was not there
	Foreign     int // not synthetic, such as placeholders and real encoders' frames
	IDGaps      int // picture ids (RFC 7741) that do not follow each other
	Switches    int // changes of camera or layer
	Last        Frame
	First       time.Time // when the first packet came
	FirstFrame  time.Time // when the first decodable frame was complete
	MaxDelay    time.Duration

	Wrong        int   // audio packets that are not what the microphone sent then
	Loud, Silent int   // audio packets, by level
	Level        uint8 // of the last audio packet, -dBov (RFC 6464); 127: silence or not known
}

// patience is how long a missing packet is waited for. It is longer than a
// repair takes at any round-trip time that is tested.
const patience = 4 * time.Second

// A Receiver puts a track's packets in order and checks what they carry: whose they
// are, that they are whole and unchanged, and what is missing. Peers have one for every
// track; it is exported for clients of other libraries. It is used by one goroutine.
type Receiver struct {
	stats Stats
	level uint8 // header extension id of the audio level; 0: none

	spoken bool
	begin  uint32 // timestamp that the microphone's first packet had
	source uint32 // which microphone it is

	started bool
	next    uint64 // the lowest extended sequence number that is missing
	high    uint64
	gap     time.Time // since when next is missing, zero: it is not
	held    map[uint64]*rtp.Packet

	lastTS  uint32
	haveTS  bool
	frame   []byte
	open    bool // a frame has begun
	wide    bool // picture ids of 15 bits
	damaged bool
	pid     int // of the frame before; -1: not known
	needKey bool
	lastPID int
	delay   time.Duration // of a frame that has just been finished, or of sound
	left    *Departures   // nil: frames leave when they are made, and of sound it is not known
}

// NewReceiver returns one for a track of a stream. kind is "audio" or "video", codec
// the name as in Stats; level is the number of the header extension of audio levels, 0:
// not negotiated.
func NewReceiver(stream, kind, codec string, level uint8) *Receiver {
	return &Receiver{
		held: map[uint64]*rtp.Packet{}, lastPID: -1, needKey: true, level: level,
		stats: Stats{Stream: stream, Kind: kind, Codec: codec, Level: 127},
	}
}

// Stats returns what was received so far.
func (r *Receiver) Stats() Stats { return r.stats }

// Stuck reports whether a decoder could not go on without a key frame.
func (r *Receiver) Stuck() bool { return r.needKey && r.stats.Frames > 0 }

// Push takes a packet as it arrives, and keeps it.
func (r *Receiver) Push(p *rtp.Packet, now time.Time) {
	r.stats.Packets++
	r.stats.Bytes += len(p.Payload)
	if !r.started {
		r.started, r.stats.First = true, now
		r.next = 1<<32 | uint64(p.SequenceNumber)
		r.high = r.next - 1
	}
	seq := r.high + uint64(int64(int16(p.SequenceNumber-uint16(r.high))))
	if seq < r.next || r.held[seq] != nil {
		r.stats.Duplicates++
		return
	}
	if seq < r.high {
		r.stats.Late++
	}
	r.high = max(r.high, seq)
	r.held[seq] = p
	r.compare(p, now)
	r.drain(now)
}

// compare checks a packet of sound as it comes: what it carries, and that its timestamp
// belongs to it.
func (r *Receiver) compare(p *rtp.Packet, now time.Time) {
	if r.stats.Kind != "audio" || len(p.Payload) <= 3 {
		return
	}
	if len(p.Payload) != audioBytes || p.Payload[0] != 0x78 || slices.Max(p.Payload[9:]) > 0 {
		r.stats.Wrong++
		return
	}
	n, source := binary.BigEndian.Uint32(p.Payload[1:]), binary.BigEndian.Uint32(p.Payload[5:])
	begin := p.Timestamp - n*960
	if !r.spoken {
		r.spoken, r.begin, r.source = true, begin, source
	}
	if begin != r.begin || source != r.source {
		r.stats.Wrong++
		return
	}
	if left := r.left.of(source, soundLayer, n); !left.IsZero() {
		r.delay = now.Sub(left)
	}
}

func (r *Receiver) drain(now time.Time) {
	for {
		if p := r.held[r.next]; p != nil {
			delete(r.held, r.next)
			r.next++
			r.gap = time.Time{}
			r.ordered(p, now)
			continue
		}
		if len(r.held) == 0 {
			return
		}
		if r.gap.IsZero() {
			r.gap = now
		}
		if now.Sub(r.gap) < patience {
			return
		}
		r.stats.Lost++
		r.next++
		r.damaged, r.needKey = true, true
	}
}

func (r *Receiver) ordered(p *rtp.Packet, now time.Time) {
	if len(p.Payload) == 0 {
		return
	}
	if r.haveTS && int32(p.Timestamp-r.lastTS) < 0 {
		r.stats.Backward++
	}
	r.haveTS, r.lastTS = true, p.Timestamp
	if r.stats.Kind == "audio" {
		r.audio(p)
		return
	}
	if r.stats.Codec == "VP8" {
		r.video(p, now)
	}
}

// audio judges sound by its level; packets that do not say one by what they carry.
func (r *Receiver) audio(p *rtp.Packet) {
	r.stats.Level = 127
	if ext := p.GetExtension(r.level); r.level != 0 && len(ext) > 0 {
		r.stats.Level = ext[0] & 0x7f
	} else if len(p.Payload) > 3 {
		r.stats.Level = loud
	}
	if r.stats.Level == 127 {
		r.stats.Silent++
		return
	}
	r.stats.Loud++
}

func (r *Receiver) video(p *rtp.Packet, now time.Time) {
	var d codecs.VP8Packet
	payload, err := d.Unmarshal(p.Payload)
	if err != nil {
		r.stats.Broken++
		return
	}
	if d.S == 1 && d.PID == 0 {
		if r.open {
			r.stats.Broken++
		}
		r.open, r.damaged, r.frame, r.pid = true, false, r.frame[:0], -1
		if d.I == 1 {
			r.pid, r.wide = int(d.PictureID), p.Payload[2]&0x80 != 0
		}
	}
	if !r.open {
		return
	}
	r.frame = append(r.frame, payload...)
	if p.Marker {
		r.open = false
		r.finish(now)
	}
}

// finish judges a frame.
func (r *Receiver) finish(now time.Time) {
	if r.damaged {
		r.stats.Broken++
		return
	}
	mask := 0x7f
	if r.wide {
		mask = 0x7fff
	}
	if r.lastPID >= 0 && r.pid >= 0 && r.pid != (r.lastPID+1)&mask {
		r.stats.IDGaps++
	}
	r.lastPID = r.pid
	if f, err := ParseFrame(r.frame); err == nil {
		r.take(f, now)
	} else {
		r.foreign()
	}
}

// take counts a frame of a synthetic camera.
func (r *Receiver) take(f Frame, now time.Time) {
	last := r.stats.Last
	same := f.Source == last.Source && f.Layer == last.Layer
	if !f.Key && (r.needKey || !same || f.Number != last.Number+1) {
		r.stats.Undecodable++
		r.needKey = true
		return
	}
	if r.stats.Frames == 0 {
		r.stats.FirstFrame = now
	} else if !same {
		r.stats.Switches++
	}
	left := r.left.of(f.Source, f.Layer, f.Number)
	if left.IsZero() {
		left = f.Sent
	}
	r.needKey, r.delay = false, now.Sub(left)
	r.stats.Last = f
	r.stats.Frames++
	r.stats.MaxDelay = max(r.stats.MaxDelay, r.delay)
	if f.Key {
		r.stats.KeyFrames++
	}
}

// foreign counts a frame that is not ours: a placeholder is a key frame with a
// start code and cannot be checked.
func (r *Receiver) foreign() {
	if len(r.frame) > frameHeader && r.frame[0]&1 == 0 && bytes.Equal(r.frame[3:6], []byte{0x9d, 0x01, 0x2a}) {
		r.stats.Foreign++
		r.needKey = true
		return
	}
	if r.stats.Frames > 0 {
		r.stats.Broken++
		return
	}
	r.stats.Foreign++ // a real encoder's
}
