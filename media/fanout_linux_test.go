package media

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"dragoman/media/estimate"
	"dragoman/media/forward"
	"dragoman/media/port"
	"dragoman/media/srtp"
)

// fanOut forwards pictures of one layer to n subscribers in a loop of a real
// port, encrypted, over loopback to a socket that nobody reads.
type fanOut struct {
	engine Engine // as far as links need it
	layer  *forward.Layer
	seq    uint16
	body   []byte
	now    int64
	burst  forward.Burst
	job    func(out *port.Batch)
	done   chan struct{}
}

// RequestKey implements forward.Upstream.
func (f *fanOut) RequestKey(*forward.Layer) {}

// Began implements forward.Upstream.
func (f *fanOut) Began(*forward.Source, *forward.Layer) {}

// Request implements port.Handler.
func (f *fanOut) Request([]byte, netip.AddrPort, int64, *port.Batch) bool { return false }

// Settled implements port.Handler.
func (f *fanOut) Settled(netip.AddrPort) bool { return false }

// Packet implements port.Handler.
func (f *fanOut) Packet(_ []byte, _ int64, out *port.Batch) bool {
	f.job(out)
	close(f.done)
	return true
}

// push forwards the next packet.
func (f *fanOut) push(out *port.Batch) {
	f.seq++
	f.layer.Push(&forward.Header{Marker: true, PT: 96, Seq: f.seq, TS: uint32(f.seq) * 3000, Payload: f.body}, forward.Arrival{At: f.now, Out: out, Burst: &f.burst})
}

// flush sends what was pushed, as after a read.
func (f *fanOut) flush(out *port.Batch) {
	f.burst.Forward(out)
	out.Flush()
	f.now += 8 * int64(time.Millisecond)
}

func newFanOut(tb testing.TB, n int) *fanOut {
	tb.Helper()
	f := &fanOut{body: make([]byte, 1100), done: make(chan struct{}), now: 1}
	copy(f.body, []byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01})
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { sink.Close() })
	source := forward.NewSource(f, &forward.Clock{})
	f.layer = source.Add(forward.Spec{Codec: forward.VP8, Rate: 90000, SSRC: 1})
	track := forward.NewTrack()
	track.Feed(source, 1)
	f.engine.rooms.New = func() any { return new([]byte) }
	for i := range n {
		send, err := srtp.NewSender(srtp.GCM128, srtp.Keys{Key: make([]byte, 16), Salt: make([]byte, 12)})
		if err != nil {
			tb.Fatal(err)
		}
		l := &link{p: &peer{e: &f.engine}}
		l.send.Store(send)
		l.udp.Store(port.NewTarget(sink.LocalAddr().(*net.UDPAddr).AddrPort()))
		w := &rtpWriter{link: l, ssrc: uint32(i)}
		w.agree(forward.Extensions{Time: 3, Number: 4}, &estimate.History{})
		d := forward.NewDown(forward.DownConfig{SSRC: uint32(i), Rate: 90000, Writer: w})
		d.SetFormats(forward.Formats{0: 96})
		d.SetLive(true)
		track.Add(d, 1)
	}
	return f
}

// run does a job in a loop.
func (f *fanOut) run(tb testing.TB, job func(out *port.Batch)) {
	tb.Helper()
	begin := time.Now()
	p, err := port.Open(port.Config{Addr: "127.0.0.1:0", Buffer: socketBuffer, Now: func() int64 { return int64(time.Since(begin)) }})
	if err != nil {
		tb.Fatal(err)
	}
	defer p.Close()
	f.job, f.engine.port = job, p
	conn, err := p.Mux(f).GetConn("a", p.LocalAddr())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	client, err := net.DialUDP("udp4", nil, p.LocalAddr().(*net.UDPAddr))
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	answer := make([]byte, 20) // of ICE: a STUN success response
	answer[0], answer[1] = 1, 1
	binary.BigEndian.PutUint32(answer[4:], 0x2112a442)
	if _, err := conn.WriteTo(answer, client.LocalAddr()); err != nil {
		tb.Fatal(err)
	}
	if _, err := client.Write([]byte{0x80, 96}); err != nil {
		tb.Fatal(err)
	}
	<-f.done
}

// From the packet that comes in to the system call that sends it to fifty,
// nothing is allocated.
func TestFanOutAllocatesNothing(t *testing.T) {
	f := newFanOut(t, 50)
	allocations := 0.0
	f.run(t, func(out *port.Batch) {
		for range 600 { // until the ring is full
			f.push(out)
		}
		f.flush(out)
		allocations = testing.AllocsPerRun(20, func() {
			for range 30 {
				f.push(out)
			}
			f.flush(out)
		})
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 50, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFanOut(b, n)
			f.run(b, func(out *port.Batch) {
				for range 600 {
					f.push(out)
				}
				f.flush(out)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					f.push(out)
					if i%8 == 7 {
						f.flush(out) // a frame
					}
				}
				b.StopTimer()
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
		})
	}
}
