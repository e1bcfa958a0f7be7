package srtp

import (
	"encoding/binary"
	"sync"
)

// Sender encrypts what goes out. Its methods may be called by any goroutine.
type Sender struct {
	profile Profile
	rtp     session

	mu      sync.Mutex
	streams map[uint32]*SendStream

	rtcp struct {
		sync.Mutex
		coder coder
		index uint32
	}
}

// NewSender takes the keys of the direction that we send in.
func NewSender(p Profile, k Keys) (*Sender, error) {
	s := &Sender{profile: p, streams: map[uint32]*SendStream{}}
	var err error
	if s.rtp, err = newSession(p, k, 0); err != nil {
		return nil, err
	}
	rtcp, err := newSession(p, k, forRTCP)
	if err != nil {
		return nil, err
	}
	s.rtcp.coder = newCoder(rtcp)
	return s, nil
}

// Overhead is by how much an RTP packet grows, in bytes.
func (s *Sender) Overhead() int { return s.profile.Overhead() }

// Stream returns the state of an SSRC. There is one of each until it is retired, because a
// key and a number may never be used for two packets.
func (s *Sender) Stream(ssrc uint32) *SendStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.streams[ssrc]
	if t == nil {
		t = &SendStream{ssrc: ssrc, coder: newCoder(s.rtp)}
		s.streams[ssrc] = t
	}
	return t
}

// Retire forgets an SSRC that will never be sent with again under these keys. Whoever
// calls it sees to that.
func (s *Sender) Retire(ssrc uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, ssrc)
}

// SendStream is one SSRC. One goroutine at a time uses it.
type SendStream struct {
	ssrc  uint32
	begun bool
	fence uint64 // no packet before this one is encrypted any more
	high  uint64 // roll-over counter and sequence number of the newest packet
	coder coder
}

// Seal appends the encrypted payload and a tag to the header of an RTP packet,
// with extensions, in b. b has room for both. The payload is already where it goes
// or somewhere else altogether. The SSRC in the header is the stream's. A packet
// that is repeated is the same as before, from the first bit to the last: with GCM,
// two that differ give away what authenticates all of them. See Fence. It returns
// nil for a packet that is behind a fence.
func (t *SendStream) Seal(b, payload []byte) []byte {
	seq := binary.BigEndian.Uint16(b[2:])
	index := uint64(seq)
	if t.begun {
		index = unroll(t.high, seq)
	}
	if index < t.fence {
		return nil
	}
	t.begun, t.high = true, max(t.high, index)
	return t.coder.sealRTP(b, payload, t.ssrc, index)
}

// Fence says that packets will look different from now on, so that none that was
// encrypted before may be repeated.
func (t *SendStream) Fence() {
	if t.begun {
		t.fence = t.high + 1
	}
}

// unroll returns which packet a sequence number means: the one closest to the
// newest (RFC 3711, 3.3.1).
func unroll(high uint64, seq uint16) uint64 {
	step := int64(int16(seq - uint16(high)))
	if step < 0 && uint64(-step) > high {
		return uint64(seq)
	}
	return high + uint64(step)
}

// SealRTCP encrypts a compound packet in place, if there is room behind it for
// MaxOverhead, and returns it.
func (s *Sender) SealRTCP(b []byte) ([]byte, error) {
	if len(b) < rtcpHeader {
		return nil, ErrMalformed
	}
	r := &s.rtcp
	r.Lock()
	defer r.Unlock()
	if r.index == encrypted-1 {
		return nil, ErrSpent
	}
	r.index++
	return r.coder.sealRTCP(b, binary.BigEndian.Uint32(b[4:]), r.index), nil
}
