package ahoy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dragoman/bridge"
)

func TestFlag(t *testing.T) {
	for in, want := range map[string]bool{
		`true`: true, `false`: false, `1`: true, `0`: false, `null`: false, `-1`: true, `0.0`: false, `2`: true, `1e400`: true,
	} {
		got := flag(!want)
		if err := json.Unmarshal([]byte(in), &got); err != nil || bool(got) != want {
			t.Errorf("%s is %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{`"true"`, `"1"`, `{}`, `[]`, `""`} {
		var f flag
		if json.Unmarshal([]byte(in), &f) == nil {
			t.Errorf("%s is a flag", in)
		}
	}
}

func TestCount(t *testing.T) {
	for in, want := range map[string]count{
		`5`: 5, `"5"`: 5, `5.9`: 5, `0`: 0, `-3`: 0, `"-3"`: 0, `null`: 0, `""`: 0, `1e300`: largest, `1e400`: largest, `"999999999999"`: largest,
	} {
		got := count(77)
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{`true`, `"many"`, `{}`, `[1]`, `"nan"`, `"0x10"`, `"1_0"`, `"inf"`} {
		var c count
		if json.Unmarshal([]byte(in), &c) == nil {
			t.Errorf("%s is the count %d", in, c)
		}
	}
}

func TestTransaction(t *testing.T) {
	for in, want := range map[string]string{`"a b"`: "a b", `17`: "17", `1.50`: "1.50", `{"a":1}`: `{"a":1}`, `null`: "", `"\u0041"`: "A"} {
		m, err := decode([]byte(`{"messageType":"x","transactionID":` + in + `}`))
		if err != nil || m.transaction() != want {
			t.Errorf("%s is %q, %v", in, m.transaction(), err)
		}
	}
}

// TestSpec: what is not given is the operator's, what is given is the creator's.
func TestSpec(t *testing.T) {
	s := DefaultConfig().spec("r", create{Password: "s", ModeratorPassword: "m"})
	if len(s.Secrets) != 2 || s.Secrets[bridge.Speaker] != "s" || s.Secrets[bridge.Moderator] != "m" {
		t.Errorf("the secrets are %d", len(s.Secrets))
	}
	if s.NeverJoined != 10*time.Minute || s.EmptyTimeout != 2*time.Minute || s.Max != 0 || s.Limit != 0 || s.MaxBitrate != 0 || s.Default != bridge.NoRole {
		t.Errorf("the defaults are %+v", s)
	}
}

func TestSends(t *testing.T) {
	const head = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	for name, c := range map[string]struct {
		sdp  string
		want kinds
	}{
		"nothing":                           {"", kinds{}},
		"no m-lines":                        {head, kinds{}},
		"both":                              {head + "m=audio 9 RTP 0\r\na=sendonly\r\nm=video 9 RTP 1\r\na=sendrecv\r\n", kinds{true, true}},
		"without a direction":               {head + "m=audio 9 RTP 0\r\nm=video 9 RTP 1\r\na=mid:1\r\n", kinds{true, true}},
		"inactive":                          {head + "m=audio 9 RTP 0\r\na=inactive\r\nm=video 9 RTP 1\r\na=sendonly\r\n", kinds{video: true}},
		"recvonly":                          {head + "m=audio 9 RTP 0\r\na=sendonly\r\nm=video 9 RTP 1\r\na=recvonly\r\n", kinds{audio: true}},
		"port 0":                            {head + "m=audio 0 RTP 0\r\na=sendonly\r\nm=video 9 RTP 1\r\na=sendonly\r\n", kinds{video: true}},
		"of the session":                    {head + "a=recvonly\r\nm=audio 9 RTP 0\r\nm=video 9 RTP 1\r\na=sendonly\r\n", kinds{video: true}},
		"line feeds alone":                  {strings.ReplaceAll(head+"m=audio 9 RTP 0\r\na=sendonly\r\n", "\r\n", "\n"), kinds{audio: true}},
		"other media":                       {head + "m=application 9 UDP/DTLS/SCTP x\r\na=sendrecv\r\n", kinds{}},
		"two of a kind":                     {head + "m=video 0 RTP 0\r\nm=video 9 RTP 0\r\na=sendonly\r\n", kinds{video: true}},
		"a broken m-line":                   {head + "m=audio \r\na=sendonly\r\n", kinds{}},
		"a direction after a rejected line": {head + "m=audio 0 RTP 0\r\na=inactive\r\nm=video 9 RTP 1\r\n", kinds{video: true}},
	} {
		if got := sends(bridge.SDP(c.sdp)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPlainSDP(t *testing.T) {
	for in, want := range map[string]bridge.SDP{
		"v=0\r\ns=%41": "v=0\r\ns=%41", "v%3D0%0D%0As%3D%2541+": "v=0\r\ns=%41+", "v%3d0": "v=0", "": "", "V%3D0": "V=0", "x%3D0": "x%3D0", "v%3": "v%3",
	} {
		if got := plainSDP(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"messageType":"CONFERENCE_CREATE_request","transactionID":"1","maxMember":"5","password":null}`))
	f.Add([]byte(`{"messageType":"MEDIA_request","transactionID":7,"members":[{"memberID":"x","audio":1,"video":null}]}`))
	f.Add([]byte(`{"messageType":"MEDIA_RECEIVE_response","sdp":"v%3D0","status":200.0}`))
	f.Add([]byte(`{"messageType":"CHAT_MESSAGE_request","message":{"text":"{\"chat\":1}"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			return
		}
		m.transaction()
		if out, err := encode(&envelope{MessageType: m.kind, Status: 200, TransactionID: m.id}); err != nil || !json.Valid(out) {
			t.Errorf("its response would be %q, %v", out, err)
		}
		for _, err := range []error{as[create](m), as[join](m), as[kick](m), as[lock](m), as[describe](m), as[share](m), as[media](m), as[chat](m), as[sdpAnswer](m)} {
			if err != nil && bridge.CodeOf(err) != bridge.BadRequest {
				t.Errorf("bad input is %v", err)
			}
		}
		if q, err := read[share](m); err == nil && (q.MaxVideoBitrate < 0 || q.MaxVideoBitrate > largest) {
			t.Errorf("a rate of %d", q.MaxVideoBitrate)
		}
		if q, err := read[sdpAnswer](m); err == nil {
			sends(plainSDP(q.SDP))
		}
	})
}

func as[T any](m message) error {
	_, err := read[T](m)
	return err
}

func FuzzSDP(f *testing.F) {
	f.Add("v%3D0%0D%0Am%3Daudio 9 RTP 0%0D%0Aa%3Dsendonly%u20AC%zz+")
	f.Add("v=0\r\na=recvonly\r\nm=audio 0 RTP 0\nm=video 9 RTP 1\r\na=inactive\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		plain := plainSDP(s)
		if strings.HasPrefix(s, "v=") && string(plain) != s {
			t.Errorf("a plain description was changed: %q", plain)
		}
		if k := sends(plain); k.audio && !strings.Contains(string(plain), "m=audio ") || k.video && !strings.Contains(string(plain), "m=video ") {
			t.Errorf("%+v is in none of %q", k, plain)
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	for _, s := range []string{`{"chat":"hi"}`, `{"control":{}}`, `"x"`, `x`, ``, `null`, `{"chat":null,"control":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, forAll := unwrap(s)
		if forAll == (text == "") {
			t.Errorf("%q is %q, for all: %v", s, text, forAll)
		}
		raw, err := wrap(text)
		if err != nil || !json.Valid(raw) {
			t.Errorf("wrapped it is %s, %v", raw, err)
		}
		var m chatText
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		if again, _ := unwrap(*m.Text); again != strings.ToValidUTF8(text, "\uFFFD") && utf8.ValidString(text) {
			t.Errorf("%q comes back as %q", text, again)
		}
	})
}
