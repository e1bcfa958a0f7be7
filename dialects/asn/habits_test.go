package asn_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/asn"
	"dragoman/dialects/asn/rose"
)

// member joins over a WebSocket that reads in the background.
type member struct {
	t   *testing.T
	ws  *websocket.Conn
	me  rose.JoinConferenceResult
	got chan *rose.Message
	n   int64
}

func (w *world) member(name string, token *bridge.Secret) *member {
	w.t.Helper()
	m := &member{t: w.t, ws: w.dial(), got: make(chan *rose.Message, 1000)}
	go func() {
		defer close(m.got)
		for {
			_, data, err := m.ws.ReadMessage()
			if err != nil {
				return
			}
			if x, err := rose.JSON.Decode(data); err == nil {
				m.got <- x
			}
		}
	}()
	a := joining(name)
	a.Token = token
	m.call(rose.OpJoinConference, a, &m.me)
	return m
}

// call calls an operation and waits for its result; what else comes is left out.
func (m *member) call(op int64, argument, into rose.Value) {
	m.t.Helper()
	o, _ := rose.Lookup(op, "")
	m.n++
	if err := m.ws.WriteMessage(websocket.TextMessage, rose.JSON.Encode(o.Call(m.n, argument))); err != nil {
		m.t.Fatal(err)
	}
	for x := range m.got {
		switch {
		case x.Result != nil && x.Result.InvokeID == m.n:
			if err := x.Result.Result.Result.Into(into); err != nil {
				m.t.Fatal(err)
			}
			return
		case x.Error != nil || x.Reject != nil:
			m.t.Fatalf("%s: %s", o.Name, rose.JSON.Encode(x))
		}
	}
	m.t.Fatalf("%s: the connection is closed", o.Name)
}

// told returns the events of an operation that have come.
func (m *member) told(op int64) (n int) {
	synctest.Wait()
	for {
		select {
		case x, ok := <-m.got:
			if !ok {
				return n
			}
			if x.Invoke != nil && *x.Invoke.OperationID == op {
				n++
			}
		default:
			return n
		}
	}
}

func (m *member) keep() {
	m.call(rose.OpConferenceKeepAlive, &rose.ConferenceKeepAliveArgument{SessionToken: m.me.SessionToken}, new(rose.ConferenceKeepAliveResult))
}

// TestPictureStays: the picture of a party that stays for days is kept, and forgotten
// with the party.
func TestPictureStays(t *testing.T) {
	inBubble(t, func(w *world) { w.configure(func(c *asn.Config) { c.KeepAlive = 20 * time.Hour }) }, func(t *testing.T, w *world) {
		token := w.token("alice")
		m := w.member("Ann", &token)
		picture := &rose.ConferenceImage{ContentType: "image/gif", ImageData: []byte("GIF89a picture")}
		var told rose.ConfigurePublishingResult
		m.call(rose.OpConfigurePublishing, &rose.ConfigurePublishingArgument{SessionToken: m.me.SessionToken, Image: picture}, &told)
		var image rose.GetImageResult
		get := &rose.GetImageArgument{SessionToken: m.me.SessionToken, ImageID: *told.Party.ImageID}
		for range 5 {
			<-time.NewTimer(15 * time.Hour).C
			m.call(rose.OpGetImage, get, &image)
			if image.ImageResult != rose.ImageAttached {
				t.Fatalf("%+v", image)
			}
		}
		m.call(rose.OpLeaveConference, &rose.LeaveConferenceArgument{SessionToken: m.me.SessionToken}, new(rose.LeaveConferenceResult))
		if _, err := w.db.Tickets().Get(t.Context(), bridge.Secret("asn-image/"+*told.Party.ImageID+"/0")); bridge.CodeOf(err) != bridge.NotFound {
			t.Errorf("the picture of one who has left: %v", err)
		}
		m.ws.Close()
	})
}

// TestNegotiate: when the engine wants a subscription to be negotiated anew, it is,
// once.
func TestNegotiate(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		token := w.token("alice")
		a := w.member("Ann", &token)
		g, err := w.enter(bridge.JoinRequest{Room: "c-1", Name: "z", AtMost: bridge.Speaker})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.act("publish", "camera", act{}); err != nil {
			t.Fatal(err)
		}
		var sub rose.SubscribeMediaResult
		a.call(rose.OpSubscribeMedia, &rose.SubscribeMediaArgument{
			SessionToken: a.me.SessionToken, PartyID: g.s.At.Self.ID.String(), Media: []rose.MediaSetting{{MediaType: rose.MediaAudio}},
		}, &sub)
		peers := w.media.Sending(g.pubs[bridge.Camera])
		if len(peers) != 1 || a.told(rose.OpSDPOffer) != 1 {
			t.Fatalf("%d peers", len(peers))
		}
		peers[0].Fire(bridge.PeerNegotiate{})
		if n := a.told(rose.OpSDPOffer); n != 0 {
			t.Errorf("%d offers while one is not answered", n)
		}
		o, _ := rose.Lookup(rose.OpSDPAnswer, "")
		answer := &rose.SDPAnswerArgument{SubscriptionID: sub.SubscriptionID, SDP: "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\n"}
		if err := a.ws.WriteMessage(websocket.TextMessage, rose.JSON.Encode(o.Call(rose.EventID, answer))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		peers[0].Fire(bridge.PeerNegotiate{})
		if n := a.told(rose.OpSDPOffer); n != 1 {
			t.Errorf("%d offers", n)
		}
		if n := a.told(rose.OpPartyTalking); n != 0 {
			t.Errorf("%d times told who talks", n)
		}
		a.ws.Close()
	})
}

// TestNodeGoes: a node that goes down takes its parties with it at once, also those
// whose client is away.
func TestNodeGoes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		token := w.token("alice")
		a, b := w.member("Ann", &token), w.member("Bob", nil)
		a.ws.Close()
		b.keep()
		if n := b.told(rose.OpPartyRemoved); n != 0 {
			t.Errorf("told %d times that somebody is gone", n)
		}
		if err := w.rooms.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.ws.Close()
		synctest.Wait()
	})
}
