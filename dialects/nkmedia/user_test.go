package nkmedia_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/e2e/transcript"
)

type object = map[string]any

// inBubble runs a test of a node in virtual time.
func inBubble(t *testing.T, set func(*world), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if set != nil {
			set(w)
		}
		w.open()
		f(t, w)
		if err := w.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
	})
}

// user is a client that does what a test says. It answers events and pings by
// itself, unless it is silent.
type user struct {
	t      *testing.T
	ws     *websocket.Conn
	tid    int
	silent bool
	events []object // that were read while an answer was waited for
}

func (w *world) dial() *user {
	w.t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }}
	ws, res, err := d.Dial("ws://nkmedia.test/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	w.t.Cleanup(func() { ws.Close() })
	return &user{t: w.t, ws: ws}
}

// login comes in.
func (w *world) login(name string) *user {
	w.t.Helper()
	u := w.dial()
	if r := u.ask("core/user/login", object{"user": name, "pass": "s"}); r["result"] != "ok" {
		w.t.Fatalf("%s logs in: %v", name, r)
	}
	return u
}

func (u *user) write(v any) {
	u.t.Helper()
	if err := u.ws.WriteJSON(v); err != nil {
		u.t.Fatal(err)
	}
}

// read returns the next frame; nil: the connection is over.
func (u *user) read(within time.Duration) (object, error) {
	u.ws.SetReadDeadline(time.Now().Add(within))
	_, data, err := u.ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	var m object
	if err := json.Unmarshal(data, &m); err != nil {
		u.t.Fatal(err)
	}
	if m["class"] != nil && !u.silent {
		u.write(object{"result": "ok", "tid": m["tid"]})
	}
	return m, nil
}

// ask sends a request and returns its answer.
func (u *user) ask(path string, data any) object {
	u.t.Helper()
	u.tid++
	part := strings.Split(path, "/")
	u.write(object{"class": part[0], "subclass": part[1], "cmd": part[2], "data": data, "tid": u.tid})
	for {
		m, err := u.read(10 * time.Second)
		if err != nil {
			u.t.Fatalf("%s is not answered: %v", path, err)
		}
		switch {
		case m["result"] != nil && m["tid"] == float64(u.tid):
			return m
		case m["cmd"] == "event":
			u.events = append(u.events, m["data"].(object))
		}
	}
}

// code asks and returns the code of the refusal, 0 for none.
func (u *user) code(path string, data any) int {
	u.t.Helper()
	r := u.ask(path, data)
	if r["result"] == "ok" {
		return 0
	}
	return int(r["data"].(object)["code"].(float64))
}

// event waits for the next event of a type.
func (u *user) event(kind string) object {
	u.t.Helper()
	for {
		for i, e := range u.events {
			if e["type"] == kind {
				u.events = u.events[i+1:]
				return e
			}
		}
		m, err := u.read(10 * time.Second)
		if err != nil {
			u.t.Fatalf("there is no %s: %v", kind, err)
		}
		if m["cmd"] == "event" {
			u.events = append(u.events, m["data"].(object))
		}
	}
}

// closed waits until the server closes, and returns the code.
func (u *user) closed(within time.Duration) int {
	u.t.Helper()
	for {
		if _, err := u.read(within); err != nil {
			if e, ok := err.(*websocket.CloseError); ok { //nolint:errorlint // it is not wrapped
				return e.Code
			}
			u.t.Fatalf("it is not closed: %v", err)
		}
	}
}

// like compares the members of want.
func like(t *testing.T, got, want object) {
	t.Helper()
	for k, v := range want {
		if !reflect.DeepEqual(fmt.Sprint(got[k]), fmt.Sprint(v)) {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
}

// wishOffer is an offer of somebody who has no media.
func wishOffer() string {
	return transcript.Wish{Type: "offer", Audio: "sendrecv", Video: "sendrecv"}.Offer()
}

// pass lets time pass, and answers pings meanwhile.
func (u *user) pass(d time.Duration) {
	u.t.Helper()
	for ; d > 0; d -= time.Second {
		time.Sleep(time.Second) // in a synctest bubble
		u.ask("media/conf/get_list", object{})
	}
}
