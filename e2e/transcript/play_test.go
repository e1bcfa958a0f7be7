package transcript

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// NewToyWorld is for the tests outside this package.
func NewToyWorld() World { return Handler(newToy()) }

const head = `{"transcript":1,"dialect":"toy","title":"t"}` + "\n"

// play plays lines in a bubble with a toy server.
func playLines(t *testing.T, lines string) (err error) {
	t.Helper()
	s, err := Read(strings.NewReader(head + lines))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := Handler(newToy())
		err = Play(t.Context(), s, w)
		if e := w.Close(); e != nil {
			t.Error(e)
		}
	})
	return err
}

func TestPlayFails(t *testing.T) {
	const dial = `{"who":"a","do":"dial","path":"/ws"}` + "\n"
	for name, c := range map[string]struct{ lines, want string }{
		"other value": {dial + `{"who":"a","dir":">","msg":{"do":"both"}}
			{"who":"a","dir":"<","msg":{"n":"b","list":[3,1,4],"more":1}}`, "line 4: a: heard something else\n" +
			"  $.list[2]\n    want 4\n    got  2\n  $.more\n    want 1\n    got  nothing\n  $.n\n    want \"b\"\n    got  \"a\"\n" +
			"  last frames\n    > {\"do\":\"both\"}\n    < {\"list\":[3,1,2],\"n\":\"a\"}\n  not asked for yet"},
		"unexpected member": {dial + `{"who":"a","dir":">","msg":{"do":"both"}}
			{"who":"a","dir":"<","msg":{"n":"a"}}`, "$.list\n    want nothing\n    got  [3,1,2]"},
		"extra at the end": {dial + `{"who":"a","dir":">","msg":{"do":"both"}}
			{"who":"a","dir":"<","msg":{"n":"a","$rest":true}}`, "at the end: a: more came than the script asks for"},
		"extra at close": {dial + `{"who":"a","dir":">","msg":{"do":"both"}}
			{"who":"a","do":"close"}`, "line 4: a: heard before it closed what no step asks for"},
		"extra at nothing": {dial + `{"who":"a","dir":">","msg":{"do":"both"}}
			{"who":"a","do":"nothing"}`, "want nothing for 1s, got a frame"},
		"silence":             {dial + `{"who":"a","dir":"<","msg":{"$any":true}}`, "nothing came within 5s"},
		"too late":            {dial + `{"who":"a","dir":">","msg":{"do":"later","for":"11s"}}` + "\n" + `{"who":"a","dir":"<","msg":{"$any":true},"within":"10s"}`, "nothing came within 10s"},
		"closed":              {dial + `{"who":"a","dir":">","msg":{"do":"kick"}}` + "\n" + `{"who":"a","dir":"<","msg":{"$any":true}}`, `the connection was closed, code 4001 "go away"`},
		"closed end":          {dial + `{"who":"a","dir":">","msg":{"do":"kick"}}`, `closed by the server, code 4001 "go away", which no step asks for`},
		"closed quiet":        {dial + `{"who":"a","dir":">","msg":{"do":"kick"}}` + "\n" + `{"who":"a","do":"nothing"}`, `the connection was closed, code 4001`},
		"other code":          {dial + `{"who":"a","dir":">","msg":{"do":"kick"}}` + "\n" + `{"who":"a","do":"closed","code":1000}`, `closed with code 4001 "go away", want 1000`},
		"other reason":        {dial + `{"who":"a","dir":">","msg":{"do":"kick"}}` + "\n" + `{"who":"a","do":"closed","reason":{"$re":"come.*"}}`, "closed with another reason"},
		"open":                {dial + `{"who":"a","do":"closed"}`, "it is open after 5s"},
		"frame, not close":    {dial + `{"who":"a","dir":">","msg":{"do":"offer"}}` + "\n" + `{"who":"a","do":"closed"}`, "want the connection closed, got a frame"},
		"refused":             {`{"who":"a","do":"dial","path":"/closed"}`, "status 403"},
		"not refused":         {`{"who":"a","do":"dial","path":"/ws","expect":{"status":403}}`, "want status 403, got 101"},
		"subprotocol":         {`{"who":"a","do":"dial","path":"/ws","subprotocols":["other"]}`, `chosen subprotocol ""`},
		"not dialled":         {`{"who":"a","dir":">","msg":1}`, "has no open connection"},
		"dialled twice":       {dial + dial, "is connected already"},
		"no such ref":         {dial + `{"who":"a","dir":">","msg":{"$ref":"x"}}`, `nothing was remembered as "x"`},
		"no such ref in text": {dial + `{"who":"a","dir":">","text":"${x}"}`, `nothing was remembered as "x"`},
		"no offer":            {dial + `{"who":"a","dir":">","msg":{"$sdp":{"type":"answer"}}}`, "there was no offer to answer"},
		"not text":            {dial + `{"who":"a","dir":">","binary":"AA=="}` + "\n" + `{"who":"a","dir":"<","msg":{"$any":true}}`, "want a text frame with JSON\n    got  binary 00"},
		"not binary":          {dial + `{"who":"a","dir":">","msg":{"do":"offer"}}` + "\n" + `{"who":"a","dir":"<","binary":"AA=="}`, "want the other kind of frame"},
		"http":                {`{"do":"http","path":"/nowhere","expect":{"status":200,"text":"x"}}`, "GET /nowhere is answered otherwise: 404 Not Found"},
		"media":               {`{"who":"a","do":"media","publish":"camera"}`, "there is no media here"},
		"nodes":               {`{"do":"node","heal":true}`, "there are no nodes here"},
		"any order":           {dial + `{"who":"a","dir":">","msg":{"do":"both"}}` + "\n" + `{"who":"a","dir":"<","any_order":[{"n":"a","$rest":true},{"n":"c","$rest":true}]}`, "${1}\n    want {\"$rest\":true,\"n\":\"c\"}"},
	} {
		t.Run(name, func(t *testing.T) {
			err := playLines(t, c.lines)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	for _, need := range []string{"media", "nodes", "luck"} {
		s := &Script{Header: Header{Version: 1, Title: "t", Needs: []string{need}}}
		synctest.Test(t, func(t *testing.T) {
			w := Handler(newToy())
			defer w.Close()
			if err := Play(t.Context(), s, w); err == nil || !strings.Contains(err.Error(), need) {
				t.Errorf("%s: got %v", need, err)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	s, err := Read(strings.NewReader(head + `{"do":"wait","for":"24h"}`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := Handler(newToy())
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := Play(ctx, s, w); err == nil {
			t.Error("played on")
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("ended after %s", d)
		}
	})
}

// The same file passes over the network, in real time.
func TestRemote(t *testing.T) {
	server := httptest.NewServer(newToy())
	defer server.Close()
	s, err := Load("testdata/media.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	w, err := Remote(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := Play(t.Context(), s, w); err != nil {
		t.Error(err)
	}
}

func TestRemoteAddress(t *testing.T) {
	for address, want := range map[string]string{
		"ws://a": "a:80", "wss://a/x": "a:443", "http://[::1]:8": "[::1]:8", "https://a:1": "a:1",
	} {
		w, err := Remote(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.(*remote).address; got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	for _, address := range []string{"", "a:80", "ftp://a", "ws://", ":"} {
		if _, err := Remote(address); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}
