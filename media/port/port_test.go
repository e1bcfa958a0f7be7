package port

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs a test in virtual time with two connections.
func bubble(t *testing.T, f func(t *testing.T, p *Port, dev *fake, a, b *agent, ha, hb *taker)) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p, dev := newPort(t, func() int64 { return int64(time.Since(begin)) + 1 })
		ha, hb := &taker{pass: true}, &taker{pass: true}
		a, b := newAgent(t, p, "a", ha), newAgent(t, p, "b", hb)
		go a.read()
		go b.read()
		f(t, p, dev, a, b, ha, hb)
		a.Close()
		b.Close()
		synctest.Wait()
		if len(p.names)+len(p.owners) != 0 {
			t.Errorf("left behind: %v %v", p.names, p.owners)
		}
	})
}

func got(t *testing.T, what string, all []datagram, want ...string) {
	t.Helper()
	synctest.Wait()
	if len(all) != len(want) {
		t.Fatalf("%s: %d packets, not %d", what, len(all), len(want))
	}
	for i, d := range all {
		if string(d.b) != want[i] {
			t.Errorf("%s: %q, not %q", what, d.b, want[i])
		}
	}
}

// A client is known by its name until an answer proves its address; then RTP is
// the handler's and the rest the agent's.
func TestSort(t *testing.T) {
	bubble(t, func(t *testing.T, p *Port, dev *fake, a, b *agent, ha, hb *taker) {
		dev.in <- []datagram{
			{b: stunFor("a:them"), at: at(1)},
			{b: stunFor("b:them"), at: at(2)},
			{b: stunFor("c:them"), at: at(3)},
			{b: stunFor("nobody"), at: at(1)},
			{b: rtpOf("early"), at: at(1)},
			{b: []byte{22, 1}, at: at(1)},
			{b: nil, at: at(1)},
		}
		synctest.Wait()
		got(t, "a", a.took(), string(stunFor("a:them")))
		got(t, "b", b.took(), string(stunFor("b:them")))
		if s := p.Stats(); s.Unknown != 4 || s.Truncated != 1 {
			t.Errorf("%+v", s)
		}
		a.write(success(), at(1))
		b.write(success(), at(2))
		got(t, "sent", dev.took(), string(success()), string(success()))
		dev.in <- []datagram{
			{b: rtpOf("1"), at: at(1)},
			{b: rtpOf("2"), at: at(2)},
			{b: rtpOf("3"), at: at(3)},
			{b: []byte{22, 7}, at: at(1)},
			{b: success(), at: at(2)},
			{b: []byte{70, 7}, at: at(2)},
		}
		synctest.Wait()
		if x := ha.took(); len(x) != 1 || x[0] != string(rtpOf("1")) {
			t.Errorf("handler a: %q", x)
		}
		if x := hb.took(); len(x) != 1 || x[0] != string(rtpOf("2")) {
			t.Errorf("handler b: %q", x)
		}
		got(t, "a", a.took(), "", "\x16\x07") // that there was something, and DTLS
		got(t, "b", b.took(), "", string(success()))
	})
}

// While the handler takes everything, the agent hears before it would take the client for
// gone that there is something, unless it has had something itself.
func TestTouch(t *testing.T) {
	bubble(t, func(t *testing.T, _ *Port, dev *fake, a, _ *agent, ha, _ *taker) {
		a.write(success(), at(1))
		for range 95 {
			dev.in <- []datagram{{b: rtpOf("x"), at: at(1)}}
			time.Sleep(50 * time.Millisecond) // synctest
		}
		synctest.Wait()
		got(t, "a heard", a.took(), "", "")
		for range 10 {
			dev.in <- []datagram{{b: success(), at: at(1)}, {b: rtpOf("x"), at: at(1)}}
			time.Sleep(4 * time.Second) // synctest
		}
		synctest.Wait()
		if n := len(a.took()); n != 10 {
			t.Errorf("had %d packets", n)
		}
		ha.mu.Lock()
		ha.refuse = true
		ha.mu.Unlock()
		dev.in <- []datagram{{b: rtpOf("x"), at: at(1)}}
		synctest.Wait()
		got(t, "a", a.took(), string(rtpOf("x")))
	})
}

// Once ICE has chosen an address, requests from there are the handler's to answer, and the
// agent hears of each; it asks only now and then, as long as somebody is heard from.
func TestConsent(t *testing.T) {
	bubble(t, func(t *testing.T, _ *Port, dev *fake, a, b *agent, ha, hb *taker) {
		ask := func(from uint16) {
			t.Helper()
			dev.in <- []datagram{{b: stunFor("a:them"), at: at(from)}}
			synctest.Wait()
		}
		asked := func(what string, want int) {
			t.Helper()
			n := 0
			for range 10 {
				a.write(stunFor("them:a"), at(1))
				n += len(dev.took())
				time.Sleep(2 * time.Second) // synctest
			}
			if n != want {
				t.Errorf("%s: asked %d times, not %d", what, n, want)
			}
		}
		a.write(success(), at(1))
		b.write(success(), at(2))
		dev.took()
		ask(1)
		got(t, "before", a.took(), string(stunFor("a:them")))
		asked("before", 10)

		ha.settle(at(1))
		ask(1)
		got(t, "a hears", a.took(), "")
		got(t, "sent", dev.took(), "answer")
		ask(1) // at once
		got(t, "a has heard", a.took())
		got(t, "sent again", dev.took(), "answer")
		ask(2)
		got(t, "somebody else's", a.took(), string(stunFor("a:them")))
		ask(3)
		got(t, "a stranger's", a.took(), string(stunFor("a:them")))

		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				dev.in <- []datagram{{b: rtpOf("x"), at: at(1)}}
				time.Sleep(time.Second) // synctest
			}
		}()
		asked("while it is heard", 5)
		<-done
		time.Sleep(10 * time.Second) // synctest
		asked("silent", 10)
	})
}

// Nobody takes somebody else's address by naming it; who proves it gets it.
func TestAddressesAreProven(t *testing.T) {
	bubble(t, func(t *testing.T, _ *Port, dev *fake, a, b *agent, ha, hb *taker) {
		check := func(what string, want *taker) {
			t.Helper()
			dev.in <- []datagram{{b: rtpOf(what), at: at(1)}}
			synctest.Wait()
			for _, h := range []*taker{ha, hb} {
				if n := len(h.took()); (n == 1) != (h == want) {
					t.Errorf("%s: %d packets for a: %v", what, n, h == ha)
				}
			}
		}
		a.write(stunFor("them:a"), at(1))
		check("first come", ha)
		b.write(stunFor("them:b"), at(1))
		check("only named", ha)
		b.write(success(), at(1))
		check("proven", hb)
		a.write(stunFor("them:a"), at(1))
		check("named again", hb)
		a.write(success(), at(1))
		check("proven again", ha)
		dev.in <- []datagram{{b: stunFor("b:them"), at: at(1)}}
		synctest.Wait()
		if len(b.took()) == 0 {
			t.Error("a request by name from a known address got lost")
		}
		b.Close()
		check("b is gone", ha)
		a.Close()
		check("a is gone", nil)
	})
}

// A connection has a bound of addresses; those that are used stay.
func TestManyAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, p *Port, _ *fake, a, _ *agent, _, _ *taker) {
		for i := range uint16(10 * addressesMost) {
			a.write(success(), at(1000+i))
			a.write(success(), at(1))
		}
		if len(p.owners) != addressesMost || p.owners[at(1)] == nil {
			t.Errorf("%d addresses", len(p.owners))
		}
	})
}

// Strangers fill half of a queue, and clients the other half.
func TestFloodOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dev := newPort(t, nil)
		a := newAgent(t, p, "a", nil) // reads nothing
		a.write(success(), at(1))
		for i := range uint16(200) {
			dev.in <- []datagram{{b: stunFor("a:x"), at: at(100 + i)}}
		}
		for range 200 {
			dev.in <- []datagram{{b: stunFor("a:x"), at: at(1)}}
		}
		synctest.Wait()
		if s := p.Stats(); len(a.c.queue) != queueSize || s.Strangers != 200-strangersMost || s.QueueFull != 200-queueSize/2 {
			t.Errorf("%d waiting, %+v", len(a.c.queue), s)
		}
		a.Close()
	})
}

// Packets from everywhere leave nothing behind, and nothing is allocated.
func TestFlood(t *testing.T) {
	p, dev := newPort(t, nil)
	a := newAgent(t, p, "a", &taker{})
	defer a.Close()
	_ = dev.close()
	p.wg.Wait()
	l, r := p.loops[0], rand.New(rand.NewPCG(1, 2))
	kinds := [][]byte{rtpOf("x"), stunFor("unknown:name"), success(), {22, 1, 2}, {80}, stunFor("")}
	n := testing.AllocsPerRun(1000, func() {
		l.in.n = inboxSize
		for i := range inboxSize {
			l.in.size[i] = copy(l.in.bufs[i][:], kinds[r.IntN(len(kinds))])
			l.in.from[i] = at(uint16(r.Uint32()))
		}
		l.sort()
		for i := range inboxSize {
			l.handle(i, 1)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(p.names) != 1 || len(p.owners) != 0 || len(a.c.queue) != 0 {
		t.Error("something is left behind")
	}
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dev := newPort(t, nil)
		h := &taker{}
		mux := p.Mux(h)
		a, again := newAgent(t, p, "a", h), newAgent(t, p, "a", h)
		go again.read()
		done := make(chan error)
		go func() {
			_, _, err := a.ReadFrom(make([]byte, 10))
			done <- err
		}()
		synctest.Wait()
		a.Close()
		a.Close()
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		dev.in <- []datagram{{b: stunFor("a:x"), at: at(1)}}
		synctest.Wait()
		if len(again.took()) != 1 {
			t.Error("the other handle has ended, too")
		}
		mux.RemoveConnByUfrag("a")
		mux.RemoveConnByUfrag("a")
		if _, err := again.WriteToAddrPort(success(), at(1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		b := newAgent(t, p, "b", nil)
		if _, err := b.WriteTo(nil, &net.TCPAddr{}); err == nil {
			t.Error("wrote to TCP")
		}
		if _, err := b.WriteTo(success(), net.UDPAddrFromAddrPort(at(9))); err != nil {
			t.Error(err)
		}
		dev.in <- []datagram{{b: success(), at: at(9)}}
		if _, _, err := b.ReadFrom(make([]byte, 1)); !errors.Is(err, io.ErrShortBuffer) {
			t.Error(err)
		}
		if err := mux.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, err := mux.GetConn("c", p.LocalAddr()); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		if _, err := mux.GetConn("c", &net.TCPAddr{}); err == nil {
			t.Error("a connection on TCP")
		}
	})
}

func FuzzPacket(f *testing.F) {
	f.Add(stunFor("a:b"), true)
	f.Add(success(), false)
	f.Add(rtpOf("payload"), true)
	f.Add([]byte{0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 9}, false)
	p, dev := newPort(f, nil)
	_ = dev.close()
	p.wg.Wait()
	f.Fuzz(func(t *testing.T, b []byte, known bool) {
		h := &taker{}
		a := newAgent(t, p, "a", h)
		defer a.Close()
		if known {
			a.write(success(), at(1))
		}
		l := p.loops[0]
		l.in.n, l.in.from[0], l.in.size[0] = 1, at(1), copy(l.in.bufs[0][:], b)
		b = bytes.Clone(l.in.bufs[0][:l.in.size[0]])
		l.sort()
		l.handle(0, 1)
		toHandler, toAgent := len(h.got) > 0, len(a.c.queue) > 0 && len(h.got) == 0
		k := kindOf(b)
		named := k == request && string(ufragOf(b)) == "a"
		if toHandler != (known && (k == media || k == dtls)) || toAgent != (named || known && k == stun) {
			t.Errorf("%x of kind %v, known %v: handler %v, agent %v", b, k, known, toHandler, toAgent)
		}
	})
}

func TestListenAddresses(t *testing.T) {
	p, _ := newPort(t, nil)
	if all := p.Mux(nil).GetListenAddresses(); len(all) != 1 || all[0].String() != "127.0.0.1:7000" {
		t.Error(all)
	}
	for _, loopback := range []bool{true, false} {
		for _, ip := range []net.IP{net.IPv4zero, net.IPv6unspecified} {
			q := &Port{cfg: p.cfg, local: &net.UDPAddr{IP: ip, Port: 7}}
			q.cfg.Loopback = loopback
			found := false
			for _, a := range q.Mux(nil).GetListenAddresses() {
				u := a.(*net.UDPAddr)
				found = found || u.IP.IsLoopback()
				if u.Port != 7 || ip.To4() != nil && u.IP.To4() == nil {
					t.Error(a)
				}
			}
			if found != loopback {
				t.Errorf("loopback %v: %v", loopback, found)
			}
		}
	}
}
