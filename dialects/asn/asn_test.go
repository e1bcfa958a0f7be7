package asn_test

import (
	"context"
	"errors"
	"testing"

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
