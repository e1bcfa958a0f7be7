package livekit

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
)

// usable are settings that can be used.
func usable(change func(*Settings)) Settings {
	s := DefaultSettings()
	s.Name, s.URL, s.Key, s.Secret = "there", "wss://there.example", "key", "a secret of some length, for tests"
	if change != nil {
		change(&s)
	}
	return s
}

func TestSettings(t *testing.T) {
	if err := usable(nil).Check(); err != nil {
		t.Errorf("good settings: %v", err)
	}
	for key, change := range map[string]func(*Settings){
		"name":            func(s *Settings) { s.Name = "a/b" },
		"url":             func(s *Settings) { s.URL = "there.example" },
		"api_url":         func(s *Settings) { s.APIURL = "ftp://there.example" },
		"key":             func(s *Settings) { s.Key = "" },
		"secret":          func(s *Settings) { s.Secret = "short" },
		"room":            func(s *Settings) { s.Room = "" },
		"export":          func(s *Settings) { s.Export = "some" },
		"puppet_kind":     func(s *Settings) { s.PuppetKind = "agent" },
		"rooms names":     func(s *Settings) { s.Room, s.Rooms = "one", []string{"*"} },
		"max_puppets":     func(s *Settings) { s.MaxPuppets = -1 },
		"rooms[0]: \"a*b": func(s *Settings) { s.Rooms = []string{"a*b"} },
		"rooms[0]: \"\"":  func(s *Settings) { s.Rooms = []string{""} },
	} {
		err := usable(change).Check()
		if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "for tests") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := Start(Config{Servers: []Settings{usable(nil), usable(nil)}, Cluster: "c", Node: "n"}); err == nil {
		t.Error("two servers of one name are taken")
	}
	if _, err := Start(Config{Servers: []Settings{usable(nil)}, Cluster: "a,b", Node: "n"}); err == nil {
		t.Error("a cluster whose name cannot be in a path is taken")
	}
}

func TestPeersOf(t *testing.T) {
	one := &server{Settings: usable(func(s *Settings) { s.Rooms = []string{"team-*", "x"} })}
	two := &server{Settings: usable(func(s *Settings) { s.Name, s.Room = "two", "pre-{room}" })}
	for _, c := range []struct {
		room bridge.RoomID
		home string
		a    agreed
		want map[string]string // "theirs origin" by server
	}{
		{"y", "", agreed{}, map[string]string{}},
		{"x", "", agreed{}, map[string]string{"there": "x rule"}},
		{"team-a", "two", agreed{}, map[string]string{"there": "team-a rule", "two": "pre-team-a home"}},
		{"x", "there/other/room", agreed{}, map[string]string{"there": "other/room home"}},
		{"x", "nobody/room", agreed{}, map[string]string{"there": "x rule"}},
		{"x", "two", agreed{Not: []string{"there", "two"}}, map[string]string{}},
		{"x", "", agreed{Peers: []peerWith{{"there", "z"}, {"two", ""}, {"nobody", ""}}}, map[string]string{"there": "z admin", "two": "pre-x admin"}},
		{"y", "two/bad\x00", agreed{}, map[string]string{}},
	} {
		got := map[string]string{}
		for name, w := range peersOf([]*server{one, two}, c.room, c.home, c.a) {
			got[name] = w.theirs + " " + string(w.origin)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s, home %q, %+v: %v, want %v", c.room, c.home, c.a, got, c.want)
		}
	}
}

func TestAgreed(t *testing.T) {
	a := agreed{}.with("a", "r").with("b", "").with("a", "")
	if want := (agreed{Peers: []peerWith{{"b", ""}, {"a", ""}}}); !reflect.DeepEqual(a.Peers, want.Peers) {
		t.Errorf("peered %+v", a)
	}
	a = a.without("a", true).without("b", false)
	if len(a.Peers) != 0 || !slices.Equal(a.Not, []string{"a"}) {
		t.Errorf("ended: %+v", a)
	}
	if b := a.with("a", "").without("a", false).encode(); b != nil {
		t.Errorf("nothing is %s", b)
	}
	if back, ok := decodeAgreed(a.encode()); !ok || !reflect.DeepEqual(back.Not, a.Not) {
		t.Errorf("read back as %+v", back)
	}
}

// TestLoops: only tokens make a bridge; who has come through here does not come again.
func TestLoops(t *testing.T) {
	const bridged, person0 = livekit.ParticipantInfo_BRIDGE, livekit.ParticipantInfo_STANDARD
	puppet := puppetIdentity("here", bridge.NewParticipantID())
	for _, c := range []struct {
		kind     livekit.ParticipantInfo_Kind
		identity string
		attrs    map[string]string
		as       string // PuppetKind
		want     bool
	}{
		{person0, "lucy", nil, kindBridge, true},
		{person0, "lucy", map[string]string{attrCluster: "here", attrPath: "here"}, kindBridge, true},
		{bridged, puppet, map[string]string{attrCluster: "here"}, kindBridge, false},
		{bridged, "x", map[string]string{attrCluster: "yonder"}, kindBridge, true},
		{bridged, "x", map[string]string{attrCluster: "yonder", attrPath: "far,here,yonder"}, kindBridge, false},
		{bridged, "x", map[string]string{attrCluster: "yonder", attrPath: "heretic"}, kindBridge, true},
		{livekit.ParticipantInfo_EGRESS, "rec", nil, kindBridge, false},
		{livekit.ParticipantInfo_AGENT, "agent", nil, kindBridge, true},
		{livekit.ParticipantInfo_SIP, "phone", nil, kindBridge, true},
		{person0, puppet, map[string]string{attrCluster: "here"}, kindStandard, false},
		{person0, puppet, nil, kindStandard, true},
		{person0, "lucy", map[string]string{attrCluster: "here"}, kindStandard, true},
	} {
		s := usable(func(s *Settings) { s.PuppetKind = c.as })
		if got := s.imports("here", person{identity: c.identity, kind: c.kind, attrs: c.attrs}); got != c.want {
			t.Errorf("%v %q %v: %v", c.kind, c.identity, c.attrs, got)
		}
	}
	if p := extend(extend("", "a"), "b"); p != "a,b" || len(pathOf(map[string]string{attrPath: p})) != 2 {
		t.Errorf("the path is %q", p)
	}
}

// TestIDs: nodes agree on ids for ever.
func TestIDs(t *testing.T) {
	if id := participantID("there", "lucy").String(); id != "367f5e01-0b03-56f4-aefc-5dee9436b3af" {
		t.Errorf("the id is %s", id)
	}
	seen := map[string]bool{}
	for _, server := range []string{"a", "b"} {
		for _, room := range []bridge.RoomID{"r", "s"} {
			for _, src := range []bridge.Source{bridge.Camera, bridge.Screen} {
				seen[publicationID(server, room, "lucy", src).String()] = true
			}
		}
	}
	if len(seen) != 8 {
		t.Errorf("ids are %v", seen)
	}
	id := bridge.NewParticipantID()
	if back, ok := puppetOf("c", puppetIdentity("c", id)); !ok || back != id {
		t.Errorf("%v is read back as %v", id, back)
	}
}

// TestToken: grants are as little as they can be, and nothing is recorded.
func TestToken(t *testing.T) {
	s := usable(nil)
	read := func(who identity) *auth.ClaimGrants {
		jwt, err := s.token(who)
		if err != nil {
			t.Fatal(err)
		}
		token, err := auth.ParseAPIToken(string(jwt))
		if err != nil {
			t.Fatal(err)
		}
		_, claims, err := token.Verify(string(s.Secret))
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	o := read(identity{id: "c/n/observer", grant: observerGrant("r")})
	if v := o.Video; !v.Hidden || !v.Agent || v.GetCanPublish() || v.GetCanPublishData() || !v.GetCanSubscribe() || v.Recorder || v.RoomAdmin {
		t.Errorf("an observer may %+v", v)
	}
	p := read(identity{
		id: "c/x", name: "Ann", kind: livekit.ParticipantInfo_BRIDGE, grant: puppetGrant("r", bridge.Listener.Permissions()|bridge.PublishAudio),
	})
	if v := p.Video; !v.GetCanSubscribe() || !v.GetCanPublish() || !v.GetCanPublishData() || v.Hidden || !slices.Equal(v.CanPublishSources, []string{"microphone"}) {
		t.Errorf("a puppet may %+v", v)
	}
	if v := read(identity{id: "c/x", grant: puppetGrant("r", bridge.Listener.Permissions())}).Video; v.GetCanPublish() {
		t.Errorf("a listener may publish: %+v", v)
	}
}

// TestScrub: errors tell no secrets, and end.
func TestScrub(t *testing.T) {
	s := newServer(usable(nil), &counts{}, quietLog())
	err := s.scrub(errors.New("key said a secret of some length, for tests; tok.en.x "+strings.Repeat("ü", 400)), "tok.en.x")
	if text := err.Error(); strings.Contains(text, "for tests") || strings.Contains(text, "tok.en") || len(text) > maxErrorText+10 || !utf8.ValidString(text) {
		t.Errorf("it says %q", text)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	for _, most := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if d := b.next(nil); d > most*time.Second || d < most*time.Second/2 {
			t.Errorf("waits %v of %d s", d, most)
		}
	}
	b.reset()
	if d := b.next(errors.New("unauthorized: 401")); d < refusedTime/2 {
		t.Errorf("who was refused waits %v", d)
	}
}

// TestPublications: tracks of theirs are at most one stream of each source; what is
// encrypted is none.
func TestPublications(t *testing.T) {
	track := func(sid string, src livekit.TrackSource, kind livekit.TrackType, change func(*livekit.TrackInfo)) *livekit.TrackInfo {
		i := &livekit.TrackInfo{Sid: sid, Source: src, Type: kind}
		if change != nil {
			change(i)
		}
		return i
	}
	three := func(i *livekit.TrackInfo) {
		c := &livekit.SimulcastCodecInfo{}
		for q, w := range []uint32{320, 640, 1280} {
			c.Layers = append(c.Layers, &livekit.VideoLayer{Quality: livekit.VideoQuality(q), Width: w, Height: w / 2}) //nolint:gosec // three
		}
		slices.Reverse(c.Layers)
		i.Codecs = append(i.Codecs, c)
	}
	p := person{identity: "lucy", tracks: []*livekit.TrackInfo{
		track("1", livekit.TrackSource_CAMERA, livekit.TrackType_VIDEO, three),
		track("2", livekit.TrackSource_MICROPHONE, livekit.TrackType_AUDIO, func(i *livekit.TrackInfo) { i.Muted = true }),
		track("3", livekit.TrackSource_UNKNOWN, livekit.TrackType_AUDIO, nil),
		track("4", livekit.TrackSource_SCREEN_SHARE, livekit.TrackType_VIDEO, func(i *livekit.TrackInfo) { i.Encryption = livekit.Encryption_GCM }),
		track("5", livekit.TrackSource_SCREEN_SHARE_AUDIO, livekit.TrackType_AUDIO, nil),
	}}
	want := []bridge.Publication{
		{
			ID: publicationID("s", "r", "lucy", bridge.Camera), Audio: bridge.Muted, Video: bridge.Live,
			Layers: []bridge.Layer{{RID: "q", Width: 320, Height: 160}, {RID: "h", Width: 640, Height: 320}, {RID: "f", Width: 1280, Height: 640}},
		},
		{ID: publicationID("s", "r", "lucy", bridge.Screen), Source: bridge.Screen, Audio: bridge.Live},
	}
	if got := p.publications("s", "r"); !reflect.DeepEqual(got, want) {
		t.Errorf("streams are %+v, want %+v", got, want)
	}
	if a := p.seatAttrs("s"); a[attrEncrypted] != "true" || a[attrServer] != "s" {
		t.Errorf("attributes are %v", a)
	}
	pub, ok := permitted(want[0], bridge.PublishVideo)
	if !ok || pub.Audio != bridge.Absent || pub.Video != bridge.Live {
		t.Errorf("permitted: %+v", pub)
	}
	if _, ok := permitted(want[1], bridge.PublishVideo); ok {
		t.Error("a screen is permitted")
	}
}

func TestNames(t *testing.T) {
	long := person{identity: "x", name: strings.Repeat("ü", 300)}
	if n := long.named(); len(n) > bridge.MaxName || !utf8.ValidString(n) {
		t.Errorf("a long name is %d bytes", len(n))
	}
	if n := (person{identity: "lucy", name: "  "}).named(); n != "lucy" {
		t.Errorf("no name is %q", n)
	}
	for v, up := range map[string]bool{"": false, "0": false, "False": false, "true": true, "1730000000000": true} {
		if got := len(hand(map[string]string{"raisedHand": v})) == 1; got != up {
			t.Errorf("a hand of %q is up: %v", v, got)
		}
	}
}

// FuzzDecode: nothing that comes in makes what cannot be used.
func FuzzDecode(f *testing.F) {
	f.Add(agreed{}.with("a", "b").without("c", true).encode())
	f.Add(note{Server: "a", Speakers: []string{"x"}, Text: "t"}.encode())
	f.Add([]byte(`{"id":"1","message":"m","timestamp":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, ok := decodeAgreed(b); ok {
			for _, p := range a.Peers {
				if !validName(p.Server) || p.Room != "" && !validTheirs(p.Room) {
					t.Errorf("peered with %+v", p)
				}
			}
			if back, ok := decodeAgreed(a.encode()); len(a.encode()) > 0 && (!ok || len(back.Peers) != len(a.Peers)) {
				t.Errorf("%+v is read back as %+v", a, back)
			}
		}
		if n, ok := decodeNote(b); ok {
			if back, ok := decodeNote(n.encode()); len(n.encode()) <= bridge.MaxText && (!ok || back.Text != n.Text) {
				t.Errorf("%+v is read back as %+v", n, back)
			}
		}
		if c, ok := decodeOldChat(b); ok && (c.key == "" || c.text == "" || !utf8.ValidString(c.text)) {
			t.Errorf("chat is %+v", c)
		}
	})
}

// FuzzChunks: parts of a text fit, are text where the whole is, and make the whole.
func FuzzChunks(f *testing.F) {
	f.Add(strings.Repeat("grüße ", 9000))
	f.Add(strings.Repeat("\x80", 40000))
	f.Fuzz(func(t *testing.T, text string) {
		parts := chunks(text)
		for _, p := range parts {
			if len(p) > chunk || utf8.ValidString(text) && !utf8.ValidString(p) {
				t.Errorf("a part of %d bytes", len(p))
			}
		}
		if strings.Join(parts, "") != text {
			t.Error("the parts are not the whole")
		}
	})
}
