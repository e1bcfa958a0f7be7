package k3k

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dragoman/bridge"
)

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"namespace":"control","payload":{"action":"join","display_name":"A"}}`, `{}`, `[`, `{"namespace":"x","payload":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		if !json.Valid(e.payload) || !utf8.ValidString(e.namespace) {
			t.Errorf("decoded %q to %q", data, e.payload)
		}
		actionOf(e.payload)
	})
}

// FuzzCommands: no payload makes a command that lacks what it must have.
func FuzzCommands(f *testing.F) {
	const id = `"35b94009-38db-453f-8e38-fb2635236e59"`
	for _, s := range []string{
		`{"target":` + id + `,"media_session_type":"video","sdp":"v=0"}`, `{"target":` + id + `,"media_session_type":"screen","candidate":{"sdpMLineIndex":0,"candidate":""}}`,
		`{"media_session_type":"video","media_session_state":{"audio":true,"video":false}}`, `{"targets":[` + id + `],"force":true,"participant_ids":[]}`,
		`{"scope":"private","target":` + id + `,"content":"x","timestamp":"2024-01-10T22:22:03Z"}`, `{"kick_scope":"all","new_name":"x","target":` + id + `}`,
		`{"kind":"countdown","duration":3}`, `{"timer_id":` + id + `,"status":true}`, `{"topic":"t","live":true,"choices":["a"],"duration":1}`, `{"poll_id":` + id + `,"choice_id":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if v, err := read[describe](data); err == nil {
			_, _ = len(*v.SDP), received(*v.SDP)
		}
		if v, err := read[candidate](data); err == nil {
			_, _ = *v.Candidate.Index, *v.Candidate.Text
		}
		if v, err := read[state](data); err == nil {
			_, _ = *v.State.Audio, *v.State.Video
		}
		if v, err := read[configure](data); err == nil {
			_ = *v.Configuration
		}
		if v, err := read[moderatorMute](data); err == nil {
			_, _ = *v.Targets, *v.Force
		}
		if v, err := read[presenters](data); err == nil {
			_ = *v.IDs
		}
		if v, err := read[say](data); err == nil && v.Scope != global {
			_ = *v.Target
		}
		if v, err := read[seen](data); err == nil {
			v.at()
		}
		if v, err := read[rename](data); err == nil {
			_ = *v.Name
		}
		if v, err := read[startTimer](data); err == nil && v.Kind == countdown {
			_ = *v.Duration
		}
		if v, err := read[setReady](data); err == nil {
			_ = *v.Status
		}
		if v, err := read[startPoll](data); err == nil {
			_ = v.check()
		}
	})
}

// FuzzDocuments: what others have put into a room's documents harms nobody.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"kind":"countdown","ends_at":"2024-01-10T22:22:03Z"}`))
	f.Add([]byte(`{"choices":[{"id":0,"content":"x"}],"votes":{"a":0,"b":7}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		d := bridge.Doc{Value: data, Version: 1}
		readTimer(d).doc()
		if p := readPoll(d); p != nil {
			p.doc()
			p.results()
		}
	})
}

func FuzzSDP(f *testing.F) {
	f.Add("v=0\r\na=fingerprint:sha-256 AA\r\nm=video 9 x 96\r\na=rid:high send\r\na=rid:low send\r\na=simulcast:send high;low\r\na=recvonly\r\n")
	f.Add("m=")
	f.Fuzz(func(_ *testing.T, text string) {
		s := bridge.SDP(text)
		received(s)
		simulcast(s)
		fingerprint(s)
	})
}

func FuzzUpgrade(f *testing.F) {
	f.Add("ticket#abc, k3k-signaling-json-v1.0", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		u := readUpgrade(http.Header{protocolHeader: {a, b}})
		if u.protocol != "" && u.protocol != oldProtocol && u.protocol != newProtocol {
			t.Errorf("%q was selected", u.protocol)
		}
	})
}

func FuzzREST(f *testing.F) {
	f.Add([]byte(`{"title":"x","password":null,"starts_at":{"datetime":"2024-01-10T22:22:03Z","timezone":"Europe/Berlin"},"recurrence_pattern":["RRULE:FREQ=DAILY"]}`))
	f.Add([]byte(`{"expiration":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e eventFields
		if json.Unmarshal(data, &e) == nil && e.check() == nil {
			m := bridge.Meeting{Timeless: true}
			if e.apply(&m, time.Now(), bridge.AccountID{}) == nil && m.Timeless != (m.Starts.At.IsZero() && m.Starts.Zone == "") && !m.Starts.At.IsZero() {
				t.Errorf("%s makes %+v", data, m)
			}
		}
		var x expiration
		if json.Unmarshal(data, &x) == nil {
			x.at()
		}
	})
}

func TestSDP(t *testing.T) {
	const offer = "v=0\r\na=fingerprint:sha-256 AA:BB\r\nm=audio 9 x 111\r\na=sendonly\r\nm=video 9 x 96\r\na=sendonly\r\n" +
		"a=rid:high send\r\na=rid:medium send\r\na=rid:low send\r\na=simulcast:send high;medium;low\r\n"
	layers := simulcast(offer)
	names := []string{}
	for _, l := range layers {
		names = append(names, l.RID)
	}
	if !slices.Equal(names, []string{"low", "medium", "high"}) {
		t.Errorf("the layers are %v, lowest first", names)
	}
	if simulcast("m=video 9 x 96\r\na=rid:a send\r\n") != nil {
		t.Error("layers without simulcast")
	}
	if fingerprint(offer) != "sha-256 aa:bb" {
		t.Errorf("the fingerprint is %q", fingerprint(offer))
	}
	for answer, want := range map[bridge.SDP]kinds{
		"m=audio 9 x 111\r\na=recvonly\r\nm=video 9 x 96\r\na=recvonly\r\n": {true, true},
		"m=audio 9 x 111\r\na=recvonly\r\nm=video 0 x 96\r\na=recvonly\r\n": {true, false},
		"m=audio 9 x 111\r\na=inactive\r\nm=video 9 x 96\r\na=sendonly\r\n": {},
		"v=0\r\n": {},
	} {
		if got := received(answer); got != want {
			t.Errorf("%q receives %v, want %v", answer, got, want)
		}
	}
	p := bridge.Publication{Layers: layers}
	for substream, rid := range []string{"low", "medium", ""} {
		if got := layer(p, substream).RID; got != rid {
			t.Errorf("substream %d is %q, want %q", substream, got, rid)
		}
	}
	p.Layers = layers[:2]
	if layer(p, 0).RID != "low" || layer(p, 1).RID != "low" || layer(bridge.Publication{}, 0).RID != "" {
		t.Error("fewer layers")
	}
}

func TestPayload(t *testing.T) {
	for want, fields := range map[string]any{
		`{"message":"m"}`: nil,
		`{"message":"m","id":1}`: struct {
			ID int `json:"id"`
		}{1},
		`{"message":"m","x":"<&>"}`: map[string]string{"x": "<&>"},
	} {
		got, err := payloadOf("m", fields)
		if err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	if got, err := payloadOf("m", struct{}{}); err != nil || string(got) != `{"message":"m"}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := payloadOf("m", make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
}

func TestTokens(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		s := newToken()
		if len(s) != 64 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" || seen[s] {
			t.Fatalf("%q", s)
		}
		seen[s] = true
	}
}

// The forms are fixed: lobby and command line print them, and clients keep them.
func TestNames(t *testing.T) {
	if got := RoomUUID("demo"); got != named("dragoman:room/demo").String() || got[14] != '5' {
		t.Errorf("the id of demo is %s", got)
	}
	if id := "1FE81F50-C619-4106-86A2-2C3D0C96CEE1"; RoomUUID(bridge.RoomID(id)) != strings.ToLower(id) {
		t.Error("a UUID is its own id")
	}
	if RoomUUID("demo") == InviteUUID("demo") || RoomUUID("demo") == RoomUUID("Demo") {
		t.Error("two are the same")
	}
	// RFC 9562, A.4: www.example.com in the name space of host names; this is the
	// same in that of URLs, as other programs make it.
	if got := named("http://www.example.com/").String(); got != "fcde3c85-2270-590f-9e7c-ee003d65e0e2" {
		t.Errorf("a version 5 UUID is %s", got)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aé", 2, "a"}, {"éé", 3, "é"}, {"é", 1, ""}, {"", 0, ""}} {
		if got := cut(c.in, c.most); got != c.want {
			t.Errorf("cut(%q, %d) is %q, want %q", c.in, c.most, got, c.want)
		}
	}
}
