// Package turn is a TURN server (RFC 8656) for clients that get out by one port
// only. It relays to this node's media and to nowhere else: what is addressed to
// anybody else is dropped, whoever asks.
//
// Credentials are good for a while and are not kept: the user name says until when,
// and the password is its HMAC, as in the REST API for TURN that browsers' clients
// use. The relay is on this machine, so that nobody needs to reach its ports: only
// the two that clients connect to.
package turn

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // as clients of the REST API for TURN have it
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"dragoman/bridge"
)

// Config is what a server is made of. Zero fields are defaults.
type Config struct {
	UDP string      // address to listen on; empty: not by UDP
	TLS string      // address to listen on with TLS over TCP; empty: not by TLS
	TCP string      // the same without TLS; empty: not by TCP
	Key *tls.Config // for TLS

	// Media are the addresses that clients are told for media, and the local address
	// of each.
	Media map[netip.AddrPort]netip.AddrPort

	Secret      bridge.Secret // of the credentials; empty: a random one
	Life        time.Duration // of credentials; default 12 h
	Allocations int           // at the same time; default 4096
	PerUser     int           // of one credential; default 16
	Log         *slog.Logger  // nil: none
}

const realm = "dragoman"

// Server is a running server.
type Server struct {
	cfg    Config
	server *turn.Server
	udp    net.Addr // nil: none
	tls    net.Addr
	tcp    net.Addr
	users  quota
	counts counts
}

type counts struct{ allocations, refused, strangers atomic.Int64 }

// Stats is what a server has counted.
type Stats struct {
	Open        int64 // allocations that there are
	Allocations int64 // that were made
	Refused     int64 // credentials that did not hold, and allocations above the limits
	Strangers   int64 // packets to or from others than this node's media
}

// Start opens the listeners. Close ends what it starts.
func Start(cfg Config) (*Server, error) {
	cfg.Secret = cmp.Or(cfg.Secret, bridge.Secret(rand.Text()))
	cfg.Life = cmp.Or(cfg.Life, 12*time.Hour)
	cfg.Allocations = cmp.Or(cfg.Allocations, 4096)
	cfg.PerUser = cmp.Or(cfg.PerUser, 16)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, users: quota{of: map[string]int{}}}
	c := turn.ServerConfig{
		Realm: realm, AuthHandler: s.auth, QuotaHandler: s.mayAllocate, LoggerFactory: quiet(),
		EventHandler: turn.EventHandler{
			OnAllocationCreated: func(_, _ net.Addr, _, user, _ string, _ net.Addr, _ int) {
				s.counts.allocations.Add(1)
				s.users.add(user)
			},
			OnAllocationDeleted: func(_, _ net.Addr, _, user, _ string) { s.users.drop(user) },
		},
	}
	err := s.listen(&c)
	if err == nil {
		s.server, err = turn.NewServer(c)
	}
	if err != nil {
		for _, p := range c.PacketConnConfigs {
			p.PacketConn.Close()
		}
		for _, l := range c.ListenerConfigs {
			l.Listener.Close()
		}
		return nil, fmt.Errorf("turn: %w", err)
	}
	return s, nil
}

// quiet keeps what strangers send out of the log.
func quiet() logging.LoggerFactory {
	f := logging.NewDefaultLoggerFactory()
	f.DefaultLogLevel = logging.LogLevelDisabled
	return f
}

func (s *Server) listen(c *turn.ServerConfig) error {
	relay := generator{s}
	if s.cfg.UDP != "" {
		p, err := net.ListenPacket("udp", s.cfg.UDP)
		if err != nil {
			return err
		}
		s.udp = p.LocalAddr()
		c.PacketConnConfigs = append(c.PacketConnConfigs, turn.PacketConnConfig{PacketConn: p, RelayAddressGenerator: relay, PermissionHandler: s.permit})
	}
	for _, l := range []struct {
		at  string
		key *tls.Config
		to  *net.Addr
	}{{s.cfg.TCP, nil, &s.tcp}, {s.cfg.TLS, s.cfg.Key, &s.tls}} {
		if l.at == "" {
			continue
		}
		if l.to == &s.tls && l.key == nil {
			return errors.New("TLS needs a certificate")
		}
		listener, err := net.Listen("tcp", l.at)
		if err != nil {
			return err
		}
		*l.to = listener.Addr()
		if l.key != nil {
			listener = tls.NewListener(listener, l.key)
		}
		c.ListenerConfigs = append(c.ListenerConfigs, turn.ListenerConfig{Listener: listener, RelayAddressGenerator: relay, PermissionHandler: s.permit})
	}
	return nil
}

// Addrs returns the addresses that were taken; nil: none.
func (s *Server) Addrs() (udp, tcp, tls net.Addr) { return s.udp, s.tcp, s.tls }

// Stats returns what was counted.
func (s *Server) Stats() Stats {
	return Stats{
		Open: int64(s.users.all()), Allocations: s.counts.allocations.Load(),
		Refused: s.counts.refused.Load(), Strangers: s.counts.strangers.Load(),
	}
}

// Close closes the listeners and ends all allocations.
func (s *Server) Close() error { return s.server.Close() }

// Credentials are for one client, and good for the time that is returned.
func (s *Server) Credentials(now time.Time) (user string, password bridge.Secret, life time.Duration) {
	user = strconv.FormatInt(now.Add(s.cfg.Life).Unix(), 10) + ":" + rand.Text()[:8]
	return user, bridge.Secret(s.password(user)), s.cfg.Life
}

func (s *Server) password(user string) string {
	mac := hmac.New(sha1.New, []byte(s.cfg.Secret))
	mac.Write([]byte(user))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// auth returns the key of a user name that is not over.
func (s *Server) auth(r *turn.RequestAttributes) (id string, key []byte, ok bool) {
	until, _, _ := strings.Cut(r.Username, ":")
	at, err := strconv.ParseInt(until, 10, 64)
	if err != nil || time.Now().Unix() > at {
		s.counts.refused.Add(1)
		return "", nil, false
	}
	return r.Username, turn.GenerateAuthKey(r.Username, realm, s.password(r.Username)), true
}

// permit lets clients talk to hosts that have media of this node. The port is
// checked for every packet.
func (s *Server) permit(_ net.Addr, peer net.IP) bool {
	addr, _ := netip.AddrFromSlice(peer)
	for told := range s.cfg.Media {
		if told.Addr() == addr.Unmap() {
			return true
		}
	}
	s.counts.strangers.Add(1)
	return false
}

func (s *Server) mayAllocate(user, _ string, _ net.Addr) bool {
	if s.users.all() < s.cfg.Allocations && s.users.count(user) < s.cfg.PerUser {
		return true
	}
	s.counts.refused.Add(1)
	return false
}
