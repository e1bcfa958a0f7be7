package forward

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// storm is a publisher of two layers over a bad network, and a subscriber over
// another.
type storm struct {
	t      *testing.T
	rnd    *rand.Rand
	now    int64
	layers [2]*Layer
	sent   [2]map[uint16]rtp // that the publisher can repeat
	seq    [2]uint16
	pid    [2]uint16
	keys   [2]bool // wanted
	late   []late

	down    *Down
	wire    map[uint64]string // what was sent to the subscriber, by extended number
	arrived map[uint64]string // what it has
	high    uint64
	first   uint64

	burst     *Burst // nil: each packet is forwarded as it comes
	numbered  bool
	repairs   int // retransmissions
	repairSeq uint16
}

// stormRepair is the SSRC of retransmissions.
const stormRepair = 0xf00e

// late is a packet that comes later than those behind it.
type late struct {
	at    int64
	layer int
	p     rtp
}

// RequestKey implements Upstream.
func (s *storm) RequestKey(l *Layer) {
	for i := range s.layers {
		s.keys[i] = s.keys[i] || s.layers[i] == l
	}
}

// Began implements Upstream.
func (s *storm) Began(*Source, *Layer) {}

// Write implements Writer: the subscriber's side.
func (s *storm) Write(p *Packet) error {
	payload := append(append([]byte(nil), p.Head...), p.Body...)
	number, again := p.Seq, p.SSRC == stormRepair
	if again {
		if p.PT != 101 || s.repairs > 0 && p.Seq != s.repairSeq+1 {
			s.t.Fatalf("retransmission %d of type %d after %d", p.Seq, p.PT, s.repairSeq)
		}
		s.repairs++
		s.repairSeq = p.Seq
		number, payload = binary.BigEndian.Uint16(payload), payload[2:]
	} else if p.PT != 100 || p.SSRC != 0xf00d {
		s.t.Fatalf("packet of %x, type %d", p.SSRC, p.PT)
	}
	lost := s.high != 0 && s.rnd.Float64() < 0.2 // nobody misses what was before the first
	if s.high == 0 {
		s.high = 1<<32 | uint64(p.Seq)
		s.first = s.high
	}
	seq := s.high + uint64(int64(int16(number-uint16(s.high))))
	// It is encrypted with its number, so that it may never be another one.
	wire := string(p.AppendTo(nil, Extensions{Level: 1, Time: 2}))
	if was, twice := s.wire[seq]; twice && (was != wire || s.numbered) && !again {
		s.t.Fatalf("number %d was %x and is %x", seq, was, wire)
	}
	if p.At != s.now {
		s.t.Fatalf("sent at %d, and it is %d", p.At, s.now)
	}
	if !again {
		s.wire[seq] = wire
	}
	if lost {
		return nil
	}
	s.high = max(s.high, seq)
	what := "padding"
	if d := describe(payload); d.size > 0 {
		what = fmt.Sprintf("%s pid %d marker %v", payload[d.size:], d.pid, p.Marker)
		if d.begins {
			what = fmt.Sprintf("begins key %v %s", VP8.look(payload).begins, what)
		}
	}
	if was, twice := s.arrived[seq]; twice && was != what {
		s.t.Fatalf("number %d was %q and is %q", seq, was, what)
	}
	s.arrived[seq] = what
	return nil
}

// frame sends one frame of each layer.
func (s *storm) frame(n int) {
	for i := range s.layers {
		key := s.keys[i] || n == 0
		s.keys[i] = false
		size := 1 + s.rnd.IntN(4)*(i+1)
		for k := range size {
			payload := vp8Frame{
				begins: k == 0, key: key && k == 0, pid: s.pid[i] & 0x7fff, body: fmt.Sprintf("<%d.%d.%d/%d>", i, n, k, size),
			}.payload()
			s.packet(i, rtp{ts: uint32(n) * 3000, marker: k == size-1, payload: payload})
		}
		s.pid[i]++
		if s.rnd.IntN(10) == 0 {
			s.packet(i, rtp{ts: uint32(n) * 3000, padding: 50})
		}
	}
}

// packet sends a packet: most arrive, some later, some only when asked for.
func (s *storm) packet(i int, p rtp) {
	p.seq = s.seq[i]
	s.seq[i]++
	s.sent[i][p.seq] = p
	switch r := s.rnd.Float64(); {
	case r < 0.05:
	case r < 0.10:
		s.late = append(s.late, late{s.now + int64(s.rnd.IntN(20))*ms, i, p})
	default:
		s.layers[i].Push(p.header(s.t), Arrival{At: s.now, Burst: s.burst})
	}
}

// repair lets time pass for everybody who repairs.
func (s *storm) repair() {
	keep := s.late[:0]
	for _, l := range s.late {
		if l.at > s.now {
			keep = append(keep, l)
			continue
		}
		s.layers[l.layer].Push(l.p.header(s.t), Arrival{At: s.now, Burst: s.burst})
	}
	s.late = keep
	if s.burst != nil {
		s.burst.Forward(nil)
	}
	for i, l := range s.layers {
		for _, seq := range l.Tick(s.now, nil) {
			if p, ok := s.sent[i][seq]; ok && s.rnd.Float64() > 0.05 {
				s.late = append(s.late, late{s.now + 30*ms, i, p})
			}
		}
	}
	s.down.Tick(s.now)
	var nack []uint16
	for seq := s.first; seq < s.high; seq++ {
		if s.arrived[seq] == "" {
			nack = append(nack, uint16(seq))
		}
	}
	if len(nack) > 0 && s.rnd.IntN(5) == 0 {
		s.down.Repeat(nack[:min(len(nack), 40)], s.now, nil)
	}
}

// Under loss, delay and padding on the way in, and loss on the way out, with
// switches of layers, all that was numbered arrives in the end, and every
// payload is where it belongs.
func TestStorm(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := &storm{
				t: t, rnd: rand.New(rand.NewPCG(seed, 1)), now: 1000 * ms, arrived: map[uint64]string{}, wire: map[uint64]string{},
				sent: [2]map[uint16]rtp{{}, {}}, seq: [2]uint16{65400, 20}, pid: [2]uint16{32700, 5},
			}
			track, src := NewTrack(), NewSource(s, &Clock{})
			track.Feed(src, s.now)
			s.layers = [2]*Layer{video(src, "a"), video(src, "b")}
			s.down = subscribed(track, s, s.now)
			s.numbered = seed%4 == 3
			if rtx := seed%2 == 1; rtx {
				s.down.repair = stormRepair
				f := s.down.repairs
				f[4] = 101
				s.down.SetRepairs(f, s.numbered)
			}
			if seed%4 >= 2 {
				s.burst = &Burst{}
			}
			for n := range 600 {
				if s.burst != nil { // layers change while packets wait
					s.frame(n)
				}
				if n%50 == 0 {
					s.down.Aim([]string{"a", "b"}[n/50%2], false)
					track.Update(s.now)
				}
				if s.burst == nil {
					s.frame(n)
				} else {
					s.burst.Forward(nil)
				}
				for range 3 {
					s.now += 11 * ms
					s.repair()
				}
			}
			for range 300 {
				s.now += 11 * ms
				s.repair()
			}
			s.check()
		})
	}
}

// check looks at what arrived, in order.
func (s *storm) check() {
	frames, switches, missing := 0, 0, 0
	layer, number, part, pid := -1, -1, 0, -1
	for seq := s.first; seq <= s.high; seq++ {
		what := s.arrived[seq]
		if what == "" {
			missing++
			continue
		}
		if what == "padding" {
			continue
		}
		var i, n, k, size, id int
		var begins, key, marker bool
		rest := what
		if _, err := fmt.Sscanf(rest, "begins key %t", &key); err == nil {
			begins = true
		}
		at := 0
		for at < len(rest) && rest[at] != '<' {
			at++
		}
		if _, err := fmt.Sscanf(rest[at:], "<%d.%d.%d/%d> pid %d marker %t", &i, &n, &k, &size, &id, &marker); err != nil {
			s.t.Fatalf("%q: %v", what, err)
		}
		if missing > 0 {
			continue // nothing to compare with
		}
		switch {
		case begins && i != layer:
			if !key {
				s.t.Fatalf("layer %d begins without a key frame: %q", i, what)
			}
			switches++
			layer, number = i, n
		case begins:
			if n != number+1 || part != 0 {
				s.t.Fatalf("frame %d.%d part %d after %d.%d", i, n, k, layer, number)
			}
			number = n
		case i != layer || n != number || k != part:
			s.t.Fatalf("%q after %d.%d.%d", what, layer, number, part)
		}
		if begins && pid >= 0 && id != (pid+1)&0x7fff && !key {
			s.t.Fatalf("picture id %d after %d", id, pid)
		}
		pid = id
		if part = k + 1; marker {
			if part != size {
				s.t.Fatalf("%q ends early", what)
			}
			part = 0
			frames++
		}
	}
	if missing > 0 {
		s.t.Errorf("%d of %d packets are missing: %+v", missing, s.high-s.first, s.down.Stats())
	}
	if frames < 500 || switches < 10 {
		s.t.Errorf("%d frames, %d switches", frames, switches)
	}
}
