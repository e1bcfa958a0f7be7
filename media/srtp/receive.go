package srtp

import (
	"encoding/binary"
	"errors"
)

// What is wrong with packets.
var (
	ErrMalformed = errors.New("malformed SRTP packet")
	ErrForged    = errors.New("SRTP packet does not authenticate")
	ErrReplayed  = errors.New("SRTP packet came before")
	ErrStale     = errors.New("SRTP packet came too late")
	ErrTooMany   = errors.New("too many SSRCs")
	ErrSpent     = errors.New("SRTP key is used up")
)

const (
	// Window is how many packets an RTP packet may come late.
	Window = 1024
	// rtcpWindow is the same of RTCP.
	rtcpWindow = 64
	// MaxStreams is how many SSRCs may come in, unless Receiver.Allow says more.
	MaxStreams = 256
)

// Receiver decrypts what comes in. One goroutine at a time uses it.
type Receiver struct {
	profile Profile
	rtp     coder
	rtcp    coder

	streams  map[uint32]*receiveStream
	controls map[uint32]*controlStream
	last     *receiveStream
	most     int // SSRCs
}

// receiveStream is what is remembered of an SSRC.
type receiveStream struct {
	ssrc uint32
	high uint64 // roll-over counter and sequence number of the newest packet
	seen [Window / 64]uint64
}

type controlStream struct {
	high uint32
	seen uint64 // bit n: high-n came
}

// NewReceiver takes the keys of the direction that the other side sends in.
func NewReceiver(p Profile, k Keys) (*Receiver, error) {
	r := &Receiver{profile: p, most: MaxStreams, streams: map[uint32]*receiveStream{}, controls: map[uint32]*controlStream{}}
	rtp, err := newSession(p, k, 0)
	if err != nil {
		return nil, err
	}
	rtcp, err := newSession(p, k, forRTCP)
	if err != nil {
		return nil, err
	}
	r.rtp, r.rtcp = newCoder(rtp), newCoder(rtcp)
	return r, nil
}

// Allow says how many SSRCs may come in.
func (r *Receiver) Allow(streams int) { r.most = streams }

// Forget makes room for another SSRC than one that is not taken any more. What comes
// of it again is taken for new.
func (r *Receiver) Forget(ssrc uint32) {
	delete(r.streams, ssrc)
	delete(r.controls, ssrc)
	if r.last != nil && r.last.ssrc == ssrc {
		r.last = nil
	}
}

// headerSize returns the length of the part of an RTP packet that is not
// encrypted (RFC 3550, 5.1 and 5.3.1), 0 if there is none.
func headerSize(b []byte) int {
	const fixed, extension = 12, 0x10
	if len(b) < fixed || b[0]>>6 != 2 {
		return 0
	}
	n := fixed + 4*int(b[0]&0x0f)
	if b[0]&extension != 0 {
		if len(b) < n+4 {
			return 0
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(b[n+2:]))
	}
	if len(b) < n {
		return 0
	}
	return n
}

// Open decrypts an RTP packet in place, and returns it without its tag. A packet
// that it refuses may have been destroyed.
func (r *Receiver) Open(b []byte) ([]byte, error) {
	header := headerSize(b)
	if header == 0 || len(b) < header+r.profile.Overhead() {
		return nil, ErrMalformed
	}
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	s := r.last
	if s == nil || s.ssrc != ssrc {
		s = r.streams[ssrc]
	}
	index := uint64(seq)
	if s == nil && len(r.streams) >= r.most {
		return nil, ErrTooMany
	}
	if s != nil {
		index = unroll(s.high, seq)
		if err := s.check(index); err != nil {
			return nil, err
		}
	}
	out, err := r.rtp.openRTP(b, header, ssrc, index)
	if err != nil {
		return nil, err
	}
	if s == nil {
		s = &receiveStream{ssrc: ssrc, high: index}
		r.streams[ssrc] = s
	}
	s.mark(index)
	r.last = s
	return out, nil
}

// check refuses what came before or comes too late.
func (s *receiveStream) check(index uint64) error {
	switch {
	case index > s.high:
		return nil
	case s.high-index >= Window:
		return ErrStale
	case s.seen[index%Window/64]&(1<<(index%64)) != 0:
		return ErrReplayed
	}
	return nil
}

// mark notes a packet.
func (s *receiveStream) mark(index uint64) {
	if index > s.high {
		if index-s.high >= Window {
			s.seen = [Window / 64]uint64{}
		} else {
			for i := s.high + 1; i < index; i++ {
				s.seen[i%Window/64] &^= 1 << (i % 64)
			}
		}
		s.high = index
	}
	s.seen[index%Window/64] |= 1 << (index % 64)
}

// OpenRTCP decrypts a compound packet in place, and returns it without tag and
// index. A packet that it refuses may have been destroyed. Packets that are only
// authenticated are refused: no browser sends any.
func (r *Receiver) OpenRTCP(b []byte) ([]byte, error) {
	index, ok := r.rtcp.rtcpIndex(b)
	if !ok || b[0]>>6 != 2 {
		return nil, ErrMalformed
	}
	ssrc := binary.BigEndian.Uint32(b[4:])
	s := r.controls[ssrc]
	switch {
	case s == nil && len(r.controls) >= r.most:
		return nil, ErrTooMany
	case s == nil || index > s.high:
	case s.high-index >= rtcpWindow:
		return nil, ErrStale
	case s.seen&(1<<(s.high-index)) != 0:
		return nil, ErrReplayed
	}
	out, err := r.rtcp.openRTCP(b, ssrc, index)
	if err != nil {
		return nil, err
	}
	if s == nil {
		s = &controlStream{high: index}
		r.controls[ssrc] = s
	}
	if index > s.high {
		s.seen <<= index - s.high // 0 for 64 and more
		s.high = index
	}
	s.seen |= 1 << (s.high - index)
	return out, nil
}
