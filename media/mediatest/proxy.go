package mediatest

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Loss is what a Proxy does to packets. Parts are from 0 to 1.
type Loss struct {
	Up, Down  float64 // lost, from the clients and to them
	Reordered float64 // held back until some others have passed
	Doubled   float64
	Delay     time.Duration // of every packet
	Rate      int           // what passes to each client, in bit/s; 0: everything
}

// longest is how much time's worth of packets waits where there is a rate. More is
// lost.
const longest = 300 * time.Millisecond

// A Proxy is a bad UDP path to an engine: clients that are told its address
// reach the engine through it. STUN and DTLS pass unharmed, so that connections
// come up.
type Proxy struct {
	front  *net.UDPConn
	target netip.AddrPort
	loss   atomic.Pointer[Loss]
	drops  atomic.Int64
	wg     sync.WaitGroup

	mu    sync.Mutex
	backs map[netip.AddrPort]*net.UDPConn // by client; nil: closed
}

// NewProxy starts a proxy on a port of its own. Target is set before the first
// packet comes.
func NewProxy() (*Proxy, error) {
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &Proxy{front: front, backs: map[netip.AddrPort]*net.UDPConn{}}
	p.loss.Store(&Loss{})
	return p, nil
}

// Addr is what clients have to be told.
func (p *Proxy) Addr() netip.AddrPort { return p.front.LocalAddr().(*net.UDPAddr).AddrPort() }

// Start begins to forward to the engine's UDP address.
func (p *Proxy) Start(target net.Addr) {
	p.target = target.(*net.UDPAddr).AddrPort()
	p.wg.Go(p.serve)
}

// Set changes what happens to packets.
func (p *Proxy) Set(l Loss) { p.loss.Store(&l) }

// Drops returns how many packets were lost.
func (p *Proxy) Drops() int { return int(p.drops.Load()) }

// Close ends the proxy.
func (p *Proxy) Close() error {
	p.mu.Lock()
	backs := p.backs
	p.backs = nil
	p.mu.Unlock()
	err := p.front.Close()
	for _, b := range backs {
		err = errors.Join(err, b.Close())
	}
	p.wg.Wait()
	return err
}

func (p *Proxy) serve() {
	path := &path{p: p, part: func(l *Loss) float64 { return l.Up }, rate: func(*Loss) int { return 0 }}
	buf := make([]byte, 2048)
	for {
		n, from, err := p.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if back := p.back(from); back != nil {
			path.pass(buf[:n], func(b []byte) { _, _ = back.Write(b) })
		}
	}
}

// back returns the socket that stands for a client.
func (p *Proxy) back(client netip.AddrPort) *net.UDPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.backs[client]; b != nil || p.backs == nil {
		return b
	}
	b, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(p.target))
	if err != nil {
		return nil
	}
	p.backs[client] = b
	p.wg.Go(func() {
		path := &path{p: p, part: func(l *Loss) float64 { return l.Down }, rate: func(l *Loss) int { return l.Rate }}
		buf := make([]byte, 2048)
		for {
			n, err := b.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // the engine's socket is not there
			}
			path.pass(buf[:n], func(b []byte) { _, _ = p.front.WriteToUDPAddrPort(b, client) })
		}
	})
	return b
}

// path is one direction.
type path struct {
	p    *Proxy
	part func(*Loss) float64
	rate func(*Loss) int
	held []held
	busy time.Time // until when all that passes slowly is through
}

// held is a packet that waits until others have passed it.
type held struct {
	b     []byte
	after int
}

func (w *path) pass(b []byte, send func([]byte)) {
	l := w.p.loss.Load()
	const media = 128 // first byte of RTP and RTCP (RFC 7983)
	if b[0] < media || b[0] >= 192 {
		send(b)
		return
	}
	delay, ok := w.queue(len(b), w.rate(l))
	if !ok {
		w.p.drops.Add(1)
		return
	}
	delay += l.Delay
	switch r := rand.Float64(); {
	case r < w.part(l):
		w.p.drops.Add(1)
		return
	case r < w.part(l)+l.Reordered:
		w.held = append(w.held, held{b: append([]byte(nil), b...), after: 1 + rand.IntN(4)})
		return
	case r < w.part(l)+l.Reordered+l.Doubled:
		send(b)
	}
	w.send(b, delay, send)
	keep := w.held[:0]
	for _, h := range w.held {
		if h.after--; h.after > 0 {
			keep = append(keep, h)
			continue
		}
		w.send(h.b, delay, send)
	}
	w.held = keep
}

// queue returns how long a packet waits for those before it.
func (w *path) queue(size, rate int) (time.Duration, bool) {
	if rate <= 0 {
		return 0, true
	}
	now := time.Now()
	if w.busy.Before(now) {
		w.busy = now
	}
	if w.busy.Sub(now) > longest {
		return 0, false
	}
	w.busy = w.busy.Add(time.Duration(size) * 8 * time.Second / time.Duration(rate))
	return w.busy.Sub(now), true
}

func (w *path) send(b []byte, delay time.Duration, send func([]byte)) {
	if delay == 0 {
		send(b)
		return
	}
	b = append([]byte(nil), b...)
	time.AfterFunc(delay, func() { send(b) })
}
