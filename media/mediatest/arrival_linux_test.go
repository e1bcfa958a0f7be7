package mediatest

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/pion/transport/v4/stdnet"
)

// TestArrivals: a packet has come when the kernel had it, however late it is read; and what
// is no RTP has not come at all.
func TestArrivals(t *testing.T) {
	plain, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	a := new(arrivals)
	c, err := stamped{plain, a}.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// late sends packets and reads them a moment after sent.
	late := func(packets ...[]byte) (sent time.Time) {
		for _, b := range packets {
			if _, err := c.WriteTo(b, c.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		sent = time.Now()
		for time.Since(sent) < 2*time.Millisecond {
			runtime.Gosched()
		}
		for range packets {
			if _, _, err := c.ReadFrom(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		return sent.Add(time.Millisecond)
	}
	packet := func(kind, seq byte) []byte { return []byte{0x80, kind, 0, seq, 0, 0, 0, 1, 0, 0, 0, 7} }
	// The kernel begins to look at the time a moment after it was asked to.
	began := time.Now()
	for sent := late(packet(96, 1)); a.of(7, 1).After(sent); sent = late(packet(96, 1)) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("packets come when they are read")
		}
	}
	sent := late(packet(96, 2), packet(200, 3), []byte{1, 2, 3})
	if at := a.of(7, 2); at.After(sent) {
		t.Errorf("the packet came at %v, and was sent at %v", at, sent)
	}
	for what, at := range map[string]time.Time{"RTCP": a.of(7, 3), "another stream's": a.of(8, 2), "another one": a.of(7, 4)} {
		if at.Before(sent) {
			t.Errorf("%s is known to have come at %v", what, at)
		}
	}
	if (*arrivals)(nil).of(7, 2).Before(sent) {
		t.Error("who does not look at arrivals knows of one")
	}
}
