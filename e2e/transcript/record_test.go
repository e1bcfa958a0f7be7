package transcript

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/dialects"
)

// record plays a file through a proxy and returns what the proxy recorded.
func record(t *testing.T, name string) *Script {
	t.Helper()
	s, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	var made *Script
	synctest.Test(t, func(t *testing.T) {
		server := Handler(newToy())
		r := NewRecording(s.Dialect, s.Title)
		proxy := Handler(r.Proxy(server))
		if err := Play(t.Context(), s, proxy); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		made = r.Script()
		for _, w := range []*Local{proxy, server} {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if r.Lost() != 0 {
			t.Errorf("%d lost", r.Lost())
		}
	})
	return made
}

// What was recorded from a server can be demanded from it again.
func TestRecordAndReplay(t *testing.T) {
	for _, name := range []string{"testdata/talk.jsonl", "testdata/media.jsonl"} {
		var b bytes.Buffer
		if err := record(t, name).Write(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		s, err := Read(&b)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		synctest.Test(t, func(t *testing.T) {
			w := Handler(newToy())
			if err := Play(t.Context(), s, w); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
			_ = w.Close()
		})
	}
}

func TestRecordHTTP(t *testing.T) {
	var b bytes.Buffer
	if err := record(t, "testdata/odd.jsonl").Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"do":"http",`, `"method":"POST","path":"/echo/a","query":{"q":"a"}`, `"body":{"deep":["a"]},"expect":{"status":200,"body":{"got":{"deep":["a"]},"host":`,
		`"do":"dial",`, `"path":"/closed","expect":{"status":403}}`, `"do":"closed","code":4001}`, `"binary":"AAEC"`, `"text":"not JSON"`,
		`{"do":"wait","for":"48h0m0s"}`, `"within":"6h0m0s"`,
	} {
		t0 := b.String()
		if !strings.Contains(strip(t0), want) {
			t.Errorf("no %s in\n%s", want, t0)
		}
	}
}

// strip removes the times of steps.
func strip(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if at := strings.Index(line, `"t":`); at >= 0 {
			end := strings.IndexByte(line[at:], ',')
			line = line[:at] + line[at+end+1:]
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

func TestDistil(t *testing.T) {
	const hex = "00112233445566778899aabbccddeeff"
	const token = "QWxhZGRpbjpvcGVuIHNlc2FtZQ1234567890"
	synctest.Test(t, func(t *testing.T) {
		r := NewRecording("x", "t")
		tap := dialects.Tap(r)
		in := func(v any) { tapped(t, tap, dialects.In, v) }
		out := func(v any) { tapped(t, tap, dialects.Out, v) }
		in(map[string]any{"do": "join", "name": "Eve", "password": "hunter2hunter2", "tid": "client-0123456789", "at": 123456789})
		out(map[string]any{
			"id": hex, "once": strings.Repeat("f0", 32), "token": token, "Sid": "only-once", "tid": "client-0123456789", "echo": "hunter2hunter2",
			"now": time.Now(), "ms": time.Now().UnixMilli(), "at": 123456789, "ip": "192.0.2.7", "sdp": browserOffer, "list": []any{hex, "OK", 3, nil},
			"uuid": "01234567-89ab-4def-8123-456789abcdef", "candidate": "candidate:1 1 udp 2130706431 192.0.2.7 9 typ host",
		})
		pass(t, 7*time.Second)
		in(map[string]any{"to": hex, "path": "/x/" + hex + "/y", "resume": token, "sdp": browserOffer, "text": "${x}"})
		pass(t, 6*time.Second)
		out("no object")
		var b bytes.Buffer
		if err := r.Script().Write(&b); err != nil {
			t.Fatal(err)
		}
		want := `{"transcript":1,"dialect":"x","title":"t","needs":[]}
{"who":"a","do":"dial","path":"/"}
{"who":"a","dir":">","msg":{"at":123456789,"do":"join","name":"Eve","password":"secret-1","tid":"client-0123456789"}}
{"who":"a","dir":"<","msg":{"Sid":{"$any":true},"at":123456789,"candidate":{"$re":"(?s)(a=)?candidate:.*"},"echo":"secret-1","id":{"$cap":"id1"},` +
			`"ip":{"$re":"[0-9a-fA-F.:]+"},"list":[{"$ref":"id1"},"OK",3,null],"ms":{"$time":"5s"},"now":{"$time":"5s"},"once":{"$re":"[0-9a-f]{64}"},` +
			`"sdp":{"$sdp":{"application":"sendrecv","audio":"sendrecv","codecs":["opus","PCMU","VP8","H264"],"type":"offer","video":"sendonly"}},` +
			`"tid":"client-0123456789","token":{"$cap":"id2"},"uuid":{"$re":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"}}}
{"do":"wait","for":"7s"}
{"who":"a","dir":">","msg":{"path":"/x/${id1}/y","resume":{"$ref":"id2"},"sdp":{"$sdp":{"application":"yes","audio":"sendrecv","type":"offer","video":"sendonly"}},"text":"$${x}","to":{"$ref":"id1"}}}
{"who":"a","dir":"<","msg":"no object","within":"12s"}
`
		if got := strip(b.String()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		for _, s := range []string{"hunter2", token, "only-once"} {
			if strings.Contains(b.String(), s) {
				t.Errorf("the secret %q is in the transcript", s)
			}
		}
		if _, err := Read(&b); err != nil {
			t.Error(err)
		}
	})
}

func tapped(t *testing.T, tap dialects.Tap, dir dialects.Direction, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	tap.Frame(1, dir, b)
}

// Clients that go together at the end are left out, one that goes before is not.
func TestCurtain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRecording("x", "t")
		for id := range dialects.ConnID(3) {
			r.Frame(id, dialects.In, []byte("1"))
		}
		pass(t, time.Second)
		r.closed(0, false, 1000)
		r.Frame(1, dialects.Out, []byte("2"))
		pass(t, time.Second)
		r.closed(1, false, 1000)
		r.Frame(2, dialects.Out, []byte("3"))
		pass(t, time.Millisecond)
		r.closed(2, false, 1000)
		var last []string
		for _, s := range r.Script().Steps[6:] {
			last = append(last, s.Who+" "+s.kind())
		}
		if got := strings.Join(last, ", "); got != "a close, b hear" {
			t.Errorf("ends with %s", got)
		}
	})
}

func TestRecordingIsBounded(t *testing.T) {
	r := NewRecording("x", "t")
	for i := range MaxSteps {
		r.Frame(dialects.ConnID(i%40), dialects.In, []byte("1"))
	}
	if n := len(r.Script().Steps); n > MaxSteps || r.Lost() == 0 {
		t.Errorf("%d steps, %d lost", n, r.Lost())
	}
	if got := r.name(30); got != "c30" {
		t.Errorf("the 31st is called %s", got)
	}
	big := NewRecording("x", "t")
	for range 3 {
		big.Frame(1, dialects.In, make([]byte, maxRecorded/2))
	}
	if big.Lost() == 0 {
		t.Error("nothing is lost of too much")
	}
}

func pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := sleep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}
