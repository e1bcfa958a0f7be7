package media

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A client that does not read its TCP connection gets no more video, then no
// more of anything, and never holds up who writes.
func TestTCPWriteDoesNotWait(t *testing.T) {
	l, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	picture, sound := make([]byte, 1200), make([]byte, 100)
	begin := time.Now()
	fill := func(b []byte) (n int) {
		for {
			if _, err := c.Write(b); err != nil {
				if !errors.Is(err, errFull) {
					t.Fatal(err)
				}
				return n
			}
			if n += len(b); n > 64<<20 {
				t.Fatal("there is no end of room")
			}
		}
	}
	fill(picture)
	if n := fill(sound); n < (tcpQueue-videoQueue)/2 {
		t.Errorf("%d bytes of sound behind the video", n)
	}
	t.Logf("it took %s", time.Since(begin))
	if l.full.Load() == 0 {
		t.Error("nobody counts")
	}
	// It reads on, and all that was taken arrives.
	go func() { _, _ = io.Copy(io.Discard, client) }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := c.Write(picture); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no room again")
		}
		<-time.After(time.Millisecond)
	}
}

func TestTCPConnectionsAreCounted(t *testing.T) {
	l, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n := l.open.Load(); n != 1 {
		t.Errorf("%d open", n)
	}
	_ = client.Close()
	_ = c.Close()
	_ = c.Close()
	if n := l.open.Load(); n != 0 {
		t.Errorf("%d open", n)
	}
	if _, err := c.Write([]byte{1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestUDPWrite(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", ":0"} {
		a, err := listenUDP(network)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := listenUDP("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		to := b.LocalAddr().(*net.UDPAddr).AddrPort()
		buf := make([]byte, 2000)
		for _, size := range []int{1, patientBelow - 1, patientBelow, 1400} {
			if n, err := a.WriteToAddrPort(make([]byte, size), to); n != size || err != nil {
				t.Fatal(n, err)
			}
			if n, _, err := b.ReadFromAddrPort(buf); n != size || err != nil {
				t.Fatal(n, err)
			}
		}
		if n, err := a.WriteTo(make([]byte, 1400), b.LocalAddr()); n != 1400 || err != nil {
			t.Fatal(n, err)
		}
		packet := make([]byte, 1200)
		if n := testing.AllocsPerRun(100, func() { _, _ = a.WriteToAddrPort(packet, to) }); n != 0 {
			t.Errorf("%v allocations per packet", n)
		}
		if _, err := a.WriteToAddrPort(packet, netip.MustParseAddrPort("0.0.0.0:0")); err == nil {
			t.Error("written to nowhere")
		}
	}
}
