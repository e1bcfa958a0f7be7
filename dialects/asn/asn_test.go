package asn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/rose"
	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// setting is a folder of transcripts and what is different about the node there.
type setting struct {
	set  func(*world)
	text bool // only JSON can say what is in it
}

var settings = map[string]setting{
	"testdata":      {set: func(*world) {}},
	"testdata/json": {set: func(*world) {}, text: true},
	"testdata/nomedia": {set: func(w *world) {
		w.media.Refuse = bridge.Errorf(bridge.Unavailable, "there is no capacity")
	}},
	"testdata/broken": {set: func(w *world) { w.env.Store = broken{w.db} }},
	"testdata/ice": {set: func(w *world) {
		w.env.ICE = func() []dialects.ICEServer {
			return []dialects.ICEServer{
				{URLs: []string{"stun:stun.example.org"}}, {URLs: []string{"turn:turn.example.org"}, Username: "u", Credential: "c"},
			}
		}
	}},
	"testdata/closed": {set: func(w *world) {
		w.env.Mail = nil
		w.configure(func(c *asn.Config) {
			c.Adhoc, c.JoinURL, c.TargetURL = false, "https://meet.example.org/?room=", "wss://uc.example.org/ws"
			c.Origins, c.ServerIDs = []string{"https://app.example.org"}, []string{"uc1"}
		})
	}},
}

// TestTranscripts plays everything in both encodings.
func TestTranscripts(t *testing.T) {
	for dir, s := range settings {
		transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
			w := newWorld(t)
			s.set(w)
			return w.open()
		})
		if s.text {
			continue
		}
		t.Run("BER", func(t *testing.T) {
			transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
				w := newWorld(t)
				s.set(w)
				return &binary{w.open(), map[string]rose.Operation{}}
			})
		})
	}
}

// broken is a store whose meetings cannot be read.
type broken struct{ bridge.Store }

func (broken) Meetings() bridge.Meetings { return brokenMeetings{} }

type brokenMeetings struct{ bridge.Meetings }

func (brokenMeetings) OfRoom(context.Context, bridge.RoomID, bridge.AccountID) (bridge.Entry, error) {
	return bridge.Entry{}, errors.New("the disk is full")
}

func (brokenMeetings) List(context.Context, bridge.Query) (bridge.Page, error) {
	return bridge.Page{}, errors.New("the disk is full")
}

// TestEveryRowHasATranscript lists what of the reference no transcript speaks, in
// both encodings: every operation and its result, every event in the directions that
// it has, every error number, every problem of a reject.
func TestEveryRowHasATranscript(t *testing.T) {
	sent, heard := map[string]int{}, map[string]int{}
	for dir, s := range settings {
		if s.text {
			continue
		}
		a, b, err := transcript.Types(dir, spoken)
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range a {
			sent[k] += n
		}
		for k, n := range b {
			heard[k] += n
		}
	}
	for _, o := range rose.Operations() {
		client, server := true, true // who sends it
		switch {
		case !o.Event():
			server = false
			if heard["result "+o.Name] == 0 {
				t.Errorf("no transcript hears a result of %s", o.Name)
			}
		case o.ID >= rose.OpPartyAdded:
			client = false
		}
		if client && sent[o.Name] == 0 {
			t.Errorf("no transcript sends %s", o.Name)
		}
		if server && heard[o.Name] == 0 {
			t.Errorf("no transcript hears %s", o.Name)
		}
	}
	for n := range rose.ConferenceError(600) {
		if n == rose.NeedsConnection {
			continue // over HTTP, where there is no frame: see TestNeedsConnection
		}
		if n.Known() && heard[fmt.Sprintf("error %d", n)] == 0 {
			t.Errorf("no transcript hears the error %d", n)
		}
	}
	for _, n := range []int{
		rose.UnrecognisedOperation, rose.MistypedArgument, rose.UnexpectedChildOperation, rose.AuthenticationFailed,
	} {
		if heard[fmt.Sprintf("reject %d", n)] == 0 {
			t.Errorf("no transcript hears a reject with the problem %d", n)
		}
	}
}

// spoken names a frame.
func spoken(f transcript.Spoken) string {
	data, err := json.Marshal(f.Msg)
	if err != nil || f.Msg == nil {
		return ""
	}
	var m struct {
		Invoke *struct {
			OperationID   int64
			OperationName string
		}
		Result *struct {
			Result struct {
				Result struct {
					Type string `json:"_type"`
				}
			}
		}
		Error *struct {
			Error struct {
				IErrorDetail int
			}
		}
		Reject *struct {
			Reject struct {
				InvokeProblem int
			}
		}
	}
	if json.Unmarshal(data, &m) != nil {
		return ""
	}
	switch {
	case m.Invoke != nil:
		o, _ := rose.Lookup(m.Invoke.OperationID, m.Invoke.OperationName)
		return o.Name
	case m.Result != nil:
		name := strings.TrimSuffix(m.Result.Result.Result.Type, "Result")
		return "result a" + strings.TrimPrefix(name, "A")
	case m.Error != nil:
		return fmt.Sprintf("error %d", m.Error.Error.IErrorDetail)
	case m.Reject != nil:
		return fmt.Sprintf("reject %d", m.Reject.Reject.InvokeProblem)
	}
	return ""
}

// TestConfig: wrong settings are named.
func TestConfig(t *testing.T) {
	if err := asn.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*asn.Config){
		"keep_alive": func(c *asn.Config) { c.KeepAlive = time.Millisecond },
		"token_life": func(c *asn.Config) { c.TokenLife = 0 },
		"domain":     func(c *asn.Config) { c.Domain = "" },
		"room":       func(c *asn.Config) { c.Room.EmptyTimeout = 0 },
		"target_url": func(c *asn.Config) { c.TargetURL = "https://x.example" },
		"join_url":   func(c *asn.Config) { c.JoinURL = "meet.example" },
		"raw_listen": func(c *asn.Config) { c.RawListen = "1234" },
	} {
		c := asn.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		d := asn.New()
		err := d.Mount(http.NewServeMux(), dialects.Env{Config: func(into any) error { change(into.(*asn.Config)); return nil }})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: mounted: %v", want, err)
		}
	}
	err := asn.New().Mount(http.NewServeMux(), dialects.Env{Config: func(any) error { return nil }})
	if err == nil || !strings.Contains(err.Error(), "store") {
		t.Errorf("without a store: %v", err)
	}
}
