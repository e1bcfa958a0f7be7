package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// open opens a real port.
func open(t testing.TB, cfg Config) *Port {
	t.Helper()
	begin := time.Now()
	cfg.Now, cfg.Buffer = func() int64 { return int64(time.Since(begin)) }, 4<<20
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func client(t testing.TB, network string) *net.UDPConn {
	t.Helper()
	ip := net.IPv4(127, 0, 0, 1)
	if network == "udp6" {
		ip = net.IPv6loopback
	}
	c, err := net.ListenUDP(network, &net.UDPAddr{IP: ip})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(4 << 20)
	t.Cleanup(func() { c.Close() })
	return c
}

// Packets that a client sends come back, a hundred of each, in one batch over
// real sockets: whole, in order, none twice.
func TestSockets(t *testing.T) {
	for _, x := range []struct{ addr, network, to string }{
		{"127.0.0.1:0", "udp4", "127.0.0.1"}, {":0", "udp4", "127.0.0.1"}, {":0", "udp6", "::1"}, {"[::1]:0", "udp6", "::1"},
	} {
		if c, err := net.ListenUDP(x.network, nil); err != nil {
			t.Logf("this machine has no %s: %v", x.network, err)
			continue
		} else {
			c.Close()
		}
		t.Run(x.addr+" "+x.network, func(t *testing.T) {
			p := open(t, Config{Addr: x.addr, Loops: 2, Loopback: true})
			const copies = 100
			c := client(t, x.network)
			from := c.LocalAddr().(*net.UDPAddr).AddrPort()
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			to := NewTarget(from)
			h := &taker{answer: func(b []byte, out *Batch) {
				for i := range copies {
					room := append(out.Reserve(len(b)+4), b...)
					out.Add(binary.BigEndian.AppendUint32(room, uint32(i)), to, nil)
				}
			}}
			conn, err := p.Mux(h).GetConn("a", &net.UDPAddr{IP: net.ParseIP(x.to), Port: p.local.Port})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.WriteTo(success(), net.UDPAddrFromAddrPort(from)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 3000)
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, back, err := c.ReadFromUDP(buf)
			if err != nil || !bytes.Equal(buf[:n], success()) {
				t.Fatal(n, err)
			}
			for round := range 5 {
				packet := rtpOf(fmt.Sprint(round) + string(make([]byte, 200*round)))
				if _, err := c.WriteTo(packet, back); err != nil {
					t.Fatal(err)
				}
				for i := range copies {
					n, _, err := c.ReadFromUDP(buf)
					if err != nil {
						t.Fatal(err)
					}
					if want := binary.BigEndian.AppendUint32(bytes.Clone(packet), uint32(i)); !bytes.Equal(buf[:n], want) {
						t.Fatalf("round %d, copy %d: %q", round, i, buf[:n])
					}
				}
			}
			t.Logf("segments: %v, %+v", p.Segments(), p.Stats())
		})
	}
}

// A port that is taken is an error, even where one may share it.
func TestPortIsTaken(t *testing.T) {
	p := open(t, Config{Addr: "127.0.0.1:0", Loops: 2})
	if q, err := Open(Config{Addr: p.LocalAddr().String(), Loops: 2}); err == nil {
		_ = q.Close()
		t.Error("two ports of the same number")
	}
	if _, err := Open(Config{Addr: "nonsense"}); err == nil {
		t.Error("listens on nonsense")
	}
}

// What cannot be reached is an error, and does not hold up others.
func TestUnreachable(t *testing.T) {
	p := open(t, Config{Addr: "127.0.0.1:0"})
	if err := p.Send([]byte("x"), NewTarget(netip.MustParseAddrPort("[2001:db8::1]:9"))); err == nil {
		t.Error("sent from IPv4 to IPv6")
	}
	c := client(t, "udp4")
	s := p.loops[0].dev.(*socket)
	good := NewTarget(c.LocalAddr().(*net.UDPAddr).AddrPort())
	bad := NewTarget(netip.MustParseAddrPort("[2001:db8::1]:9"))
	pieces := [][]byte{[]byte("1"), []byte("2"), []byte("3")}
	n, err := s.send([]message{{good, 0, 1}, {bad, 1, 2}, {good, 2, 3}}, pieces)
	if n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, err := s.send([]message{{bad, 1, 2}, {good, 2, 3}}, pieces); n != 0 || err == nil {
		t.Error(n, err)
	}
	// Longer than any datagram: each of a message is, so that it must be split.
	long := make([]byte, 40_000)
	if n, err := s.send([]message{{good, 0, 2}}, [][]byte{long, long}); n != 0 || !errors.Is(err, errSplit) {
		t.Error(n, err)
	}
}

// Nothing is allocated per packet.
func TestSocketAllocations(t *testing.T) {
	p := open(t, Config{Addr: "127.0.0.1:0"})
	c := client(t, "udp4")
	to, body := NewTarget(c.LocalAddr().(*net.UDPAddr).AddrPort()), make([]byte, 1000)
	q := &Port{cfg: p.cfg}
	var b Batch
	b.init(q, p.loops[0].dev, 0)
	if n := testing.AllocsPerRun(50, func() {
		for range 20 {
			b.Add(append(b.Reserve(1020), body...), to, nil)
		}
		b.Flush()
		if err := p.Send(body, to); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
