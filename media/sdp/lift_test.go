package sdp

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dragoman/bridge"
)

var update = flag.Bool("update", false, "write golden files instead of comparing")

// ourOffer is what answers in testdata answer: audio and video that we want to
// receive (ahoy.md 7.2).
const ourOffer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:1\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n"

// samples reads the descriptions under a folder of testdata, by name.
func samples(t testing.TB, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.sdp"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples in %s: %v", folder, err)
	}
	all := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(f, ".sdp")] = string(b)
	}
	return all
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s:\n%s", file, difference(string(want), got))
	}
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "line " + string(rune('0'+i/100%10)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)) + "\nwant " + w[i] + "\ngot  " + g[i]
		}
	}
	return "one is longer"
}

func liftSample(t *testing.T, name, text string) Lifted {
	t.Helper()
	lift := Lift
	if strings.Contains(name, "answers") {
		lift = func(text string) (Lifted, error) { return LiftAnswer(text, ourOffer) }
	}
	l, err := lift(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLiftGolden(t *testing.T) {
	for _, folder := range []string{"offers", "answers"} {
		for name, text := range samples(t, folder) {
			t.Run(name, func(t *testing.T) {
				l := liftSample(t, name, text)
				golden(t, name+".lifted", l.Text)
				golden(t, name+".dropped", strings.Join(append(l.Dropped, ""), "\n"))
				if !Plain(l.Text) && !strings.Contains(name, "oddities") {
					t.Error("has a percent sign")
				}
				if again := liftSample(t, name, l.Text); again.Text != l.Text {
					t.Errorf("does not lift to itself: %s", difference(l.Text, again.Text))
				}
			})
		}
	}
}

// The escaped answer says the same as the plain one, but for its title.
func TestEscapedIsPlain(t *testing.T) {
	answers := samples(t, "answers")
	plain, err := LiftAnswer(answers["testdata/answers/chrome-plain"], ourOffer)
	if err != nil {
		t.Fatal(err)
	}
	escaped, err := LiftAnswer(answers["testdata/answers/ahoy-js-escaped"], ourOffer)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Replace(escaped.Text, "s=Zoë 😀", "s=-", 1); got != plain.Text {
		t.Error(difference(plain.Text, got))
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		"a+b":                "a+b",
		"%41%20%2B":          "A +",
		"%EB":                "ë",
		"%u0416%uD83D%uDE00": "Ж😀",
		"%uD83D":             "\ufffd",
		"100%":               "100%",
		"%zz%u12":            "%zz%u12",
		"%u00e":              "%u00e",
		"ü😀":                 "ü😀",
	} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

const transport = "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA:BB\r\n"

func TestLiftRefuses(t *testing.T) {
	head := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	audio := "m=audio 9 RTP/SAVPF 0\r\n"
	for name, test := range map[string]struct{ text, says string }{
		"nothing":             {"", "is empty"},
		"no description":      {"hello", "line 1"},
		"another version":     {"v=1\r\n", "version"},
		"no media":            {head, "no media"},
		"no ICE":              {head + audio + "a=fingerprint:sha-256 AA", "no ICE"},
		"no password":         {head + audio + "a=ice-ufrag:x\r\na=fingerprint:sha-256 AA", "no ICE"},
		"SDES only":           {head + audio + "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=crypto:1 x y", "fingerprint"},
		"md5":                 {head + audio + "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:md5 AA", "fingerprint"},
		"too large":           {strings.Repeat("a", MaxSize+1), "256 KiB"},
		"too many lines":      {head + strings.Repeat("a=x\n", MaxLines), "8192 lines"},
		"too long a line":     {head + "a=" + strings.Repeat("x", MaxLine), "16 KiB"},
		"too many m-lines":    {head + strings.Repeat(audio, MaxMedia+1), "128 m-lines"},
		"a control character": {head + "a=x\x00y", "line 5"},
		"not UTF-8":           {head + "a=x\xff", "line 5"},
		"half an m-line":      {head + "m=audio 9", "media line"},
		"no port":             {head + "m=audio x RTP/SAVPF 0", "port"},
		"grows too large": {head + "a=fingerprint:sha-256 AA\r\na=ice-ufrag:" + strings.Repeat("x", 8<<10) + "\r\na=ice-pwd:y\r\n" +
			strings.Repeat(audio, 100), "256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Lift(test.text)
			if bridge.CodeOf(err) != bridge.BadRequest || !strings.Contains(bridge.MessageOf(err), test.says) {
				t.Errorf("got %v, want a bad request that says %q", err, test.says)
			}
		})
	}
}

func TestLiftAnswerRefuses(t *testing.T) {
	head := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + transport
	line := func(kind string) string { return "m=" + kind + " 9 RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n" }
	for says, text := range map[string]string{
		"more media":                         head + line("audio") + line("video") + line("audio"),
		"video where the offer has audio":    head + line("video") + line("audio"),
		"the session description has no ICE": "v=0\r\n" + line("audio") + line("video"),
	} {
		if _, err := LiftAnswer(text, ourOffer); bridge.CodeOf(err) != bridge.BadRequest || !strings.Contains(bridge.MessageOf(err), says) {
			t.Errorf("got %v, want a bad request that says %q", err, says)
		}
	}
	if _, err := LiftAnswer(head+line("audio"), "nonsense"); bridge.CodeOf(err) != bridge.Internal {
		t.Errorf("an offer that is none: %v", err)
	}
}

// An answer may refuse everything, even without credentials: ahoy.md 7.6.
func TestAllRefused(t *testing.T) {
	l, err := LiftAnswer("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/SAVPF 111\r\nm=video 0 RTP/SAVPF 96\r\n", ourOffer)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Describe(l.Text)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range s.Media {
		if !m.Rejected || m.Direction != Inactive || m.MID != string(rune('0'+i)) {
			t.Errorf("m-line %d is %+v", i, m)
		}
	}
}

// What is first for Pion must have what others have: it reads nothing else.
func TestTransportMovesToTheFirst(t *testing.T) {
	text := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE b a c\r\n" +
		"m=audio 9 RTP/SAVPF 0\r\na=mid:a\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-1 AA\r\na=fingerprint:sha-256 BB\r\n" +
		"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" +
		"m=video 9 RTP/SAVPF 34\r\na=mid:b\r\n" +
		"m=audio 9 RTP/SAVPF 0\r\na=mid:c\r\na=ice-ufrag:other\r\na=ice-pwd:q\r\na=candidate:2 1 udp 1 192.0.2.2 9 typ host\r\n"
	l, err := Lift(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Describe(l.Text)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := s.ByMID("b")
	if b.Ufrag != "u" || len(b.Candidates) != 1 || b.Candidates[0] != "candidate:1 1 udp 1 192.0.2.1 9 typ host" {
		t.Errorf("the first bundled m-line has %q and %q", b.Ufrag, b.Candidates)
	}
	if at, also := strings.Index(l.Text, "sha-256 BB"), strings.Index(l.Text, "sha-1 AA"); at < 0 || also < at {
		t.Errorf("the stronger fingerprint is not first:\n%s", l.Text)
	}
}

// More streams than anybody needs do not make more m-lines than that.
func TestPlanBIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE video\r\n" + transport + "m=video 9 RTP/SAVPF 34\r\na=mid:video\r\n")
	for i := range 100 {
		id := string(rune('A'+i/26)) + string(rune('a'+i%26))
		b.WriteString("a=ssrc:1" + strings.Repeat("0", i%5) + strings.Repeat("1", i/26) + string(rune('1'+i%9)) + " msid:" + id + " t\r\n")
	}
	l, err := Lift(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := Describe(l.Text); len(s.Media) != 1+maxExtra {
		t.Errorf("%d m-lines", len(s.Media))
	}
	if len(l.Dropped) == 0 || len(l.Dropped) > 32 {
		t.Errorf("%d entries say what was dropped", len(l.Dropped))
	}
}

func TestSimulcastNeedsTwoPartsOfMSID(t *testing.T) {
	for msid, want := range map[string]string{"": "a=msid:- v\r\n", "a=msid:cam\r\n": "a=msid:cam v\r\n", "a=msid:cam x y\r\n": "a=msid:cam x\r\n"} {
		l, err := Lift("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v\r\n" + transport +
			"m=video 9 RTP/SAVPF 34\r\na=mid:v\r\na=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\n" + msid)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(l.Text, want) {
			t.Errorf("with %q there is no %q in\n%s", msid, want, l.Text)
		}
	}
}

func TestCandidate(t *testing.T) {
	const good = "candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host generation 0"
	for in, want := range map[string]string{
		good:                                   good,
		"a=" + good + "\r\n":                   good,
		strings.TrimPrefix(good, "candidate:"): good,
		"":                                     "",
		"a=end-of-candidates\r\n":              "",
		"candidate:1 1 TCP 1 2001:db8::1 9 typ srflx raddr :: rport 9 tcptype active": "candidate:1 1 TCP 1 2001:db8::1 9 typ srflx raddr :: rport 9 tcptype active",
		"candidate:1 1 udp 1 4f1a.local 9 typ host":                                   "candidate:1 1 udp 1 4f1a.local 9 typ host",
	} {
		if got, ok := Candidate(in); !ok || got != want {
			t.Errorf("Candidate(%q) = %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{
		"candidate:1 2 udp 1 192.0.2.7 9 typ host", "candidate:1 1 tcp 1 192.0.2.7 0 typ host", "candidate:1 1 udp 1 example.org 9 typ host",
		"candidate:1 1 udp 1 192.0.2.7 99999 typ host", "candidate:1 1 udp 1 192.0.2.7 9 typ magic", "candidate:1 1 udp 99999999999 192.0.2.7 9 typ host",
		"candidate:1 1 udp 1 192.0.2.7 9 type host", "candidate:1 1 ssl 1 192.0.2.7 9 typ host", "junk", good + "\x00",
		"candidate:" + strings.Repeat("1", 33) + " 1 udp 1 192.0.2.7 9 typ host", good + strings.Repeat(" x", MaxLine),
	} {
		if got, ok := Candidate(in); ok {
			t.Errorf("Candidate(%q) = %q", in, got)
		}
	}
}

func TestPlain(t *testing.T) {
	if Plain("a=msid:50% x") || !Plain(ourOffer) {
		t.Error("a percent sign is all that matters")
	}
}
