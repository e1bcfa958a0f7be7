package mediatest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(Stuck)) }

func TestFrame(t *testing.T) {
	for _, f := range []Frame{
		{Key: true, Width: 640, Height: 360, Source: 7, Layer: 2, Number: 9, Sent: time.Unix(1, 2)},
		{Source: 7, Number: 1 << 31, Sent: time.Unix(3, 4)},
	} {
		for _, size := range []int{0, MinFrame, 5000} {
			b := f.Append([]byte("before"), size)[6:]
			if len(b) != max(size, MinFrame) {
				t.Errorf("%d bytes, want %d", len(b), size)
			}
			if got, err := ParseFrame(b); err != nil || got != f {
				t.Errorf("%+v %v, want %+v", got, err, f)
			}
			b[rand.N(len(b))] ^= 1
			if _, err := ParseFrame(b); err == nil {
				t.Error("damage is not seen")
			}
		}
	}
	if _, err := ParseFrame(make([]byte, MinFrame-1)); err == nil {
		t.Error("too short")
	}
}

// script makes the packets of frames.
type script struct {
	payloader codecs.VP8Payloader
	seq       uint16
	ts        uint32
}

func (s *script) frame(f Frame, size int) (all []*rtp.Packet) {
	s.payloader.EnablePictureID = true
	s.ts += 3000
	payloads := s.payloader.Payload(200, f.Append(nil, size))
	for i, p := range payloads {
		all = append(all, &rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: s.ts, Marker: i == len(payloads)-1},
			Payload: p,
		})
		s.seq++
	}
	return all
}

func video() *Receiver { return NewReceiver("", "video", "VP8", 0) }

// A receiver notices everything that can go wrong with packets.
func TestReceiverCounts(t *testing.T) {
	tests := []struct {
		name string
		edit func([]*rtp.Packet) []*rtp.Packet // of ten frames of three packets
		want Stats
	}{
		{"all well", nil, Stats{Frames: 10, KeyFrames: 1}},
		{"reordered", func(p []*rtp.Packet) []*rtp.Packet { p[4], p[6] = p[6], p[4]; return p }, Stats{Frames: 10, KeyFrames: 1, Late: 2}},
		{"doubled", func(p []*rtp.Packet) []*rtp.Packet { return append(p, p[3], p[4]) }, Stats{Frames: 10, KeyFrames: 1, Duplicates: 2}},
		{"lost", func(p []*rtp.Packet) []*rtp.Packet { return append(p[:13:13], p[14:]...) }, Stats{Frames: 4, KeyFrames: 1, Lost: 1, Broken: 1, Undecodable: 5, IDGaps: 1}},
		{"damaged", func(p []*rtp.Packet) []*rtp.Packet {
			p[4].Payload[50] ^= 1
			return p
		}, Stats{Frames: 1, KeyFrames: 1, Broken: 1, Undecodable: 8}},
		{"a frame left out", func(p []*rtp.Packet) []*rtp.Packet {
			p = append(p[:12:12], p[15:]...)
			for i := range p[12:] {
				p[12+i].SequenceNumber -= 3
			}
			return p
		}, Stats{Frames: 4, KeyFrames: 1, Undecodable: 5, IDGaps: 1}},
		{"time goes back", func(p []*rtp.Packet) []*rtp.Packet { p[29].Timestamp -= 6000; return p }, Stats{Frames: 10, KeyFrames: 1, Backward: 1}},
		{"padding", func(p []*rtp.Packet) []*rtp.Packet {
			return append(p, &rtp.Packet{Header: rtp.Header{SequenceNumber: p[29].SequenceNumber + 1}})
		}, Stats{Frames: 10, KeyFrames: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, r := &script{seq: 65530}, video()
			var all []*rtp.Packet
			for i := range uint32(10) {
				all = append(all, s.frame(Frame{Key: i == 0, Source: 1, Number: i, Sent: time.Now()}, 500)...)
			}
			if tt.edit != nil {
				all = tt.edit(all)
			}
			now := time.Now()
			for _, p := range all {
				r.Push(p, now)
			}
			r.drain(now)
			r.drain(now.Add(2 * patience))
			got := r.Stats()
			want := tt.want
			want.Kind, want.Codec, want.Level = "video", "VP8", 127
			want.Packets, want.Bytes, want.Last, want.First, want.FirstFrame, want.MaxDelay = got.Packets, got.Bytes, got.Last, got.First, got.FirstFrame, got.MaxDelay
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// After a switch of layer or camera only a key frame will do.
func TestReceiverWantsKeyFrames(t *testing.T) {
	s, r := &script{}, video()
	for i, f := range []Frame{
		{Key: true, Source: 1, Number: 0},
		{Source: 1, Number: 1},
		{Source: 1, Layer: 1, Number: 2}, // another layer
		{Key: true, Source: 1, Layer: 1, Number: 3},
		{Key: true, Source: 2, Number: 0},
		{Source: 2, Number: 1},
	} {
		for _, p := range s.frame(f, 100) {
			r.Push(p, time.Unix(int64(i), 0))
		}
	}
	if r.Stats().Frames != 5 || r.Stats().Undecodable != 1 || r.Stats().Switches != 2 || r.Stuck() {
		t.Errorf("%+v", r.Stats())
	}
}

func TestReceiverHears(t *testing.T) {
	r := NewReceiver("", "audio", "opus", 1)
	for i, level := range []uint8{30, 127, 127, 40} {
		p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i)}, Payload: make([]byte, 80)}
		if err := p.SetExtension(1, []byte{level}); err != nil {
			t.Fatal(err)
		}
		r.Push(p, time.Unix(0, 0))
	}
	if r.Stats().Loud != 2 || r.Stats().Silent != 2 || r.Stats().Level != 40 {
		t.Errorf("%+v", r.Stats())
	}
	for i, size := range []int{80, 3} { // which say no level
		r.Push(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(4 + i), Timestamp: 4}, Payload: make([]byte, size)}, time.Unix(0, 0))
	}
	if r.Stats().Loud != 3 || r.Stats().Silent != 3 || r.Stats().Level != 127 {
		t.Errorf("%+v", r.Stats())
	}
}

// Two clients talk to each other without anything between, and give up together.
func TestClientsTalk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, b := NewClient(Config{}), NewClient(Config{Level: 20})
	defer a.Close()
	defer b.Close()
	p, err := a.Peer()
	if err != nil {
		t.Fatal(err)
	}
	q, err := b.Peer()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*Peer{p, q} {
		if err := x.Publish(true, true); err != nil {
			t.Fatal(err)
		}
	}
	connect(ctx, t, p, q)
	for _, x := range []*Peer{p, q} {
		if err := errors.Join(x.WaitConnected(ctx), x.WaitVideo(ctx, "", 10), x.WaitAudio(ctx, "")); err != nil {
			t.Fatal(err)
		}
	}
	a.Silence(true)
	if err := q.WaitSilence(ctx, "", 300*time.Millisecond); err != nil {
		t.Error(err)
	}
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if err := q.WaitVideo(short, "no such stream", 1); err == nil {
		t.Error("frames of a stream that does not exist")
	}
}

// connect lets p offer and q answer.
func connect(ctx context.Context, t *testing.T, p, q *Peer) {
	t.Helper()
	offer, err := p.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := q.Answer(ctx, offer)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Accept(ctx, answer); err != nil {
		t.Fatal(err)
	}
}

// TestFollow: a camera sends as much as the other side allows, if it is such a
// client.
func TestFollow(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const usual, limit = 800_000, 200_000
	for follow, want := range map[bool]int{false: usual, true: limit} {
		a, b := NewClient(Config{Bitrate: usual, Follow: follow}), NewClient(Config{})
		p, err := a.Peer()
		if err != nil {
			t.Fatal(err)
		}
		q, err := b.Peer()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Publish(true, true); err != nil {
			t.Fatal(err)
		}
		connect(ctx, t, p, q)
		if err := q.WaitVideo(ctx, "", 1); err != nil {
			t.Fatal(err)
		}
		remb := &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: limit + float32(audioRate)}
		for _, s := range p.pc.GetSenders() {
			remb.SSRCs = append(remb.SSRCs, uint32(s.GetParameters().Encodings[0].SSRC))
		}
		if err := errors.Join(q.pc.WriteRTCP([]rtcp.Packet{remb}), p.WaitBitrate(ctx, limit+audioRate), q.WaitVideo(ctx, "", 5)); err != nil {
			t.Fatal(err)
		}
		picture := func() Stats {
			for _, s := range q.Stats() {
				if s.Kind == "video" {
					return s
				}
			}
			return Stats{}
		}
		before := picture()
		if err := q.WaitVideo(ctx, "", 45); err != nil {
			t.Fatal(err)
		}
		after := picture()
		rate := float64(after.Bytes-before.Bytes) * 8 / after.Last.Sent.Sub(before.Last.Sent).Seconds()
		if rate < 0.8*float64(want) || rate > 1.2*float64(want) {
			t.Errorf("a client that follows (%v) sends %.0f bit/s, want about %d", follow, rate, want)
		}
		a.Close()
		b.Close()
	}
}

func TestMungeLayers(t *testing.T) {
	const (
		head   = "v=0\r\nm=audio 9\r\na=ssrc:1 cname:x\r\n"
		camera = "m=video 9\r\na=rid:q send\r\na=simulcast:send q\r\n"
		ssrcs  = "a=ssrc-group:FID 2 3\r\na=ssrc:2 cname:x\r\n"
		screen = "m=video 9\r\na=ssrc:4 cname:x\r\n"
	)
	if got, want := MungeLayers(head+camera+ssrcs+screen), head+camera+screen; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMunge(t *testing.T) {
	in := strings.Join([]string{
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99", "a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96",
		"a=rtpmap:98 VP9/90000", "a=rtpmap:99 rtx/90000", "a=fmtp:99 apt=98", "a=candidate:1", "a=end-of-candidates", "",
	}, "\r\n")
	out := MungeSpreed(in)
	for _, line := range []string{"a=rtpmap:97 rtx", "a=fmtp:97 apt=96"} {
		if strings.Contains(out, line) {
			t.Errorf("%s is still there", line)
		}
	}
	if !strings.Contains(out, "a=rtpmap:99") || !strings.Contains(out, "96 97 98 99") {
		t.Error(out)
	}
	if bare := withoutCandidates(in); strings.Contains(bare, "candidate") || !strings.Contains(bare, "apt=98") {
		t.Error(bare)
	}
}

func TestProxy(t *testing.T) {
	p, err := NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p.Start(server.LocalAddr())
	client, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(p.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p.Set(Loss{Up: 1, Down: 1})
	buf := make([]byte, 100)
	stun, media := []byte{0, 1}, []byte{0x80, 1}
	for _, b := range [][]byte{media, stun} {
		if _, err := client.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	n, from, err := server.ReadFromUDPAddrPort(buf)
	if err != nil || n != 2 || buf[0] != 0 || p.Drops() != 1 {
		t.Fatalf("%x %v, %d drops", buf[:n], err, p.Drops())
	}
	p.Set(Loss{Delay: time.Millisecond})
	if _, err := server.WriteToUDPAddrPort(media, from); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(buf); err != nil || n != 2 || buf[0] != 0x80 {
		t.Fatal(n, err)
	}

	// A burst through a narrow path takes its time, and not all of it fits.
	const packets, size, rate = 50, 500, 200_000 // 20 ms each; the kernel keeps them all
	p.Set(Loss{Rate: rate})
	before, begin := p.Drops(), time.Now()
	for range packets {
		if _, err := server.WriteToUDPAddrPort(append([]byte{0x80}, make([]byte, size-1)...), from); err != nil {
			t.Fatal(err)
		}
	}
	through := 0
	for through+p.Drops()-before < packets {
		if err := client.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := client.Read(buf)
		switch {
		case err == nil:
			through++
		case !errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatal(err)
		}
	}
	if least := time.Duration(through) * size * 8 * time.Second / rate; time.Since(begin) < least {
		t.Errorf("%d packets in %s, and %s is the least", through, time.Since(begin), least)
	}
	if p.Drops() == before {
		t.Error("everything has passed")
	}
}
