package sdp

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registered are the codecs of the connections under test: of each sort one, and
// one retransmission, because Pion writes several in any order.
var registered = []struct {
	kind   webrtc.RTPCodecType
	pt     webrtc.PayloadType
	mime   string
	rate   uint32
	ch     uint16
	params string
}{
	{webrtc.RTPCodecTypeAudio, 111, webrtc.MimeTypeOpus, 48000, 2, "minptime=10;useinbandfec=1"},
	{webrtc.RTPCodecTypeAudio, 9, webrtc.MimeTypeG722, 8000, 0, ""},
	{webrtc.RTPCodecTypeAudio, 0, webrtc.MimeTypePCMU, 8000, 0, ""},
	{webrtc.RTPCodecTypeAudio, 8, webrtc.MimeTypePCMA, 8000, 0, ""},
	{webrtc.RTPCodecTypeVideo, 96, webrtc.MimeTypeVP8, 90000, 0, ""},
	{webrtc.RTPCodecTypeVideo, 97, webrtc.MimeTypeRTX, 90000, 0, "apt=96"},
	{webrtc.RTPCodecTypeVideo, 102, webrtc.MimeTypeH264, 90000, 0, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
}

// peer makes a Pion connection that touches no network.
func peer(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	codecs := &webrtc.MediaEngine{}
	for _, c := range registered {
		capability := webrtc.RTPCodecCapability{MimeType: c.mime, ClockRate: c.rate, Channels: c.ch, SDPFmtpLine: c.params}
		if c.kind == webrtc.RTPCodecTypeVideo && c.mime != webrtc.MimeTypeRTX {
			capability.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
		}
		if err := codecs.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: c.pt}, c.kind); err != nil {
			t.Fatal(err)
		}
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(codecs); err != nil {
		t.Fatal(err)
	}
	var settings webrtc.SettingEngine
	settings.SetInterfaceFilter(func(string) bool { return false })
	api := webrtc.NewAPI(webrtc.WithMediaEngine(codecs), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Error(err)
		}
	})
	return pc
}

// pionAnswer lets Pion answer an offer, sending audio and video where the client
// takes it.
func pionAnswer(t *testing.T, offer string) string {
	t.Helper()
	pc := peer(t)
	for _, mime := range []string{webrtc.MimeTypeOpus, webrtc.MimeTypeVP8} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, mime[:5], "member")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(offer, "\nm="+mime[:5]) {
			continue
		}
		if _, err := pc.AddTrack(track); err != nil {
			t.Fatal(err)
		}
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		t.Fatalf("Pion refuses the offer: %v", err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatalf("Pion does not answer: %v", err)
	}
	if err := pc.SetLocalDescription(answer); err != nil {
		t.Fatal(err)
	}
	return answer.SDP
}

// masks hide what is random in a description of Pion's.
var masks = []struct {
	random *regexp.Regexp
	fixed  string
}{
	{regexp.MustCompile(`o=- \d+ \d+ `), "o=- 1 1 "},
	{regexp.MustCompile(`a=ice-ufrag:\S+`), "a=ice-ufrag:U"},
	{regexp.MustCompile(`a=ice-pwd:\S+`), "a=ice-pwd:P"},
	{regexp.MustCompile(`a=fingerprint:sha-256 \S+`), "a=fingerprint:sha-256 F"},
	{regexp.MustCompile(`a=ssrc:\d+ `), "a=ssrc:1 "},
	{regexp.MustCompile(`a=ssrc-group:(\S+) \d+ \d+`), "a=ssrc-group:$1 1 2"},
}

func TestPionAnswersAndLower(t *testing.T) {
	for name, text := range samples(t, "offers") {
		t.Run(name, func(t *testing.T) {
			l := liftSample(t, name, text)
			answer := pionAnswer(t, l.Text)
			lowered := l.Lower(answer)
			matches(t, unwrap(text), lowered)
			for _, m := range masks {
				lowered = m.random.ReplaceAllString(lowered, m.fixed)
			}
			golden(t, name+".lowered", extensionsInOrder(lowered))
		})
	}
}

// extensionsInOrder sorts adjacent a=extmap lines, which Pion writes in any order.
func extensionsInOrder(text string) string {
	lines := strings.SplitAfter(text, "\r\n")
	for i := 0; i < len(lines); i++ {
		n := i
		for n < len(lines) && strings.HasPrefix(lines[n], "a=extmap:") {
			n++
		}
		slices.Sort(lines[i:n])
		i = max(i, n-1)
	}
	return strings.Join(lines, "")
}

// matches checks that an answer has the form of the offer that it answers.
func matches(t *testing.T, offer, answer string) {
	t.Helper()
	o, err := Describe(offer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Describe(answer)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Media) != len(o.Media) {
		t.Fatalf("the offer has %d m-lines, the answer %d", len(o.Media), len(a.Media))
	}
	for i, want := range o.Media {
		got := a.Media[i]
		if got.Kind != want.Kind || got.Proto != want.Proto || got.MID != want.MID {
			t.Errorf("m-line %d is %s %s %q, want %s %s %q", i, got.Kind, got.Proto, got.MID, want.Kind, want.Proto, want.MID)
		}
		for _, c := range got.Codecs {
			if !got.Rejected && !slices.ContainsFunc(want.Codecs, func(w Codec) bool { return w.Type == c.Type && strings.EqualFold(w.Name, c.Name) }) {
				t.Errorf("m-line %d is answered with payload type %d, which was not offered", i, c.Type)
			}
		}
		if live, _ := a.ByMID(got.MID); live.Rejected && slices.Contains(a.Bundle, got.MID) {
			t.Errorf("m-line %d is rejected and bundled", i)
		}
	}
	for _, mid := range a.Bundle {
		if !slices.Contains(o.Bundle, mid) {
			t.Errorf("%q is bundled, but the offer does not want that", mid)
		}
	}
	if strings.Contains(strings.ReplaceAll(answer, "\r\n", ""), "\n") || !strings.HasSuffix(answer, "\r\n") {
		t.Error("lines do not end in CRLF")
	}
}

// A second stream of a plan B client gets its own m-line towards Pion, and the
// client does not see it.
func TestPlanBStreams(t *testing.T) {
	const name = "testdata/offers/chrome60-planb-two-streams"
	l := liftSample(t, name, samples(t, "offers")[name])
	s, err := Describe(l.Text)
	if err != nil {
		t.Fatal(err)
	}
	extra := s.Media[2]
	if len(s.Media) != 3 || extra.Kind != "video" || extra.Direction != SendOnly || !slices.Equal(extra.Streams, []string{"screen"}) || !slices.Equal(extra.SSRCs, []uint32{31, 32}) {
		t.Errorf("the second stream is %+v", extra)
	}
	if got := s.Media[1]; !slices.Equal(got.Streams, []string{"camera"}) || !slices.Equal(got.SSRCs, []uint32{21, 22}) {
		t.Errorf("the first stream is %+v", got)
	}
}

// Pion's own offer is modern: it lifts to itself, and its answer needs no
// lowering.
func TestModernStaysAsItIs(t *testing.T) {
	pc := peer(t)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(kind); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pc.CreateDataChannel("default", nil); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Lift(offer.SDP)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Dropped) > 0 {
		t.Errorf("dropped %q", l.Dropped)
	}
	again, err := Lift(l.Text)
	if err != nil || again.Text != l.Text {
		t.Errorf("%v, %s", err, difference(l.Text, again.Text))
	}
	answer := pionAnswer(t, l.Text)
	if got := l.Lower(answer); got != answer {
		t.Error(difference(answer, got))
	}
}

// The answers of testdata are taken by a Pion that has offered to receive.
func TestPionTakesAnswers(t *testing.T) {
	for name, text := range samples(t, "answers") {
		t.Run(name, func(t *testing.T) {
			pc := peer(t)
			for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
				if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
					t.Fatal(err)
				}
			}
			offer, err := pc.CreateOffer(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := pc.SetLocalDescription(offer); err != nil {
				t.Fatal(err)
			}
			l, err := LiftAnswer(text, offer.SDP)
			if err != nil {
				t.Fatal(err)
			}
			if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: l.Text}); err != nil {
				t.Fatalf("Pion refuses the answer: %v", err)
			}
			s, err := Describe(l.Text)
			if err != nil {
				t.Fatal(err)
			}
			for i, tr := range pc.GetTransceivers() {
				want := webrtc.RTPTransceiverDirectionRecvonly
				if s.Media[i].Rejected {
					want = webrtc.RTPTransceiverDirectionInactive
				}
				if got := currentDirection(tr); got != want {
					t.Errorf("m-line %d is %s, want %s", i, got, want)
				}
			}
		})
	}
}

// currentDirection tells what was negotiated. Pion does not export it; its own
// description does.
func currentDirection(tr *webrtc.RTPTransceiver) webrtc.RTPTransceiverDirection {
	if tr.Receiver() == nil || len(tr.Receiver().Tracks()) == 0 || tr.Receiver().Track().SSRC() == 0 {
		return webrtc.RTPTransceiverDirectionInactive
	}
	return webrtc.RTPTransceiverDirectionRecvonly
}
