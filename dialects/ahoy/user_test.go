package ahoy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge/bridgetest"
)

// object is a message.
type object = map[string]any

// user is an Ahoy client that a test drives step by step.
type user struct {
	t      *testing.T
	w      *world
	id     string // memberID
	ws     *websocket.Conn
	frames chan object
	over   error // why frames is closed
	calls  int
}

// dial connects.
func (w *world) dial() *user {
	w.t.Helper()
	d := w.dialer()
	d.Subprotocols = []string{"conference-protocol"}
	ws, _, err := d.DialContext(context.Background(), "ws://dragoman.test/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	u := &user{t: w.t, w: w, ws: ws, frames: make(chan object, 1000)}
	go func() {
		defer close(u.frames)
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				u.over = err
				return
			}
			var m object
			if err := json.Unmarshal(data, &m); err != nil {
				w.t.Errorf("not JSON: %s", data)
			}
			u.frames <- m
		}
	}()
	w.t.Cleanup(func() { ws.Close() })
	return u
}

// member connects, joins, and fails unless the status is 200.
func (w *world) member(room, name string) *user {
	w.t.Helper()
	u := w.dial()
	r := u.ask("CONFERENCE_JOIN_request", object{"conferenceID": room, "name": name})
	u.id, _ = r["memberID"].(string)
	if u.id == "" {
		w.t.Fatalf("%s does not get in: %v", name, r)
	}
	return u
}

// close closes the connection.
func (u *user) close() {
	u.ws.Close()
	synctest.Wait()
}

// send sends a message.
func (u *user) send(m any) {
	u.t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		u.t.Fatal(err)
	}
	u.raw(string(data))
}

func (u *user) raw(text string) {
	u.t.Helper()
	if err := u.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		u.t.Errorf("send: %v", err)
	}
}

// ask sends a request and returns the next frame, which must be its response.
func (u *user) ask(kind string, m object) object {
	u.t.Helper()
	u.calls++
	id := fmt.Sprint("call-", u.calls)
	all := object{"messageType": kind, "transactionID": id}
	for k, v := range m {
		all[k] = v
	}
	u.send(all)
	r := u.next()
	if r["transactionID"] != id {
		u.t.Errorf("the answer to %s is %v", kind, r)
	}
	return r
}

// status is ask for the status alone.
func (u *user) status(kind string, m object) int {
	u.t.Helper()
	s, _ := u.ask(kind, m)["status"].(float64)
	return int(s)
}

// next returns the next frame.
func (u *user) next() object {
	u.t.Helper()
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case m, ok := <-u.frames:
		if !ok {
			u.t.Fatalf("the connection is closed: %v", u.over)
		}
		return m
	case <-late.C:
		u.t.Fatal("nothing comes")
	}
	return nil
}

// hear checks that the next frame has what want has, and returns it.
func (u *user) hear(kind string, want object) object {
	u.t.Helper()
	m := u.next()
	all := object{"messageType": kind}
	for k, v := range want {
		all[k] = v
	}
	like(u.t, m, all)
	return m
}

// like fails unless got has all that want has.
func like(t *testing.T, got, want object) {
	t.Helper()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		t.Fatal(err)
	}
	if !has(got, plain) {
		g, _ := json.Marshal(got)
		t.Errorf("got  %s\nwant %s", g, b)
	}
}

func has(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(got, want)
	}
	g, ok := got.(map[string]any)
	for k, v := range w {
		if ok = ok && has(g[k], v); !ok {
			return false
		}
	}
	return ok
}

// silent checks that nothing comes for a second.
func (u *user) silent() {
	u.t.Helper()
	wait(second)
	select {
	case m, ok := <-u.frames:
		if ok {
			u.t.Errorf("want nothing, got %v", m)
		} else {
			u.t.Errorf("want nothing, the connection is closed: %v", u.over)
		}
	default:
	}
}

// closed checks that the server closes with a code.
func (u *user) closed(code int) {
	u.t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	select {
	case m, ok := <-u.frames:
		if ok {
			u.t.Errorf("want the connection closed, got %v", m)
			return
		}
	case <-late.C:
		u.t.Error("want the connection closed, it is open")
		return
	}
	e, ok := errors.AsType[*websocket.CloseError](u.over)
	if !ok || e.Code != code {
		u.t.Errorf("closed with %v, want %d", u.over, code)
	}
}

// wait lets virtual time pass.
func wait(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// share publishes until the engine has media, and returns the peer.
func (u *user) share(audio, video bool) *bridgetest.Peer {
	u.t.Helper()
	if s := u.status("MEDIA_SHARE_request", object{"audio": audio, "video": video}); s != 200 {
		u.t.Fatalf("share: %d", s)
	}
	p := u.offered()
	if err := u.w.publish(u.id, "camera"); err != nil {
		u.t.Fatal(err)
	}
	synctest.Wait()
	return p
}

// offered answers a MEDIA_RECEIVE_request.
func (u *user) offered() *bridgetest.Peer {
	u.t.Helper()
	q := u.hear("MEDIA_RECEIVE_request", nil)
	u.answer("MEDIA_RECEIVE_response", q)
	return u.w.last[u.id][true]
}

// answer answers an offer.
func (u *user) answer(kind string, q object) {
	u.t.Helper()
	sdp, err := u.w.Describe(context.Background(), u.id, answerWish(), q["sdp"].(string))
	if err != nil {
		u.t.Fatal(err)
	}
	u.send(object{"messageType": kind, "transactionID": q["transactionID"], "status": 200, "sdp": sdp})
	synctest.Wait()
}

// get asks for a member's media and takes it.
func (u *user) get(id string, audio, video bool) *bridgetest.Peer {
	u.t.Helper()
	wish := object{"memberID": id, "audio": audio, "video": video}
	if s := u.status("MEDIA_request", object{"members": []any{wish}}); s != 200 {
		u.t.Fatalf("get: %d", s)
	}
	q := u.hear("SDP_request", object{"transactionID": id, "member": object{"memberID": id}})
	u.answer("SDP_response", q)
	return u.w.last[u.id][false]
}
