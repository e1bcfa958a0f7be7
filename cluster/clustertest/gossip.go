package clustertest

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// GossipPort is where hosts gossip.
const GossipPort = 7946

// Transport is how the memberlist of a host reaches others.
type Transport struct {
	host    *Host
	stream  net.Listener
	streams chan net.Conn
	packets chan *memberlist.Packet
	closed  chan struct{}
	once    sync.Once
	tasks   sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

// Gossip opens the gossip port of the host.
func (h *Host) Gossip() *Transport {
	t := &Transport{
		host: h, stream: h.Listen(GossipPort), streams: make(chan net.Conn), closed: make(chan struct{}),
		packets: make(chan *memberlist.Packet, 1024), // as much as a socket's buffer holds
	}
	h.net.mu.Lock()
	h.packets[GossipPort] = t
	h.net.mu.Unlock()
	t.tasks.Go(t.accept)
	return t
}

func (t *Transport) accept() {
	for {
		c, err := t.stream.Accept()
		if err != nil {
			return
		}
		select {
		case t.streams <- c:
		case <-t.closed:
			_ = c.Close()
			return
		}
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.host.Addr.AsSlice(), GossipPort, nil
}

// WriteTo implements memberlist.Transport.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist.NodeAwareTransport. Like UDP it knows of no
// loss.
func (t *Transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	to, err := portOf(addr.Addr)
	if err != nil {
		return time.Time{}, err
	}
	n, now := t.host.net, time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent++
	peer := n.hosts[to.Addr()]
	if peer == nil || !n.reaches(t.host, peer) || n.loss > 0 && n.rand.Float64() < n.loss {
		return now, nil
	}
	p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: tcpAddr(t.host, GossipPort)}
	if port := peer.packets[to.Port()]; port != nil {
		time.AfterFunc(delay, func() { port.arrive(p) })
	}
	return now, nil
}

// arrive takes a packet, or loses it if there are too many.
func (t *Transport) arrive(p *memberlist.Packet) {
	p.Timestamp = time.Now()
	select {
	case <-t.closed:
	case t.packets <- p:
	default:
	}
}

// PacketCh implements memberlist.Transport.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// DialTimeout implements memberlist.Transport.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.host.Dial(ctx, addr)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *Transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(addr.Addr, timeout)
}

// StreamCh implements memberlist.Transport.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown implements memberlist.Transport.
func (t *Transport) Shutdown() error {
	t.once.Do(func() {
		close(t.closed)
		_ = t.stream.Close()
		t.tasks.Wait()
	})
	return nil
}
