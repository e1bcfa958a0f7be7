package media

import (
	"errors"
	"sync"

	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/webrtc/v4"

	"dragoman/media/srtp"
)

// keys finds out the SRTP keys of a DTLS association (RFC 5764), which Pion does
// not tell: the master secret and the client's random come as a line of a key log,
// the server's random and the profile are in its ServerHello. That is ours, which a
// hook shows, or the client's, which is seen on its way to Pion.
type keys struct {
	mu     sync.Mutex
	h      srtp.Handshake
	hello  bool // seen
	server bool // we are
}

var errNoKeys = errors.New("the DTLS handshake was not seen")

// watch makes Pion tell.
func (k *keys) watch(s *webrtc.SettingEngine) {
	s.SetDTLSKeyLogWriter(k)
	s.SetDTLSServerHelloMessageHook(k.ours)
}

// Write takes a line of the key log. It implements io.Writer.
func (k *keys) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.h.KeyLog(line)
	return len(line), nil
}

// ours takes the ServerHello that Pion is about to send.
func (k *keys) ours(m handshake.MessageServerHello) handshake.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := srtp.ServerHello{Random: m.Random.MarshalFixed()}
	if m.CipherSuiteID != nil {
		h.Suite = *m.CipherSuiteID
	}
	for _, x := range m.Extensions {
		if u, ok := x.(*extension.UseSRTP); ok && len(u.ProtectionProfiles) == 1 {
			h.Profile = srtp.Profile(u.ProtectionProfiles[0])
		}
	}
	k.h.ServerHello, k.hello, k.server = h, true, true
	return &m
}

// theirs looks for a ServerHello in what comes to Pion. The first one is that
// which Pion takes, too.
func (k *keys) theirs(b []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.hello {
		return
	}
	if h, ok := srtp.ReadServerHello(b); ok {
		k.h.ServerHello, k.hello = h, true
	}
}

// session makes the two ends of SRTP once Pion has completed the handshake, and
// forgets the secret.
func (k *keys) session() (*srtp.Sender, *srtp.Receiver, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.hello {
		return nil, nil, errNoKeys
	}
	ours, theirs, err := k.h.Keys()
	if err != nil {
		return nil, nil, err
	}
	if k.server {
		ours, theirs = theirs, ours
	}
	clear(k.h.Master)
	k.h.Master = nil
	send, err := srtp.NewSender(k.h.Profile, ours)
	if err != nil {
		return nil, nil, err
	}
	receive, err := srtp.NewReceiver(k.h.Profile, theirs)
	return send, receive, err
}
