package sdp

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"dragoman/bridge"
)

func TestDescribe(t *testing.T) {
	offers := samples(t, "offers")
	s, err := Describe(offers["testdata/offers/firefox128-simulcast"])
	if err != nil {
		t.Fatal(err)
	}
	if s.Type() != "offer" || !slices.Equal(s.Bundle, []string{"0", "1", "2"}) || s.Lite || len(s.Media) != 3 {
		t.Errorf("got %+v", s)
	}
	video, ok := s.ByMID("1")
	if !ok || video.Kind != "video" || video.Direction != SendOnly || video.Setup != "actpass" || video.Ufrag != "5c0b3f6e" {
		t.Errorf("video is %+v", video)
	}
	if want := []RID{{"q", true, true}, {"h", true, true}, {"f", true, false}}; !slices.Equal(video.RIDs, want) {
		t.Errorf("layers are %v, want %v", video.RIDs, want)
	}
	if !slices.Equal(video.Streams, []string{"{5b3c1d0e-8a3f-4f6f-9d13-7b0f9b0f3b11}"}) || len(video.SSRCs) != 3 {
		t.Errorf("streams %q, ssrcs %d", video.Streams, video.SSRCs)
	}
	if got := video.Extensions["urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"]; got != 8 {
		t.Errorf("the layer id has extension %d", got)
	}
	vp8, ok := video.Codec("vp8")
	want := Codec{
		Type: 120, Name: "VP8", Rate: 90000, Channels: 1, Params: "max-fs=12288;max-fr=60",
		Feedback: []string{"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"},
	}
	if !ok || !reflect.DeepEqual(vp8, want) {
		t.Errorf("VP8 is %+v, want %+v", vp8, want)
	}
	opus, _ := s.Of("audio")[0].Codec("opus")
	if opus.Channels != 2 || opus.Rate != 48000 {
		t.Errorf("opus is %+v", opus)
	}
	if data := s.Of("application"); len(data) != 1 || data[0].SCTPPort != 5000 || data[0].Codecs != nil {
		t.Errorf("data is %+v", data)
	}
	if _, ok := s.ByMID("9"); ok {
		t.Error("there is no such mid")
	}
	if _, ok := video.Codec("theora"); ok {
		t.Error("there is no such codec")
	}
}

// Old texts are read without being lifted.
func TestDescribeOld(t *testing.T) {
	offers := samples(t, "offers")
	ios, err := Describe(offers["testdata/offers/ios-libwebrtc"])
	if err != nil {
		t.Fatal(err)
	}
	audio := ios.Media[0]
	if !slices.Equal(audio.Streams, []string{"ARDAMS"}) || len(audio.Candidates) != 3 || audio.Proto != "RTP/SAVPF" {
		t.Errorf("audio is %+v", audio)
	}
	if ios.Media[2].SCTPPort != 5000 {
		t.Errorf("data is %+v", ios.Media[2])
	}
	escaped, err := Describe(samples(t, "answers")["testdata/answers/ahoy-js-escaped"])
	if err != nil || escaped.Type() != "answer" {
		t.Errorf("got %v, %v", escaped.Type(), err)
	}
	odd, err := Describe(offers["testdata/offers/oddities"])
	if err != nil {
		t.Fatal(err)
	}
	if pcmu, ok := odd.Media[0].Codec("PCMU"); !ok || pcmu.Rate != 8000 || !slices.Equal(pcmu.Feedback, []string{"nack"}) {
		t.Errorf("the static type is %+v", pcmu)
	}
	if m := odd.Media[3]; m.Rejected || m.Direction != Inactive || m.Setup != "actpass" || m.Ufrag != "sess" {
		t.Errorf("session level is not inherited: %+v", m)
	}
	if m := odd.Media[2]; !m.Rejected || len(odd.Of("video")) != 2 {
		t.Errorf("the closed m-line is %+v", m)
	}
	if _, err := Describe("nonsense"); bridge.CodeOf(err) != bridge.BadRequest {
		t.Errorf("got %v", err)
	}
}

func TestDescribeLimits(t *testing.T) {
	for bands, want := range map[string]int{
		"": 0, "b=AS:150\r\n": 150_000, "b=AS:150\r\nb=TIAS:149000\r\n": 149_000, "b=TIAS:1\r\nb=AS:9\r\n": 1,
		"b=AS:x\r\n": 0, "b=AS:99999999999\r\n": 0, "b=CT:5\r\n": 0,
	} {
		s, err := Describe("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\nm=video 9 RTP/SAVPF 96\r\n" + bands)
		if err != nil {
			t.Fatal(err)
		}
		if s.Media[0].Bitrate != want || !s.Lite || s.Media[0].Direction != SendRecv {
			t.Errorf("with %q the limit is %d, want %d", bands, s.Media[0].Bitrate, want)
		}
	}
	s, err := Describe("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=application 9 DTLS/SCTP zero\r\nm=application 9 TCP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:6000\r\n" +
		"m=audio 9 RTP/SAVPF 0\r\na=extmap:x\r\na=extmap:y urn:a\r\na=ssrc:none cname:x\r\na=rid:1\r\na=msid:-\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Media[0].SCTPPort != 5000 || s.Media[1].SCTPPort != 6000 {
		t.Errorf("ports %d and %d", s.Media[0].SCTPPort, s.Media[1].SCTPPort)
	}
	if m := s.Media[2]; m.Extensions != nil || m.SSRCs != nil || m.RIDs != nil || m.Streams != nil {
		t.Errorf("made something of nothing: %+v", m)
	}
}

func TestDirection(t *testing.T) {
	for d, want := range map[Direction][2]bool{SendRecv: {true, true}, SendOnly: {true, false}, RecvOnly: {false, true}, Inactive: {}} {
		if got := [2]bool{d.Sends(), d.Receives()}; got != want {
			t.Errorf("%s: %v", d, got)
		}
	}
}

func TestBitrate(t *testing.T) {
	const head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	const limit = "b=AS:500\r\nb=TIAS:500900\r\n"
	audio := "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n"
	video := func(b, rest string) string {
		return "m=video 9 UDP/TLS/RTP/SAVPF 96\r\ni=camera\r\nc=IN IP4 0.0.0.0\r\n" + b + rest
	}
	for name, test := range map[string]struct{ in, want string }{
		"receiving":         {head + audio + video("", "a=recvonly\r\n"), head + audio + video(limit, "a=recvonly\r\n")},
		"both ways":         {head + video("", "a=sendrecv\r\n") + audio, head + video(limit, "a=sendrecv\r\n") + audio},
		"nothing said":      {head + video("", ""), head + video(limit, "")},
		"two of them":       {head + video("", "") + video("", "a=x\r\n"), head + video(limit, "") + video(limit, "a=x\r\n")},
		"sending":           {head + video("", "a=sendonly\r\n"), head + video("", "a=sendonly\r\n")},
		"session says so":   {head + "a=inactive\r\n" + video("", "a=x\r\n"), head + "a=inactive\r\n" + video("", "a=x\r\n")},
		"rejected":          {head + "m=video 0 x 96\r\na=x\r\n", head + "m=video 0 x 96\r\na=x\r\n"},
		"replaced":          {head + video("b=AS:9\r\nb=RS:1\r\nb=TIAS:8000\r\n", "a=recvonly\r\n"), head + video(limit+"b=RS:1\r\n", "a=recvonly\r\n")},
		"no c=":             {head + "m=video 9 x 96\r\na=x\r\n", head + "m=video 9 x 96\r\n" + limit + "a=x\r\n"},
		"not a description": {"nonsense\r\n", "nonsense\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Bitrate(test.in, 500_900); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if again := Bitrate(Bitrate(test.in, 500_900), 500_900); again != test.want {
				t.Error("a second time changes it")
			}
			if got := Bitrate(test.in, 0); got != test.in {
				t.Error("no limit is a limit")
			}
		})
	}
	if got := Bitrate(head+video("", ""), 10); !strings.Contains(got, "b=AS:1\r\nb=TIAS:10\r\n") {
		t.Errorf("very little is none:\n%s", got)
	}
}

func TestLowerLeavesNonsense(t *testing.T) {
	if got := (Lifted{}).Lower("nonsense"); got != "nonsense" {
		t.Error(got)
	}
}

// What Pion does not answer at all gets what an m-line must have.
func TestLowerOfForeignWithoutFormats(t *testing.T) {
	l, err := Lift("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + transport + "m=audio 9 RTP/SAVPF 0\r\nm=text 9 TCP/X\r\n")
	if err != nil {
		t.Fatal(err)
	}
	lowered := l.Lower("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n")
	if want := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/SAVPF 0\r\na=inactive\r\nm=text 0 TCP/X 0\r\nc=IN IP4 0.0.0.0\r\n"; lowered != want {
		t.Errorf("got\n%s\nwant\n%s", lowered, want)
	}
}

func TestCredentials(t *testing.T) {
	for text, want := range map[string][2]string{
		"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:one\r\na=ice-pwd:two\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:three\r\na=ice-pwd:four\r\n": {"one", "two"},
		"v=0\na=ice-pwd:b\na=ice-ufrag:a\n": {"a", "b"},
		"v=0\r\n":                           {},
	} {
		if ufrag, pwd := Credentials(text); ufrag != want[0] || pwd != want[1] {
			t.Errorf("%q: %q %q", text, ufrag, pwd)
		}
	}
}
