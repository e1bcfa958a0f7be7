package media

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"

	"github.com/pion/stun/v4"

	"dragoman/media/port"
)

// On the wire: the agent gets a request now and then, and the loop answers the others.
func TestAnswers(t *testing.T) {
	var now atomic.Int64
	p, err := port.Open(port.Config{Addr: "127.0.0.1:0", Now: now.Load})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &link{}
	agent, err := p.Mux(l).GetConn("ours", p.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l.described("ours", "pwd")
	chooses(t, l, client.LocalAddr().(*net.UDPAddr).AddrPort())
	proof := asks(t, "x:y", "z", stun.BindingSuccess)
	if _, err := agent.WriteTo(proof, client.LocalAddr()); err != nil { // the address is proven
		t.Fatal(err)
	}
	b := make([]byte, 1500)
	if n, err := client.Read(b); err != nil || !bytes.Equal(b[:n], proof) {
		t.Fatalf("%x %v", b[:n], err)
	}
	for i, agents := range []bool{true, false, false, true, false} {
		now.Store(1 + int64(i)*showEvery*2/5)
		request := asks(t, "ours:theirs", "pwd")
		if _, err := client.Write(request); err != nil {
			t.Fatal(err)
		}
		if agents {
			n, _, err := agent.ReadFrom(b)
			for n == 0 && err == nil { // that there was something
				n, _, err = agent.ReadFrom(b)
			}
			if err != nil || !bytes.Equal(b[:n], request) {
				t.Fatalf("the agent has %x, %v", b[:n], err)
			}
			continue
		}
		n, err := client.Read(b)
		m := stun.Message{Raw: b[:n]}
		if err != nil || m.Decode() != nil || m.Type != stun.BindingSuccess || !bytes.Equal(m.TransactionID[:], request[8:20]) {
			t.Fatalf("%v %v", err, m)
		}
	}
}
