package media_test

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/dtls/v3"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// Whatever the client is like, media goes past Pion if it can, both ways.
func TestPaths(t *testing.T) {
	munge := func(setup string) func(string) string {
		return func(text string) string { return strings.ReplaceAll(text, "a=setup:actpass", "a=setup:"+setup) }
	}
	for _, x := range []struct {
		name string
		cfg  mediatest.Config
		path string
	}{
		{"AES-128-GCM", mediatest.Config{SRTP: dtls.SRTP_AEAD_AES_128_GCM}, "udp"},
		{"AES-256-GCM", mediatest.Config{SRTP: dtls.SRTP_AEAD_AES_256_GCM}, "udp"},
		{"AES-CM", mediatest.Config{SRTP: dtls.SRTP_AES128_CM_HMAC_SHA1_80}, "udp"},
		{"AES-CM by TCP", mediatest.Config{SRTP: dtls.SRTP_AES128_CM_HMAC_SHA1_80, TCP: true}, "tcp"},
		{"client is DTLS client", mediatest.Config{Munge: munge("active")}, "udp"},
		{"client is DTLS server", mediatest.Config{Munge: munge("passive")}, "udp"},
		{"client is DTLS server by TCP", mediatest.Config{Munge: munge("passive"), TCP: true}, "tcp"},
	} {
		t.Run(x.name, func(t *testing.T) {
			ctx := testContext(t)
			e := newEngine(t, func(c *media.Config) { c.TCP = "127.0.0.1:0" })
			id, owner := bridge.NewPublicationID(), bridge.NewParticipantID()
			s, c := newSide(t, e, owner, bridge.PeerOptions{}), newPeer(t, newClient(t, x.cfg))
			must(t, s.Receive(id, bridge.Camera))
			must(t, c.Publish(true, true))
			clientOffers(ctx, t, s, c)
			r, d := newSide(t, e, bridge.NewParticipantID(), bridge.PeerOptions{}), newPeer(t, newClient(t, x.cfg))
			must(t, r.Send(id, bridge.SendOptions{}))
			must(t, d.Subscribe(1, 1))
			clientOffers(ctx, t, r, d)
			must(t, d.WaitVideo(ctx, "", 20))
			must(t, d.WaitAudio(ctx, ""))
			must(t, c.WaitBitrate(ctx, 10_000_000)) // RTCP
			clean(t, "video", d.Stats()[id.String()+"/video"])
			want := x.path
			if engineUnderTest == "portable" {
				want = ""
			}
			for _, p := range e.PeerStats() {
				if p.Path != want {
					t.Errorf("a peer's packets take %q, not %q", p.Path, want)
				}
			}
			if d := e.Stats().Dropped; d.Forged+d.Replayed+d.Malformed > 0 {
				t.Errorf("%+v", d)
			}
		})
	}
}

// Strangers who talk to the port are not heard, and cost nobody a frame.
func TestStrangers(t *testing.T) {
	ctx, e := testContext(t), newEngine(t)
	p := publish(ctx, t, e, mediatest.Config{}, bridge.PeerOptions{})
	_, c := subscribe(ctx, t, e, p.id, mediatest.Config{}, bridge.PeerOptions{})
	must(t, c.WaitVideo(ctx, "", 5))
	udp, _ := e.Addrs()
	for range 10 {
		stranger, err := net.Dial("udp", udp.String())
		must(t, err)
		for _, packet := range []string{
			"\x80\x60\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00payload", "\x80\xc8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00report",
			"\x16\xfe\xfd\x00", "\x00\x01\x00\x08\x21\x12\xa4\x42\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x03a:b\x00",
			"", "\xff",
		} {
			_, err := stranger.Write([]byte(packet))
			must(t, err)
		}
		must(t, c.WaitVideo(ctx, "", 1))
		_ = stranger.Close()
	}
	clean(t, "video", c.Stats()[p.id.String()+"/video"])
	s := e.Stats()
	if engineUnderTest == "auto" && s.Dropped.Unknown != 50 {
		t.Errorf("%+v", s.Dropped)
	}
}
