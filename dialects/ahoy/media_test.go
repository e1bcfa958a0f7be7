package ahoy_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
)

// TestBitrate: the effective limit is the lower one of what the member and the
// conference say; without both it is 500 kbit/s (4.4).
func TestBitrate(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		for _, c := range []struct {
			conference, member any
			want               int
		}{
			{nil, nil, 500_000},
			{nil, 250, 250_000},
			{nil, 1000, 1_000_000},
			{nil, "300", 300_000},
			{nil, 0, 500_000},
			{nil, -5, 500_000},
			{300, nil, 300_000},
			{300, 250, 250_000},
			{300, 1000, 300_000},
			{2000, 1000, 1_000_000},
			{nil, 1e300, 1_000_000_000_000},
		} {
			u := w.dial()
			room := u.ask("CONFERENCE_CREATE_request", object{"maxVideoBitrate": c.conference})["conferenceID"]
			u.ask("CONFERENCE_JOIN_request", object{"conferenceID": room})
			u.ask("MEDIA_SHARE_request", object{"audio": true, "video": true, "maxVideoBitrate": c.member})
			p := w.peerOf(u.hear("MEDIA_RECEIVE_request", nil)["sdp"].(string))
			if p.Config.MaxBitrate != c.want {
				t.Errorf("conference %v, member %v: %d bit/s, want %d", c.conference, c.member, p.Config.MaxBitrate, c.want)
			}
			u.close()
		}
	})
}

// TestPublishingPeer: what the engine is asked for (7.4).
func TestPublishingPeer(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		p := a.share(true, true)
		o := p.Config.PeerOptions
		if !slices.Equal(o.Codecs, []string{"opus", "VP8"}) || !o.DetectMute || o.Trickle || o.Simulcast || o.Timeout < 15*time.Second || o.Timeout > 30*time.Second {
			t.Errorf("the publishing peer is %+v", o)
		}
		q := a.share(false, true)
		if q.Config.DetectMute {
			t.Error("mute is looked for where there is no sound")
		}
		if p.Receives()[0] != q.Receives()[0] {
			t.Error("a replacement is another publication")
		}
		if !p.Closed() || q.Closed() {
			t.Error("the old connection is open, or the new one is not")
		}
		a.status("MEDIA_SHARE_request", object{"audio": 0, "video": 0})
		if !q.Closed() {
			t.Error("the connection is open after the stream was stopped")
		}
		r := a.share(true, false)
		if r.Receives()[0] == q.Receives()[0] {
			t.Error("what is shared after a stop is the same publication")
		}
		a.close()
		if !r.Closed() {
			t.Error("the connection outlives the member")
		}
	})
}

// TestSubscribingPeer: a camera that is switched off is black.
func TestSubscribingPeer(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		a.share(true, true)
		b := w.member("r", "B")
		if o := b.get(a.id, true, true).Config.PeerOptions; !o.Placeholder || o.MaxBitrate != 0 || o.Simulcast {
			t.Errorf("the subscribing peer is %+v", o)
		}
	})
}

// TestUnescapedAnswers: what the engine gets of an escaped answer is the plain
// one; a plus sign stays, and a plain answer is not touched (7.1).
func TestUnescapedAnswers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		const plain = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=100%25\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-pwd:q+/w%2B\r\na=sendonly\r\n"
		for name, c := range map[string]struct{ sent, want string }{
			"plain":      {plain, plain},
			"escaped":    {strings.NewReplacer("%", "%25", "=", "%3D", "\r", "%0D", "\n", "%0A", " ", "%20", ":", "%3A").Replace(plain), plain},
			"lower case": {strings.NewReplacer("%", "%25", "=", "%3d", "\r", "%0d", "\n", "%0a", " ", "%20", ":", "%3a").Replace(plain), plain},
		} {
			a.ask("MEDIA_SHARE_request", object{"audio": true})
			q := a.hear("MEDIA_RECEIVE_request", nil)
			a.send(object{"messageType": "MEDIA_RECEIVE_response", "transactionID": q["transactionID"], "sdp": c.sent})
			synctest.Wait()
			if got := w.peerOf(q["sdp"].(string)).Remote(); string(got) != c.want {
				t.Errorf("%s: the engine got %q, want %q", name, got, c.want)
			}
		}
	})
}

// TestNoMedia: a node that can make no connection says 500 to who shares, and
// drops what is asked for (3, 7.6).
func TestNoMedia(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		a.share(true, true)
		b.hear("MEDIA_indication", nil)
		w.media.Refuse = bridge.Errorf(bridge.Unavailable, "no port is left")
		like(t, b.ask("MEDIA_SHARE_request", object{"audio": true}), object{"status": 500, "reason": "internal server error"})
		if s := b.status("MEDIA_request", object{"members": []any{object{"memberID": a.id, "audio": true}}}); s != 200 {
			t.Errorf("media: %d", s)
		}
		b.silent()
		like(t, a.ask("MEDIA_SHARE_request", object{"audio": true}), object{"status": 500})
		b.silent() // what A sends goes on
		a.status("MEDIA_SHARE_request", object{})
		b.hear("MEDIA_indication", object{"audio": off(), "video": off()})
		w.media.Refuse = nil
		a.share(true, true)
		b.hear("MEDIA_indication", object{"audio": on(), "video": on()})
		b.get(a.id, true, true)
	})
}

// TestSharePermissions: what a role, or a permission that was taken away, does
// not allow is 403.
func TestSharePermissions(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "Mo"})
		a := w.member("r", "A")
		s := w.member("r", "A (screen)")
		a.hear("CONFERENCE_JOIN_indication", nil)
		g.do(bridge.Permit{Target: g.participant("A"), Remove: bridge.PublishVideo})
		g.do(bridge.Permit{Target: g.participant("A (screen)"), Remove: bridge.PublishScreen})
		synctest.Wait()
		for _, c := range []struct {
			u            *user
			audio, video bool
			want         int
		}{{a, true, true, 403}, {a, false, true, 403}, {a, true, false, 200}, {s, false, true, 403}, {s, true, true, 200}, {a, false, false, 200}} {
			if got := c.u.status("MEDIA_SHARE_request", object{"audio": c.audio, "video": c.video}); got != c.want {
				t.Errorf("audio %v, video %v: %d, want %d", c.audio, c.video, got, c.want)
			}
			if c.want == 200 && c.audio {
				c.u.hear("MEDIA_RECEIVE_request", nil)
			}
		}
	})
}

// TestReceivingPeerFails: what fails is closed and not tried again; the client
// may ask again.
func TestReceivingPeerFails(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		a.share(true, true)
		b.hear("MEDIA_indication", nil)
		p := b.get(a.id, true, true)
		p.Fire(bridge.PeerChanged{State: bridge.PeerDisconnected})
		p.Fire(bridge.PeerTrack{Live: true})
		p.Fire(bridge.PeerNegotiate{})
		b.silent()
		if p.Closed() {
			t.Error("a connection that may come back was closed")
		}
		p.Fire(bridge.PeerChanged{State: bridge.PeerFailed})
		b.silent()
		if !p.Closed() {
			t.Error("a connection that has failed is open")
		}
		q := b.get(a.id, true, true)
		if p == q || q.Closed() {
			t.Error("no new connection was made")
		}
		q2 := b.get(a.id, true, false)
		if !q.Closed() || q2.Closed() {
			t.Error("a replacement leaves the old connection open")
		}
		b.ask("CONFERENCE_LEAVE_request", nil)
		if !q2.Closed() {
			t.Error("a connection outlives the membership")
		}
	})
}

// TestPublishingPeerClosed: a connection that the engine closes is the end of the
// stream.
func TestPublishingPeerClosed(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		p := a.share(true, true)
		b.hear("MEDIA_indication", object{"audio": on()})
		p.Fire(bridge.PeerTrack{Track: bridge.Video}) // its packets have an end: the stream is there
		b.silent()
		p.Fire(bridge.PeerChanged{State: bridge.PeerClosed})
		b.hear("MEDIA_indication", object{"audio": off(), "video": off()})
		a.silent()
	})
}

// TestReplacedWhileMuted: what was heard on a connection that was replaced is over:
// one who shares again is not muted, or talking, for what it did before.
func TestReplacedWhileMuted(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		a.share(true, true)
		b.hear("MEDIA_indication", nil)
		does := func(what, event string) {
			t.Helper()
			if err := w.publish(a.id, what); err != nil {
				t.Fatal(err)
			}
			b.hear("MEDIA_event", object{"event": event})
			a.hear("MEDIA_event", object{"event": event})
		}
		does("mute", "audio_muted")
		a.share(true, true)
		b.hear("MEDIA_event", object{"event": "audio_unmuted"})
		a.hear("MEDIA_event", object{"event": "audio_unmuted"})
		does("talk", "start_speaking")
		a.share(true, true)
		b.hear("MEDIA_event", object{"event": "stop_speaking"})
		a.hear("MEDIA_event", object{"event": "stop_speaking"})
		b.silent()
		a.silent()
		does("mute", "audio_muted")
		does("unmute", "audio_unmuted")
	})
}

// TestUselessAnswers: what the engine cannot take, or is no description at all,
// leaves the stream that there is alone.
func TestUselessAnswers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		p := a.share(true, true)
		b.hear("MEDIA_indication", object{"audio": on()})
		for _, sdp := range []any{
			"v=0\r\nm=audio 9 RTP 0\r\na=sendonly\r\n", // a line is missing
			"v=0\r\nnonsense", "nonsense", "", nil, 5, object{},
		} {
			a.ask("MEDIA_SHARE_request", object{"audio": true, "video": true})
			q := a.hear("MEDIA_RECEIVE_request", nil)
			a.send(object{"messageType": "MEDIA_RECEIVE_response", "transactionID": q["transactionID"], "sdp": sdp})
			a.silent()
			b.silent()
			if !w.peerOf(q["sdp"].(string)).Closed() || p.Closed() {
				t.Errorf("%v: the useless connection is open, or the good one is closed", sdp)
			}
		}
	})
}

// TestRoomRefusesStream: a permission that goes between the share and the media.
func TestRoomRefusesStream(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		g := w.guest(bridge.JoinRequest{Room: "r", Name: "Mo"})
		a := w.member("r", "A")
		a.ask("MEDIA_SHARE_request", object{"video": true})
		p := a.offered()
		g.do(bridge.Permit{Target: g.participant("A"), Remove: bridge.PublishVideo})
		if err := w.publish(a.id, "camera"); err != nil {
			t.Fatal(err)
		}
		a.silent()
		if !p.Closed() {
			t.Error("the connection is open")
		}
		for _, e := range g.events() {
			if _, ok := e.(bridge.Published); ok {
				t.Error("the stream was published")
			}
		}
	})
}

// TestRetryWithoutMedia: a connection fails, and there is none for the second
// try: the stream ends.
func TestRetryWithoutMedia(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		p := a.share(true, true)
		b.hear("MEDIA_indication", object{"audio": on()})
		w.media.Refuse = bridge.Errorf(bridge.Unavailable, "no port is left")
		p.Fire(bridge.PeerChanged{State: bridge.PeerFailed})
		b.hear("MEDIA_indication", object{"audio": off(), "video": off()})
		a.silent()
	})
}

// TestHiddenStream: what a program publishes is shown to nobody.
func TestHiddenStream(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a := w.member("r", "A")
		s := w.guest(bridge.JoinRequest{Room: "r", Name: "player", Kind: bridge.Service, AtMost: bridge.Moderator})
		pub := s.publish(bridge.Camera, bridge.Live, bridge.Live)
		s.do(bridge.SetTrack{ID: pub, Track: bridge.Audio, Muted: true})
		s.do(bridge.Record{On: true})
		if got := chatOf(t, a.hear("CHAT_MESSAGE_indication", object{"from": object{"memberID": a.id}})); got != "[Somebody records this conference]" {
			t.Errorf("told %q", got)
		}
		s.do(bridge.Say{ID: bridge.NewMessageID(), Text: "to all"})
		if got := chatOf(t, a.hear("CHAT_MESSAGE_indication", object{"from": object{"name": "player"}})); got != "to all" {
			t.Errorf("told %q", got)
		}
		s.do(bridge.Unpublish{ID: pub})
		a.silent()
		r := w.dial().ask("CONFERENCE_JOIN_request", object{"conferenceID": "r"})
		if len(r["members"].([]any)) != 1 {
			t.Errorf("the members are %v", r["members"])
		}
	})
}

// TestConnectTime is about the time that a client has (7.5).
func TestConnectTime(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		w.room(bridge.Spec{})
		a, b := w.member("r", "A"), w.member("r", "B")
		a.hear("CONFERENCE_JOIN_indication", nil)
		a.ask("MEDIA_SHARE_request", object{"audio": true})
		p := a.offered()
		wait(25 * second)
		if p.Closed() {
			t.Error("a client that takes its time to connect was given up")
		}
		if err := w.publish(a.id, "camera"); err != nil {
			t.Fatal(err)
		}
		b.hear("MEDIA_indication", object{"audio": on()})
	})
}
