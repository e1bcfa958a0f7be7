package asn_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/rose"
)

// inBubble runs a test with a node, in virtual time.
func inBubble(t *testing.T, change func(*world), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if change != nil {
			change(w)
		}
		w.open()
		f(t, w)
		<-time.NewTimer(time.Second).C // the HTTP server waits half a second for some clients
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

// post sends a request over HTTP.
func (w *world) post(path string, header http.Header, body []byte) (int, http.Header, []byte) {
	w.t.Helper()
	h := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) },
	}}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://dragoman.test"+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := h.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

func basic(user string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":pass"))}}
}

func joining(name string) *rose.JoinConferenceArgument {
	return &rose.JoinConferenceArgument{
		ConferenceID: "c-1", Contact: rose.ConferenceContact{DisplayName: name}, Publisher: true,
		Capabilities: rose.ConferenceCapabilities{ClientCapabilities: []int64{1, 2, 3}, CustomCapabilities: []rose.StringPair{}},
	}
}

// TestNeedsConnection: the errors and results of HTTP in BER, as whole messages and
// by themselves (reference 4.3).
func TestNeedsConnection(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		for _, e := range []rose.Encoding{rose.JSON, rose.BER} {
			kind := map[rose.Encoding]string{rose.JSON: "application/json", rose.BER: "application/octet-stream"}[e]
			status, h, body := w.post("/rest/asnJoinConference", nil, e.Marshal(joining("X")))
			var got rose.RequestError
			if err := e.Unmarshal(body, &got); err != nil || status != 501 || got.ErrorDetail != 501 || h.Get("Content-Type") != kind {
				t.Errorf("%v: %d %v %+v, %v", e, status, h, got, err)
			}
			op, _ := rose.Lookup(rose.OpJoinConference, "")
			status, _, body = w.post("/rest/whatever", nil, e.Encode(op.Call(77, joining("X"))))
			m, err := e.Decode(body)
			if err != nil || status != 501 || m.Error == nil || m.Error.InvokedID != 77 || m.Error.ErrorValue != 501 {
				t.Errorf("%v: %d %+v, %v", e, status, m, err)
			}
			status, _, body = w.post("/rest/asnListScheduledMeetings", basic("alice"), e.Marshal(new(rose.ListScheduledMeetingsArgument)))
			var list rose.ListScheduledMeetingsResult
			if err := e.Unmarshal(body, &list); err != nil || status != 200 || list.Meetings == nil {
				t.Errorf("%v: %d %+v, %v", e, status, list, err)
			}
			status, _, body = w.post("/rest/asnLeaveConference", nil, e.Marshal(new(rose.RequestAuthTokenArgument)))
			var reject rose.Reject
			if err := e.Unmarshal(body, &reject); err != nil || status != 500 || *reject.Reject.InvokeProblem != rose.MistypedArgument {
				t.Errorf("%v: %d %+v, %v", e, status, reject, err)
			}
		}
		if status, _, _ := w.post("/rest/asnListScheduledMeetings", basic("alice"), make([]byte, 3<<20)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("a body that is too large: %d", status)
		}
	})
}

// token gets a token for a user.
func (w *world) token(user string) bridge.Secret {
	w.t.Helper()
	_, _, body := w.post("/rest/asnRequestAuthToken", basic(user), []byte("{}"))
	var r rose.RequestAuthTokenResult
	if err := rose.JSON.Unmarshal(body, &r); err != nil {
		w.t.Fatal(err)
	}
	return r.Token
}

// dial connects a WebSocket.
func (w *world) dial() *websocket.Conn {
	w.t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }}
	ws, resp, err := d.Dial("ws://dragoman.test/ws", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	w.t.Cleanup(func() { ws.Close() })
	return ws
}

// result reads messages until the result of a call comes.
func result(t *testing.T, ws *websocket.Conn, id int64, into rose.Value) {
	t.Helper()
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		m, err := rose.JSON.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if m.Error != nil || m.Reject != nil {
			t.Fatalf("%s", data)
		}
		if m.Result != nil && m.Result.InvokeID == id {
			if err := m.Result.Result.Result.Into(into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// TestLargeOverHTTP: a picture of 1 MiB goes to a party that is on another connection
// and comes back (house.go).
func TestLargeOverHTTP(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		ws := w.dial()
		a := joining("Ann")
		a.Token = new(w.token("alice"))
		op, _ := rose.Lookup(rose.OpJoinConference, "")
		if err := ws.WriteMessage(websocket.TextMessage, rose.JSON.Encode(op.Call(1, a))); err != nil {
			t.Fatal(err)
		}
		var joined rose.JoinConferenceResult
		result(t, ws, 1, &joined)
		picture := make([]byte, rose.MaxImage)
		rand.Read(picture)
		copy(picture, "\x89PNG")
		set := &rose.ConfigurePublishingArgument{SessionToken: joined.SessionToken, Image: &rose.ConferenceImage{ContentType: "image/png", ImageData: picture}}
		status, _, body := w.post("/rest/asnConfigurePublishing", nil, rose.JSON.Marshal(set))
		var told rose.ConfigurePublishingResult
		if err := rose.JSON.Unmarshal(body, &told); err != nil || status != 200 || told.Party.ImageID == nil {
			t.Fatalf("%d %.200s, %v", status, body, err)
		}
		get := &rose.GetImageArgument{SessionToken: joined.SessionToken, ImageID: *told.Party.ImageID}
		status, _, body = w.post("/rest/asnGetImage", nil, rose.BER.Marshal(get))
		var image rose.GetImageResult
		if err := rose.BER.Unmarshal(body, &image); err != nil || status != 200 || image.Image == nil || !bytes.Equal(image.Image.ImageData, picture) {
			t.Errorf("%d, %d bytes, %v", status, len(body), err)
		}
		set.Image.ImageData = append(picture, 0)
		status, _, body = w.post("/rest/asnConfigurePublishing", nil, rose.JSON.Marshal(set))
		if status != 413 {
			t.Errorf("a byte more: %d %.200s", status, body)
		}
		ws.Close()
	})
}

// TestRawTCP: JSON with its header, and BER, over plain TCP (reference 4.4).
func TestRawTCP(t *testing.T) {
	change := func(w *world) { w.configure(func(c *asn.Config) { c.RawListen = "127.0.0.1:0" }) }
	inBubble(t, change, func(t *testing.T, w *world) {
		address, serve := w.d.Raw()
		if address != "127.0.0.1:0" {
			t.Errorf("listens on %q", address)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		op, _ := rose.Lookup(rose.OpListScheduledMeetings, "")
		for _, e := range []rose.Encoding{rose.JSON, rose.BER} {
			ours, theirs := net.Pipe()
			done := make(chan struct{})
			go func() { defer close(done); serve(ctx, ours) }()
			data := e.Encode(op.Call(5, &rose.ListScheduledMeetingsArgument{Token: new(w.token("alice"))}))
			if e == rose.JSON {
				data = fmt.Appendf(nil, "J%07d%s", len(data), data)
			}
			go theirs.Write(data)
			answer := make([]byte, 4096)
			n, err := theirs.Read(answer)
			if err != nil {
				t.Fatal(err)
			}
			answer = answer[:n]
			if e == rose.JSON {
				if string(answer[:8]) != fmt.Sprintf("J%07d", n-8) {
					t.Errorf("the header is %q of %d bytes", answer[:8], n)
				}
				answer = answer[8:]
			}
			if m, err := e.Decode(answer); err != nil || m.Result == nil || m.Result.InvokeID != 5 {
				t.Errorf("%v: %+v, %v", e, m, err)
			}
			// A party over plain TCP lives as long as it is kept alive.
			join, _ := rose.Lookup(rose.OpJoinConference, "")
			a := joining("Ann")
			a.Token = new(w.token("alice"))
			data = e.Encode(join.Call(6, a))
			if e == rose.JSON {
				data = fmt.Appendf(nil, "J%07d%s", len(data), data)
			}
			go theirs.Write(data)
			if _, err := theirs.Read(make([]byte, 8192)); err != nil {
				t.Fatal(err)
			}
			if _, err := w.rooms.Lookup(ctx, "c-1"); err != nil {
				t.Error(err)
			}
			theirs.Close()
			<-time.NewTimer(40 * time.Second).C
			<-done
			if _, err := w.rooms.Lookup(ctx, "c-1"); bridge.CodeOf(err) != bridge.NotFound {
				t.Errorf("the party of a client that is gone: %v", err)
			}
		}
	})
}

// TestNoSecretInTheLog: tokens and passwords are nowhere in the log, whatever goes
// wrong.
func TestNoSecretInTheLog(t *testing.T) {
	var log bytes.Buffer
	inBubble(t, func(w *world) {
		w.env.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(t *testing.T, w *world) {
		token := w.token("alice")
		ws := w.dial()
		a := joining("Ann")
		a.Token = &token
		op, _ := rose.Lookup(rose.OpJoinConference, "")
		_ = ws.WriteMessage(websocket.TextMessage, rose.JSON.Encode(op.Call(1, a)))
		var joined rose.JoinConferenceResult
		result(t, ws, 1, &joined)
		_ = ws.WriteMessage(websocket.TextMessage, rose.JSON.Encode(op.Call(2, a))) // a conflict
		_, _, _ = ws.ReadMessage()
		w.post("/rest/asnRemoveParty", nil, rose.JSON.Marshal(&rose.RemovePartyArgument{SessionToken: joined.SessionToken, PartyID: "x"}))
		w.post("/rest/asnLeaveConference", nil, rose.JSON.Marshal(&rose.LeaveConferenceArgument{SessionToken: joined.SessionToken + "x"}))
		w.post("/ws/client/createsession?user=alice&pass=hunter2", nil, nil)
		ws.Close()
		if w.gate.failures() != 1 {
			t.Errorf("the gate was told of %d forged tokens", w.gate.failures())
		}
		synctest.Wait()
		for _, secret := range []string{string(token), string(joined.SessionToken), "hunter2", "pass"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%q is in the log:\n%s", secret, log.String())
			}
		}
		if !strings.Contains(log.String(), "refused") {
			t.Errorf("the log says nothing:\n%s", log.String())
		}
	})
}

// TestTokens: what a token says holds, for as long as it is good.
func TestTokens(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		good, err := asn.MakeToken(w.env.IDs, asn.Claims{User: "test:alice", Mail: "alice@example.org"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		list := func(token bridge.Secret) int {
			status, _, _ := w.post("/rest/asnListScheduledMeetings", nil, rose.JSON.Marshal(&rose.ListScheduledMeetingsArgument{Token: &token}))
			return status
		}
		if s := list(good); s != 200 {
			t.Errorf("a good token: %d", s)
		}
		parts := strings.Split(string(good), ".")
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		nobody, err := asn.MakeToken(w.env.IDs, asn.Claims{}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string]string{
			"of another key": parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
			"unsigned":       none + "." + parts[1] + ".", "no token": "x", "empty": "", "of nobody": string(nobody),
		} {
			if s := list(bridge.Secret(bad)); s != 401 {
				t.Errorf("%s: %d", name, s)
			}
		}
		<-time.NewTimer(time.Minute).C
		if s := list(good); s != 401 {
			t.Errorf("an expired token: %d", s)
		}
	})
}
