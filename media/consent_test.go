package media

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

var asker = netip.MustParseAddrPort("192.0.2.7:4321")

// asks makes a request as a client does.
func asks(tb testing.TB, user, pwd string, more ...stun.Setter) []byte {
	tb.Helper()
	all := append([]stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(user)}, more...)
	m, err := stun.Build(append(all, stun.NewShortTermIntegrity(pwd), stun.Fingerprint)...)
	if err != nil {
		tb.Fatal(err)
	}
	return m.Raw
}

// attribute is one without a meaning.
type attribute stun.AttrType

func (a attribute) AddTo(m *stun.Message) error {
	m.Add(stun.AttrType(a), []byte{1, 2, 3, 4})
	return nil
}

func TestConsent(t *testing.T) {
	c := newConsent("ours", "our password, of 22 bytes")
	const pwd = "our password, of 22 bytes"
	for _, from := range []netip.AddrPort{asker, netip.MustParseAddrPort("[2001:db8::7]:4321")} {
		b := asks(t, "ours:theirs", pwd, attribute(stun.AttrPriority), attribute(stun.AttrUseCandidate), attribute(0xc001))
		before := slices.Clone(b)
		room := make([]byte, 0, answerMost)
		raw, ok := c.answer(b, from, room)
		if !ok || len(raw) > answerMost || &raw[0] != &room[:1][0] {
			t.Fatalf("%d bytes, answered %v", len(raw), ok)
		}
		if !bytes.Equal(b, before) {
			t.Error("the request is not as it was")
		}
		m := stun.Message{Raw: raw}
		var mapped stun.XORMappedAddress
		if err := m.Decode(); err != nil || m.Type != stun.BindingSuccess || !bytes.Equal(m.TransactionID[:], b[8:20]) {
			t.Fatalf("%v %v", err, m)
		}
		if err := mapped.GetFrom(&m); err != nil || mapped.Port != 4321 || !mapped.IP.Equal(from.Addr().AsSlice()) {
			t.Errorf("%v %v", err, mapped)
		}
		if err := stun.NewShortTermIntegrity(pwd).Check(&m); err != nil {
			t.Error(err)
		}
		if err := stun.Fingerprint.Check(&m); err != nil {
			t.Error(err)
		}
	}
	unsigned, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("ours:theirs"))
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{
		"another password":    asks(t, "ours:theirs", "another"),
		"no password":         unsigned.Raw,
		"another name":        asks(t, "old:theirs", pwd),
		"a longer name":       asks(t, "ours2:theirs", pwd),
		"something needed":    asks(t, "ours:theirs", pwd, attribute(0x7777)),
		"an answer":           asks(t, "ours:theirs", pwd, stun.BindingSuccess),
		"a byte too few":      asks(t, "ours:theirs", pwd)[:60],
		"nothing after a tag": {0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 9},
	} {
		before := slices.Clone(b)
		if raw, ok := c.answer(b, asker, make([]byte, 0, answerMost)); ok {
			t.Errorf("%s: answered with %x", what, raw)
		}
		if !bytes.Equal(b, before) {
			t.Errorf("%s: the request is not as the agent is to have it", what)
		}
	}
}

// chooses makes ICE choose an address.
func chooses(t *testing.T, l *link, at netip.AddrPort) {
	t.Helper()
	l.choose(&webrtc.ICECandidatePair{
		Local:  &webrtc.ICECandidate{Address: "192.0.2.1", Protocol: webrtc.ICEProtocolUDP},
		Remote: &webrtc.ICECandidate{Address: at.Addr().String(), Port: at.Port(), Protocol: webrtc.ICEProtocolUDP},
	})
}

// Only what comes from where packets go to is answered, once ICE has chosen that, until
// something else is described; and the agent has its turn.
func TestSettled(t *testing.T) {
	l, other := &link{}, netip.MustParseAddrPort("192.0.2.8:1")
	is := func(what string, to netip.AddrPort, want bool) {
		t.Helper()
		if got := l.Settled(to); got != want {
			t.Errorf("%s: settled %v", what, got)
		}
	}
	is("nothing described", asker, false)
	l.described("", "")
	l.described("ours", "pwd")
	is("nothing chosen", asker, false)
	chooses(t, l, asker)
	is("chosen", asker, true)
	is("elsewhere", other, false)
	l.described("ours", "pwd")
	is("described as before", asker, true)
	l.described("new", "pwd")
	is("a restart", asker, false)
	chooses(t, l, other)
	is("chosen again", other, true)
	is("no longer", asker, false)
}

// FuzzConsent: whoever does not know the password gets no answer, and the agent gets what
// came, as it came.
func FuzzConsent(f *testing.F) {
	f.Add(asks(f, "ours:theirs", "guess"))
	f.Add(asks(f, "ours:theirs", "guess", attribute(stun.AttrICEControlling))[:50])
	c := newConsent("ours", "something that nobody guesses")
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		if _, ok := c.answer(b, asker, make([]byte, 0, answerMost)); ok || !bytes.Equal(b, before) {
			t.Errorf("%x: answered %v, left %x", before, ok, b)
		}
	})
}
