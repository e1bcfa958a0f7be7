package mediatest

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/transport/v4"
)

// arrivals knows when packets of RTP came in at a socket, as the kernel tells: before they
// waited for us to read them. A load that has many clients on few processors would else
// take its own queues for those of the server. Where the kernel does not tell, nothing is
// known. It knows the last ones only.
type arrivals struct {
	mu   sync.Mutex
	last [1 << 12]arrival
}

type arrival struct {
	ssrc uint32
	seq  uint16
	at   time.Time
}

// place is where a packet is kept. Streams begin at random, so two of them seldom meet.
func (a *arrivals) place(ssrc uint32, seq uint16) *arrival {
	return &a.last[(uint32(seq)+ssrc)%uint32(len(a.last))]
}

// note takes a datagram in.
func (a *arrivals) note(b []byte, at time.Time) {
	const version, header = 2, 12
	if len(b) < header || b[0]>>6 != version || b[1] >= 192 && b[1] < 224 { // RTCP (RFC 5761, 4)
		return
	}
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	a.mu.Lock()
	*a.place(ssrc, seq) = arrival{ssrc, seq, at}
	a.mu.Unlock()
}

// of returns when a packet came in; if that is not known, now.
func (a *arrivals) of(ssrc uint32, seq uint16) time.Time {
	if a != nil {
		a.mu.Lock()
		is := *a.place(ssrc, seq)
		a.mu.Unlock()
		if is.ssrc == ssrc && is.seq == seq && !is.at.IsZero() {
			return is.at
		}
	}
	return time.Now()
}

// stamped is a network whose UDP sockets note arrivals.
type stamped struct {
	transport.Net
	a *arrivals
}
