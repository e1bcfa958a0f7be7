package media

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"

	"dragoman/media/port"
)

const (
	// showEvery is how often the agent gets a request to answer itself. Whatever we take
	// wrong of what ICE has agreed on is put right then.
	showEvery = int64(10 * time.Second)
	// answerMost is the longest answer, in bytes: an IPv6 address, a MAC, a checksum.
	answerMost = 128
)

// consent is what a client asks with whether it may go on sending where it sends
// (RFC 7675, 5.1). Once a connection is up ICE has nothing else to do, and that costs an
// agent four changes of goroutine each time: more than a second of sound costs us. So the
// loop that has read the request answers it.
type consent struct {
	ufrag string
	user  []byte // how the USERNAME of a request begins
	key   stun.MessageIntegrity

	chosen atomic.Bool  // there is a path that ICE has chosen with these
	shown  atomic.Int64 // when the agent had a request last
}

func newConsent(ufrag, pwd string) *consent {
	return &consent{ufrag: ufrag, user: []byte(ufrag + ":"), key: stun.NewShortTermIntegrity(pwd)}
}

// described takes what a description of ours says that a client is to ask with. When
// that is new, all is ICE's until it has chosen a path again.
func (l *link) described(ufrag, pwd string) {
	if was := l.consent.Load(); ufrag != "" && (was == nil || was.ufrag != ufrag) {
		l.consent.Store(newConsent(ufrag, pwd))
	}
}

// Settled implements port.Handler.
func (l *link) Settled(to netip.AddrPort) bool {
	c, at := l.settled()
	return c != nil && at.Addr() == to
}

// settled returns where ICE has chosen to send to by the port, and what it may be asked with
// there; nil: it has not.
func (l *link) settled() (*consent, *port.Target) {
	c, at := l.consent.Load(), l.udp.Load()
	if c == nil || at == nil || !c.chosen.Load() {
		return nil, nil
	}
	return c, at
}

// Request implements port.Handler. It answers what comes from where our packets go to,
// and nothing that would change that.
func (l *link) Request(b []byte, from netip.AddrPort, now int64, out *port.Batch) bool {
	c, at := l.settled()
	if c == nil || at.Addr() != from {
		return false
	}
	if last := c.shown.Load(); last == 0 || now-last > showEvery {
		c.shown.Store(max(now, 1))
		return false
	}
	answer, ok := c.answer(b, from, out.Reserve(answerMost))
	if ok {
		out.Add(answer, at, nil)
	}
	return ok
}

// answer makes the answer to a request, in the room that there is for it. It refuses
// requests that are not authentic, and those that have something in them which has to be
// understood and is not.
func (c *consent) answer(b []byte, from netip.AddrPort, room []byte) ([]byte, bool) {
	m := stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return nil, false
	}
	for _, a := range m.Attributes {
		switch a.Type {
		case stun.AttrUsername, stun.AttrMessageIntegrity, stun.AttrPriority, stun.AttrUseCandidate:
		default:
			if a.Type.Required() {
				return nil, false
			}
		}
	}
	user, err := m.Get(stun.AttrUsername)
	if err != nil || !bytes.HasPrefix(user, c.user) || c.key.Check(&m) != nil {
		return nil, false
	}
	r := stun.Message{Raw: room}
	if r.Build(&m, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, c.key, stun.Fingerprint) != nil {
		return nil, false
	}
	return r.Raw, true
}
