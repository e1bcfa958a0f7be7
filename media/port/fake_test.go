package port

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// fake is a socket in memory.
type fake struct {
	in   chan []datagram
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	sent  []datagram
	calls int
	gso   bool
	// deny says what is wrong with a message.
	deny func(n int, b []byte) error
}

type datagram struct {
	b  []byte
	at netip.AddrPort
	of int // how many pieces the message had
}

func newFake() *fake {
	return &fake{in: make(chan []datagram), done: make(chan struct{}), gso: true}
}

func (f *fake) receive(in *inbox) error {
	select {
	case <-f.done:
		return net.ErrClosed
	case all := <-f.in:
		in.n = len(all)
		for i, d := range all {
			in.from[i], in.size[i] = d.at, copy(in.bufs[i][:], d.b)
			if len(d.b) > bufferSize {
				in.size[i] = 0
			}
		}
	}
	return nil
}

func (f *fake) send(messages []message, pieces [][]byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for i, m := range messages {
		if f.deny != nil {
			if err := f.deny(m.last-m.first, pieces[m.first]); err != nil {
				return i, err
			}
		}
		for _, p := range pieces[m.first:m.last] {
			f.sent = append(f.sent, datagram{slices.Clone(p), m.to.to, m.last - m.first})
		}
	}
	return len(messages), nil
}

func (f *fake) write(b []byte, to *Target, wait bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deny != nil && !wait {
		if err := f.deny(1, b); err != nil {
			return err
		}
	}
	f.sent = append(f.sent, datagram{slices.Clone(b), to.to, 1})
	return nil
}

func (f *fake) segments() bool { return f.gso }

func (f *fake) close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// took returns what was sent, and forgets it.
func (f *fake) took() []datagram {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.sent
	f.sent = nil
	return all
}

// newPort makes a port of sockets in memory.
func newPort(t testing.TB, now func() int64) (*Port, *fake) {
	t.Helper()
	if now == nil {
		now = func() int64 { return 1 }
	}
	f := newFake()
	p := start(Config{Now: now}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7000}, []device{f})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, f
}

func at(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), port)
}

// stunFor is a binding request.
func stunFor(user string) []byte {
	b := make([]byte, stunHeader, 64)
	b[1] = 1
	binary.BigEndian.PutUint32(b[4:], cookie)
	b = append(b, 0x80, 0x22, 0, 1, 'x', 0, 0, 0) // SOFTWARE
	b = binary.BigEndian.AppendUint16(b, 6)
	b = binary.BigEndian.AppendUint16(b, uint16(len(user)))
	b = append(b, user...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader))
	return b
}

// success is the answer to one.
func success() []byte {
	b := stunFor("")
	b[0] = 1
	return b
}

// media is an RTP packet.
func rtpOf(text string) []byte { return append([]byte{0x80, 96}, text...) }

// taker takes what comes.
type taker struct {
	mu      sync.Mutex
	got     []string
	refuse  bool
	pass    bool // DTLS
	settled netip.AddrPort
	answer  func(b []byte, out *Batch)
}

func (h *taker) Packet(b []byte, _ int64, out *Batch) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse || kindOf(b) == dtls && h.pass {
		return false
	}
	h.got = append(h.got, string(b))
	if h.answer != nil {
		h.answer(b, out)
	}
	return true
}

func (h *taker) Request(b []byte, from netip.AddrPort, _ int64, out *Batch) bool {
	if !h.Settled(from) {
		return false
	}
	out.Add(append(out.Reserve(100), "answer"...), NewTarget(from), nil)
	return true
}

func (h *taker) settle(at netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled = at
}

func (h *taker) Settled(to netip.AddrPort) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settled == to
}

func (h *taker) took() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.got
	h.got = nil
	return all
}

// agent is an ICE agent's side of a connection.
type agent struct {
	*handle
	t  testing.TB
	mu sync.Mutex
	in []datagram
}

func newAgent(t testing.TB, p *Port, ufrag string, h Handler) *agent {
	t.Helper()
	c, err := p.Mux(h).GetConn(ufrag, p.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	return &agent{handle: c.(*handle), t: t}
}

// read reads until the end.
func (a *agent) read() {
	buf := make([]byte, bufferSize)
	for {
		n, from, err := a.ReadFromAddrPort(buf)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.in = append(a.in, datagram{b: slices.Clone(buf[:n]), at: from})
		a.mu.Unlock()
	}
}

func (a *agent) took() []datagram {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.in
	a.in = nil
	return all
}

func (a *agent) write(b []byte, to netip.AddrPort) {
	a.t.Helper()
	if _, err := a.WriteToAddrPort(b, to); err != nil {
		a.t.Fatal(err)
	}
}
