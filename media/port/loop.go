package port

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"
)

// device is a socket as the system at hand offers it.
type device interface {
	// receive waits for packets and reads as many as there are and fit.
	receive(in *inbox) error
	// send sends messages without waiting. It returns how many it sent, and what is
	// wrong with the next one if it could not send all.
	send(messages []message, pieces [][]byte) (int, error)
	// write sends one packet, and waits for room if it is to.
	write(b []byte, to *Target, wait bool) error
	// segments reports whether a message may have several pieces.
	segments() bool
	close() error
}

// What a device says of a message that it did not send.
var (
	errFull  = errors.New("no room in the socket")
	errSplit = errors.New("message must be sent piece by piece")
)

const (
	// inboxSize is how many packets are read at once.
	inboxSize = 32
	// bufferSize is the longest packet that is read, in bytes. What is longer is no
	// packet of a client's: they keep to less than 1500.
	bufferSize = 2048
)

// yieldEvery is how often a loop asks Go's scheduler for its turn, in nanoseconds. It
// waits in the kernel, not for the scheduler, which takes that for one long turn: after
// 10 ms of it (forcePreemptNS) a monitor thread would look every 20 us, at a tenth of the
// processor, whether it can take the turn away.
const yieldEvery = int64(8 * time.Millisecond)

// inbox is what was read at once.
type inbox struct {
	n    int
	bufs [inboxSize]buffer
	size [inboxSize]int // bytes; 0: the packet was too long
	from [inboxSize]netip.AddrPort
	to   [inboxSize]*conn
	own  [inboxSize]bool // of a STUN request: it comes from an address of the connection
}

// loop reads one socket.
type loop struct {
	p     *Port
	dev   device
	in    inbox
	batch Batch
}

func newLoop(p *Port, id int, d device) *loop {
	l := &loop{p: p, dev: d}
	l.batch.init(p, d, id)
	return l
}

// run reads until the socket is closed.
func (l *loop) run() {
	const most = 1000 // errors in a row
	yielded := l.p.cfg.Now()
	for bad := 0; bad < most; {
		if err := l.dev.receive(&l.in); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			bad++
			l.p.cfg.Log.Debug("cannot read the media port", "err", err)
			continue
		}
		bad = 0
		l.sort()
		now := l.p.cfg.Now()
		for i := range l.in.n {
			l.handle(i, now)
		}
		l.batch.finish()
		if now-yielded > yieldEvery {
			yielded = now
			runtime.Gosched()
		}
	}
	l.p.cfg.Log.Error("gave up reading the media port")
}

// sort finds out whose the packets are.
func (l *loop) sort() {
	in := &l.in
	var last netip.AddrPort
	var owner *conn
	l.p.mu.RLock()
	defer l.p.mu.RUnlock()
	for i := range in.n {
		b, from := in.bufs[i][:in.size[i]], in.from[i]
		if kindOf(b) == request {
			// Whoever asks by name is heard, even from an address of somebody else: that
			// may be where a client is now.
			c := l.p.names[name{string(ufragOf(b)), from.Addr().Is6()}]
			in.to[i], in.own[i] = c, c != nil && l.p.owners[from] == c
			continue
		}
		if from != last || owner == nil {
			last, owner = from, l.p.owners[from]
		}
		in.to[i] = owner
	}
}

// handle gives a packet to its connection.
func (l *loop) handle(i int, now int64) {
	in := &l.in
	b, from, c := in.bufs[i][:in.size[i]], in.from[i], in.to[i]
	in.to[i] = nil
	switch k := kindOf(b); {
	case len(b) == 0:
		l.p.counts.truncated.Add(1)
	case c == nil || k == other:
		l.p.counts.unknown.Add(1)
	case k == request && in.own[i] && c.h != nil && c.h.Request(b, from, now, &l.batch):
		c.touch(from, now, askedGap)
	case k == request:
		c.put(b, from, !c.owns(from))
	case (k == media || k == dtls) && c.h != nil && c.h.Packet(b, now, &l.batch):
		c.touch(from, now, touchGap)
	case k == stun: // the answer to a request of the agent's, nearly always
		c.deliver(b, from, now)
	default:
		c.put(b, from, false)
	}
}
