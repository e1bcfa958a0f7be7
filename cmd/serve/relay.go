package serve

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"dragoman/dialects"
	"dragoman/media"
	"dragoman/media/turn"
)

// openRelay starts the TURN server that is configured.
func (s *Server) openRelay(e *media.Engine) error {
	c := s.cfg.Media.TURN
	if !c.On() {
		return nil
	}
	cert, err := newCertificate(s.cfg.TLS, s.log)
	if err != nil {
		return err
	}
	relay, err := turn.Start(turn.Config{
		UDP: c.UDP, TCP: c.TCP, TLS: c.TLS, Key: cert.config(), Media: e.Told(),
		Secret: c.Secret, Life: c.Life, Allocations: c.Allocations, Log: s.log,
	})
	if err != nil {
		return taken(err, "media.turn.udp")
	}
	s.mu.Lock()
	s.relay = relay
	s.mu.Unlock()
	udp, tcp, tls := relay.Addrs()
	s.log.Info("TURN relay started", "udp", text(udp), "tcp", text(tcp), "tls", text(tls))
	return nil
}

// text is an address in words; "" is none.
func text(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// ice are the servers that clients are told for their connections, with credentials
// of their own.
func (s *Server) ice() []dialects.ICEServer {
	s.mu.Lock()
	relay := s.relay
	s.mu.Unlock()
	if relay == nil {
		return nil
	}
	udp, tcp, tls := relay.Addrs()
	var urls []string
	for _, l := range []struct {
		at                net.Addr
		scheme, transport string
	}{{udp, "turn", "udp"}, {tcp, "turn", "tcp"}, {tls, "turns", "tcp"}} {
		if l.at != nil {
			urls = append(urls, l.scheme+":"+s.relayAt(l.at)+"?transport="+l.transport)
		}
	}
	user, password, life := relay.Credentials(time.Now())
	return []dialects.ICEServer{{URLs: urls, Username: user, Credential: string(password), TTL: life}}
}

// relayAt is where clients find a listener of the relay.
func (s *Server) relayAt(l net.Addr) string {
	host, port, _ := net.SplitHostPort(reachable(l.String()))
	switch public, err := url.Parse(s.cfg.HTTP.PublicURL); {
	case s.cfg.Media.TURN.Host != "":
		host = s.cfg.Media.TURN.Host
	case err == nil && public.Hostname() != "":
		host = public.Hostname()
	case len(s.cfg.Media.Advertise) > 0:
		first, _, _ := strings.Cut(s.cfg.Media.Advertise[0], "/")
		if at, err := netip.ParseAddrPort(first); err == nil {
			first = at.Addr().String()
		}
		host = first
	}
	return net.JoinHostPort(host, port)
}

// relayStats returns what the TURN server has counted, if there is one.
func (s *Server) relayStats() (turn.Stats, bool) {
	s.mu.Lock()
	relay := s.relay
	s.mu.Unlock()
	if relay == nil {
		return turn.Stats{}, false
	}
	return relay.Stats(), true
}
