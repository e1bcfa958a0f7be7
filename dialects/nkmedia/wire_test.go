package nkmedia

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"dragoman/bridge"
)

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"class":"core","subclass":"user","cmd":"login","data":{"user":"a"},"tid":1}`, `{"result":"ok","tid":"x"}`, `{"ack":-5}`,
		`{"class":"core","cmd":"x","tid":[]}`, `{}`, `[`, `{"class":"a","cmd":"b","subclass":null,"tid":1.5,"data":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			return
		}
		if !json.Valid(m.tid) || m.data != nil && !json.Valid(m.data) || !utf8.Valid(data) {
			t.Errorf("decoded %q to %+v", data, m)
		}
		if m.kind == isRequest && m.subclass == "" && !strings.Contains(string(data), "subclass") {
			t.Errorf("%q has no subclass", data)
		}
		m.number()
	})
}

// FuzzParse: whatever the data of a command is, its fields are of the types that
// the command takes, or it is refused; and what was taken is taken again, as other
// connections have to.
func FuzzParse(f *testing.F) {
	all := commands()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, s := range []string{
		`{"type":"publish","offer":{"sdp":"v=0","trickle_ice":"TRUE"},"wait_reply":1,"bitrate":"5"}`, `{"conf_id":5,"class":"sfu"}`, `[]`, ` [ ] `,
		`{"room_id":true,"msg":{"a":1},"password":null}`, `{"session_id":"x","sdpMLineIndex":0,"candidate":"c"}`, `{"class":"media","body":[1]}`, `"x"`,
	} {
		for i := range names {
			f.Add(i, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		if i < 0 || !json.Valid(data) {
			return
		}
		data = []byte(strings.TrimSpace(string(data)))
		table := all[names[i%len(names)]].fields
		v, _, err := parse(data, table, i%2 == 0)
		if err != nil {
			if x, ok := faultOf(err); !ok || x.Code != syntaxError && x.Code != missingField {
				t.Errorf("%s: %v", data, err)
			}
			return
		}
		typed(t, v, table)
		raw, err := encode(v)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parse(raw, table, false)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(v) && !strings.Contains(string(raw), "\\u") {
			t.Errorf("%s is %v, and again %v: %v", data, v, again, err)
		}
	})
}

// typed checks that values are of the types of their fields.
func typed(t *testing.T, v values, table []field) {
	t.Helper()
	for _, f := range table {
		x, ok := v[f.name]
		if !ok {
			if f.must {
				t.Errorf("%s is missing", f.name)
			}
			continue
		}
		switch x := x.(type) {
		case string:
			ok = f.kind == isText || f.kind == isWord && slices.Contains(f.words, x)
		case int64:
			ok = f.kind == isNumber && x >= f.min && (f.max == 0 || x <= f.max)
		case bool:
			ok = f.kind == isFlag
		case values:
			ok = f.kind == isObject
			typed(t, x, f.sub)
		case json.RawMessage:
			ok = f.kind == isAny || f.kind == isObject && f.sub == nil && x[0] == '{'
		}
		if !ok {
			t.Errorf("%s is %T %v", f.name, x, x)
		}
	}
}

// FuzzEntry: whatever a client writes into the log, what we add to it stands.
func FuzzEntry(f *testing.F) {
	for _, s := range []string{`{}`, `{"type":"text","text":"hi"}`, `{"msg_id":9,"user_id":{},"timestmap":"x"}`, `{"text":1}`} { //nolint:misspell // as it is there
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var was map[string]json.RawMessage
		if !utf8.Valid(msg) || json.Unmarshal(msg, &was) != nil || was == nil {
			return
		}
		s := &speaker{api: "api"}
		say, err := s.sayOf(msg)
		if err != nil {
			t.Fatal(err)
		}
		if say.Text == "" {
			t.Errorf("others can read nothing of %s", msg)
		}
		raw, err := entry(bridge.Said{ID: say.ID, Name: "ann", Text: say.Text, Attrs: say.Attrs, Number: 7})
		if err != nil {
			t.Fatal(err)
		}
		var now map[string]json.RawMessage
		if err := json.Unmarshal(raw, &now); err != nil {
			t.Fatal(err)
		}
		if string(now["msg_id"]) != "7" || string(now["user_id"]) != `"ann"` || string(now["session_id"]) != `"api"` {
			t.Errorf("%s became %s", msg, raw)
		}
		for key := range was {
			if now[key] == nil {
				t.Errorf("%s became %s, without %s", msg, raw, key)
			}
		}
	})
}

// FuzzSDP: no description makes the little that we read of it fail.
func FuzzSDP(f *testing.F) {
	f.Add("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\nm=video 0 x\r\n")
	f.Add("m=\nm=audio\n")
	f.Fuzz(func(t *testing.T, s string) {
		k := received(bridge.SDP(s))
		if k.audio && !strings.Contains(s, "audio") || k.video && !strings.Contains(s, "video") {
			t.Errorf("%q receives %+v", s, k)
		}
		hasCandidates(s)
	})
}

func TestReceived(t *testing.T) {
	for sdp, want := range map[string]kinds{
		"m=audio 9 x 1\r\na=recvonly\r\nm=video 9 x 2\r\na=sendrecv\r\n":  {true, true},
		"m=audio 0 x 1\r\na=recvonly\r\nm=video 9 x 2\r\na=recvonly\r\n":  {false, true},
		"m=audio 9 x 1\r\na=inactive\r\nm=video 9 x 2\r\na=sendonly\r\n":  {},
		"m=audio 9 x 1\na=sendonly\nm=audio 9 x 1\nm=application 9 x y\n": {true, false},
		"": {},
	} {
		if got := received(bridge.SDP(sdp)); got != want {
			t.Errorf("%q receives %+v", sdp, got)
		}
	}
}
