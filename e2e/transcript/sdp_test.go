package transcript

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// An offer as a browser makes it, with what old ones have besides.
const browserOffer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=ice-lite\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 13\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:13 CN/8000\r\na=mid:0\r\na=sendrecv\r\na=setup:actpass\r\na=fingerprint:sha-256 AA\r\n" +
	"a=msid:s1 t1\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:2 urn:x a=b\r\na=candidate:1 1 udp 1 1.2.3.4 5 typ host\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97 98\r\nb=AS:500\r\nb=TIAS:500000\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:98 H264/90000\r\n" +
	"a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:98 nack\r\na=mid:1\r\na=sendonly\r\na=setup:actpass\r\na=ssrc:5 msid:s1 t2\r\na=ssrc:5 cname:x\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=setup:actpass\r\na=sctp-port:5000\r\n"

func TestMeaning(t *testing.T) {
	m, err := Meaning(browserOffer)
	if err != nil {
		t.Fatal(err)
	}
	want := value(t, `{"type":"offer","setup":"actpass","escaped":false,"audio":"sendrecv","video":"sendonly","application":"sendrecv",
		"kinds":["audio","video","application"],"mids":["0","1","2"],"codecs":["opus","PCMU","VP8","H264"],"candidates":1,
		"bandwidth":500,"tias":500000,"stream":"s1","streams":1,"proto":"UDP/TLS/RTP/SAVPF","feedback":["nack","nack pli"],
		"extensions":["urn:ietf:params:rtp-hdrext:ssrc-audio-level","urn:x"],"bundle":true,"lite":true,"simulcast":false,
		"fingerprint":true,"channels":true}`)
	if !reflect.DeepEqual(any(m), want) {
		got, _ := json.Marshal(m)
		t.Errorf("got %s", got)
	}
	two := strings.ReplaceAll(browserOffer, "ssrc:5 msid:s1", "ssrc:5 msid:s2")
	if m, _ := Meaning(two); m["stream"] != "" || m["streams"] != number(2) {
		t.Errorf("two streams: %v, %v", m["stream"], m["streams"])
	}
	for _, bad := range []string{"", "hello", "v=0\r\nm=audio\r\n"} {
		if _, err := Meaning(bad); err == nil {
			t.Errorf("%q has a meaning", bad)
		}
	}
}

func TestEscape(t *testing.T) {
	// What Chromium's Escape() makes of this text.
	const plain, escaped = "v=0\r\na=ü+/@% \u20ac\U0001F600", "v%3D0%0D%0Aa%3D%FC+/@%25%20%u20AC%uD83D%uDE00"
	if got := Escape(plain); got != escaped {
		t.Errorf("escape: %s", got)
	}
	if got := Unescape(escaped); got != plain {
		t.Errorf("unescape: %q", got)
	}
	for in, want := range map[string]string{
		plain: plain, "v%3d%": "v=%", "v%3D%u12": "v=%u12", "v%3D%zz%u00zz+": "v=%zz%u00zz+", "v%3": "v%3",
	} {
		if got := Unescape(in); got != want {
			t.Errorf("unescape %q: %q, want %q", in, got, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	text, err := Wish{Audio: "recvonly", Stream: "me", Candidates: true}.Answer(browserOffer)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Meaning(text)
	if err != nil {
		t.Fatal(err)
	}
	diffs := match(value(t, `{"type":"answer","audio":"recvonly","video":"recvonly","application":"sendrecv","mids":["0","1","2"],
		"codecs":["opus","VP8"],"candidates":3,"streams":0,"bundle":true,"channels":true,"$rest":true}`), any(m), vars{}, noon)
	if len(diffs) > 0 {
		t.Errorf("%v in\n%s", diffs, text)
	}
	if _, err := (Wish{}).Answer("no"); err == nil {
		t.Error("what is no offer was answered")
	}
}

func FuzzMeaning(f *testing.F) {
	f.Add(browserOffer)
	f.Add(Escape(browserOffer))
	f.Add("v=0\nm=audio 0 RTP/AVP 0\na=setup:passive\na=msid:- x\nb=AS:x\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Meaning(text)
		if err != nil {
			return
		}
		if _, err := json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		answer, err := Wish{}.Answer(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Meaning(answer); err != nil {
			t.Fatalf("answer without a meaning: %v\n%s", err, answer)
		}
	})
}
