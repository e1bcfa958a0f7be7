package spreed

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/spreed/wire"
)

func testIDs() dialects.IDs { return dialects.NewIDs([]byte("a key of this test, and no other")) }

func TestEveryCode(t *testing.T) {
	known := map[string]bool{
		codeUnknown: true, codeBadRequest: true, codeNotInRoom: true, codeNoDefaultRoom: true, codeNeedsAccount: true,
		codeNeedsCredentials: true, codeBadCredentials: true, codeNoCredentials: true, codeBadSession: true,
		codeAuthenticated: true, codeNoContacts: true, codeBadAttestation: true, codeNoSession: true,
	}
	for _, c := range bridge.Codes() {
		word, ok := codes()[c]
		if !ok || !known[word] {
			t.Errorf("%v is said as %q, which is no code of the protocol", c, word)
		}
		e := refusal(bridge.Errorf(c, ""))
		if e.Type != wire.TypeError || e.Code != word || e.Message == "" {
			t.Errorf("%v: %+v", c, e)
		}
	}
	if n := len(codes()); n != len(bridge.Codes()) {
		t.Errorf("the table has %d codes, there are %d", n, len(bridge.Codes()))
	}
	if e := refusal(bridge.Errorf(0, "odd")); e.Code != codeUnknown {
		t.Errorf("a code that there is not is said as %q", e.Code)
	}
	for _, c := range []struct {
		err  error
		gave bool
		want string
	}{
		{bridge.Errorf(bridge.RoomLocked, ""), false, codeNeedsCredentials},
		{bridge.Errorf(bridge.RoomLocked, ""), true, codeBadCredentials},
		{bridge.Errorf(bridge.NotFound, ""), false, codeUnknown},
		{bridge.Errorf(bridge.WrongSecret, ""), true, codeBadCredentials},
	} {
		if got := refusedHello(c.err, c.gave).Code; got != c.want {
			t.Errorf("%v, gave %t: %q, want %q", c.err, c.gave, got, c.want)
		}
	}
}

func TestForms(t *testing.T) {
	f := forms{testIDs()}
	id := bridge.NewParticipantID()
	own, theirs := f.session(id), f.of(bridge.Participant{ID: id, Dialect: "ahoy"})
	if own != f.of(bridge.Participant{ID: id, Dialect: Name}) {
		t.Error("a session has two Ids")
	}
	if a, ok := f.parse(own); !ok || a.id != id || a.virtual {
		t.Errorf("parse %q: %v %t", own, a, ok)
	}
	if a, ok := f.parse(theirs); !ok || a.id != id || !a.virtual {
		t.Errorf("parse %q: %v %t", theirs, a, ok)
	}
	if own >= theirs {
		t.Error("a session must call one whom the bridge speaks for: its Id sorts below")
	}
	if strings.Trim(own, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		t.Errorf("%q is not for URLs", own)
	}
	for _, bad := range []string{"", "~", own[:42], own + "A", "~" + own, theirs[1:], strings.ToLower(own), own[:10] + "=" + own[11:]} {
		if _, ok := f.parse(bad); ok {
			t.Errorf("%q is somebody", bad)
		}
	}
	other := forms{dialects.NewIDs([]byte("the key of another cluster, too"))}
	if _, ok := other.parse(own); ok {
		t.Error("an Id holds with another key")
	}
	if got, ok := f.pictured(f.picture(id)); !ok || got != id {
		t.Error("a picture has lost its owner")
	}
	if _, ok := f.pictured(own); ok {
		t.Error("an Id is the name of a picture")
	}
	if s := f.secret(id); len(s) != 32 || s == f.secret(bridge.NewParticipantID()) {
		t.Errorf("secret %q", s)
	}
	if f.user("") != "" || f.user("bob") == "" {
		t.Error("Suserid is empty for nobody, and for nobody else")
	}
	if f.seatOf("bob", 0) == f.seatOf("bob", 1) || f.seatOf("bob", 0) == f.seatOf("eve", 0) {
		t.Error("two seats are one")
	}
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTokens(testIDs())
		now := time.Now()
		who := claim{id: bridge.NewParticipantID(), user: "bob"}
		token := k.sealClaim(who, now)
		if token == k.sealClaim(who, now) {
			t.Error("each Self has a token of its own")
		}
		for after, ok := range map[time.Duration]bool{0: true, resumeLife: true, resumeLife + 2*time.Second: false} {
			if got, fine := k.openClaim(token, now.Add(after)); fine != ok || ok && got != who {
				t.Errorf("after %s: %v %t", after, got, fine)
			}
		}
		virtual := address{id: who.id, virtual: true}
		proof := k.attestation(virtual, now)
		for after, ok := range map[time.Duration]bool{0: true, attestLife: true, attestLife + 2*time.Second: false} {
			if got, fine := k.openAttestation(proof, now.Add(after)); fine != ok || ok && got != virtual {
				t.Errorf("attestation after %s: %v %t", after, got, fine)
			}
		}
		contact := k.sealPair(pair{"bob", "eve"})
		if p, ok := k.openPair(contact); !ok || p != (pair{"bob", "eve"}) {
			t.Errorf("contact: %v %t", p, ok)
		}
		for _, wrong := range []string{"", "x", token[:len(token)-2], proof, contact, "AAAA" + token[4:], token + "A"} {
			if _, ok := k.openClaim(wrong, now); ok {
				t.Errorf("claim %q holds", wrong)
			}
		}
		if _, ok := k.openPair(token); ok {
			t.Error("a resume token is a contact token")
		}
		for i := range proof {
			broken := proof[:i] + flip(proof[i]) + proof[i+1:]
			if got, ok := k.openAttestation(broken, now); ok && got != virtual {
				t.Errorf("attestation with another letter at %d: %v", i, got)
			}
		}
		for user, want := range map[string]string{"bob": "eve", "eve": "bob", "mallory": ""} {
			if got, ok := (pair{"bob", "eve"}).other(user); got != want || ok != (want != "") {
				t.Errorf("contact of %s: %q", user, got)
			}
		}
	})
}

func flip(b byte) string {
	if b == 'A' {
		return "B"
	}
	return "A"
}

func TestNonce(t *testing.T) {
	now := time.Now()
	n := newNonce("bob", now)
	for _, c := range []struct {
		value, user string
		after       time.Duration
		want        bool
	}{
		{n.value, "bob", 0, true},
		{n.value, "bob", nonceLife, true},
		{n.value, "bob", nonceLife + 1, false},
		{n.value, "eve", 0, false},
		{n.value + "x", "bob", 0, false},
		{"", "bob", 0, false},
	} {
		if got := n.opens(c.value, c.user, now.Add(c.after)); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	if (nonce{}).opens("", "", time.Time{}) {
		t.Error("no nonce at all opens")
	}
}

func TestCombo(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c, mac := combo("secret", "bob:the:builder", now.Add(time.Hour))
	if user, ok := openCombo("secret", c, mac, now); !ok || user != "bob:the:builder" {
		t.Errorf("%q %t", user, ok)
	}
	for name, ok := range map[string]bool{
		"late":           opens("secret", c, mac, now.Add(2*time.Hour)),
		"another secret": opens("other", c, mac, now),
		"no secret":      opens("", c, comboMAC("", c), now),
		"another user":   opens("secret", c+"x", mac, now),
		"no user":        opens("secret", "1800000000:", comboMAC("secret", "1800000000:"), now),
		"no time":        opens("secret", "x:bob", comboMAC("secret", "x:bob"), now),
		"no colon":       opens("secret", "1800000000", comboMAC("secret", "1800000000"), now),
	} {
		if ok {
			t.Errorf("%s: it holds", name)
		}
	}
}

func opens(secret, combo, mac string, now time.Time) bool {
	_, ok := openCombo(secret, combo, mac, now)
	return ok
}

func TestNaming(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Types = []RoomType{{Match: "^hand", Type: typeRoom}, {Match: "^$", Type: "Lobby"}}
	n, err := newNaming(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, kind, key, room string }{
		{"team", "", "Conference:team", "team"},
		{" team ", "", "Conference: team ", "team"},
		{"handover", "", "Room:handover", "handover"},
		{"handover", "Conference", "Conference:handover", "Conference:handover"},
		{"team", "Room", "Room:team", "Room:team"},
		{"", "", "Lobby:", "lobby"},
		{"", "Conference", "Conference:", "Conference:lobby"},
	} {
		key := n.key(c.name, c.kind)
		room, err := n.room(key)
		if err != nil || key.String() != c.key || string(room) != c.room {
			t.Errorf("%q of type %q: %s is %q, %v", c.name, c.kind, key, room, err)
		}
	}
	if n.disabled(n.key("", "")) {
		t.Error("there is a default room")
	}
	n.nameless = ""
	if !n.disabled(n.key("", "")) || n.disabled(n.key("", "Other")) || n.disabled(n.key("x", "")) {
		t.Error("only the default room is disabled")
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"":               func(*Config) {},
		"types[0].match": func(c *Config) { c.Types = []RoomType{{Match: "(", Type: "Room"}} },
		"types[1].type":  func(c *Config) { c.Types = []RoomType{{Match: "x", Type: "Room"}, {Match: "y"}} },
		"default_room":   func(c *Config) { c.DefaultRoom = "a\x00b" },
		"global_room":    func(c *Config) { c.GlobalRoom = " " },
		"type":           func(c *Config) { c.Type = "" },
		"peers":          func(c *Config) { c.Peers = "mesh" },
		"grace":          func(c *Config) { c.Grace = -1 },
		"users.mode":     func(c *Config) { c.Users.Mode = "magic" },
		"users.secret":   func(c *Config) { c.Users.Enabled = true },
	} {
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want+":")) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestPicture(t *testing.T) {
	data := base64.StdEncoding.EncodeToString([]byte("a picture"))
	for url, mime := range map[string]string{
		"data:image/png;base64," + data:            "image/png",
		"data:image/jpeg;base64," + data:           "image/jpeg",
		"data:IMAGE/GIF;base64," + data:            "image/gif",
		"data:image/webp;charset=x;base64," + data: "image/webp",
		"data:image/svg+xml;base64," + data:        "",
		"data:text/html;base64," + data:            "",
		"data:image/png," + data:                   "",
		"data:image/png;base64,":                   "",
		"data:image/png;base64,*":                  "",
		"data:image/png;base64":                    "",
		"image/png;base64," + data:                 "",
		"img:x/y/picture.png":                      "",
	} {
		p, ok := decodePicture(url)
		if ok != (mime != "") || p.mime != mime || ok && string(p.data) != "a picture" {
			t.Errorf("%s: %q %t", url, p.mime, ok)
		}
	}
	for mime, end := range map[string]string{
		"image/png": "/picture.png", "image/jpeg": "/picture.jpg", "image/gif": "/picture.gif", "image/webp": "/picture.webp", "image/x": "",
	} {
		if got := extension(mime); got != end {
			t.Errorf("%s: %q", mime, got)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"aä", 2, "a"}, {"ä", 1, ""}, {"", 0, ""}} {
		if got := cut(c.text, c.most); got != c.want {
			t.Errorf("cut %q to %d: %q", c.text, c.most, got)
		}
	}
}

func TestOrigin(t *testing.T) {
	for sdp, want := range map[string]string{
		"v=0\r\no=- 8411189997130069027 2 IN IP4 127.0.0.1\r\ns=-\r\n": "8411189997130069027",
		"v=0\no=alice 5 2 IN IP4 x\n":                                  "5",
		"v=0\r\no=-\r\n":                                               "",
		"v=0\r\n":                                                      "",
		"":                                                             "",
	} {
		if got := origin(sdp); got != want {
			t.Errorf("%q: %q", sdp, got)
		}
	}
}

func TestCandidate(t *testing.T) {
	one := 1
	for _, c := range []struct {
		in   wire.ICE
		want bridge.Candidate
	}{
		{wire.ICE{Candidate: "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n", SDPMid: "audio", SDPMLineIndex: &one}, bridge.Candidate{Text: "candidate:1 1 udp 1 10.0.0.1 9 typ host", Mid: "audio", Index: 1}},
		{wire.ICE{Candidate: "candidate:1"}, bridge.Candidate{Text: "candidate:1", Index: -1}},
	} {
		if got := candidateOf(c.in); got != c.want {
			t.Errorf("%+v: %+v", c.in, got)
		}
	}
}

func FuzzTokens(f *testing.F) {
	k, g := newTokens(testIDs()), forms{testIDs()}
	now := time.Unix(1_700_000_000, 0)
	id := bridge.NewParticipantID()
	f.Add(k.sealClaim(claim{id: id, user: "bob"}, now))
	f.Add(k.attestation(address{id: id}, now))
	f.Add(k.sealPair(pair{"bob", "eve"}))
	f.Add(g.session(id))
	f.Add(g.of(bridge.Participant{ID: id}))
	f.Add(g.picture(id))
	f.Fuzz(func(t *testing.T, text string) {
		if c, ok := k.openClaim(text, now); ok && k.sealClaim(c, now) == "" {
			t.Error("a claim that cannot be made")
		}
		if a, ok := k.openAttestation(text, now); ok {
			if b, ok := k.openAttestation(k.attestation(a, now), now); !ok || a != b {
				t.Errorf("an attestation of %v is one of %v", a, b)
			}
		}
		if p, ok := k.openPair(text); ok && (p.Asker == "" || p.Asked == "") {
			t.Error("a contact with nobody")
		}
		if a, ok := g.parse(text); ok && g.session(a.id) != text && !a.virtual {
			t.Errorf("%q is another form of %v", text, a)
		}
		g.pictured(text)
	})
}

func FuzzCombo(f *testing.F) {
	c, mac := combo("secret", "bob", time.Unix(1_800_000_000, 0))
	f.Add(c, mac)
	f.Add("1:", "")
	f.Fuzz(func(t *testing.T, c, mac string) {
		user, ok := openCombo("secret", c, mac, time.Unix(1_700_000_000, 0))
		if ok && !strings.HasSuffix(c, ":"+user) {
			t.Errorf("%q vouches for %q", c, user)
		}
	})
}

func FuzzPicture(f *testing.F) {
	f.Add([]byte(`{"displayName":"x","buddyPicture":"data:image/png;base64,AAAA"}`))
	f.Add([]byte(`{"buddyPicture":17}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`"text"`))
	f.Fuzz(func(t *testing.T, status []byte) {
		r, err := wire.DecodeRequest(append(append([]byte(`{"Type":"Status","Status":{"Status":`), status...), "}}"...))
		if err != nil || r.Status == nil {
			return
		}
		out, p, found := extract(r.Status.Status, func(p picture) string { return "img:" + p.tag })
		if found && (len(p.data) == 0 || strings.Contains(string(out), `"data:`+p.mime)) {
			t.Errorf("%s became %s", status, out)
		}
		if out != nil {
			if _, err := wire.Encode(wire.Status{Status: out}); err != nil {
				t.Errorf("%s became %s: %v", status, out, err)
			}
		}
	})
}
