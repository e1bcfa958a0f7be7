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

// openTURN starts the TURN server that is configured.
func (s *Server) openTURN(e *media.Engine) error {
	c := s.cfg.Media.TURN
	if !c.On() {
		return nil
	}
	cert, err := newCertificate(s.cfg.TLS, s.log)
	if err != nil {
		return err
	}
	server, err := turn.Start(turn.Config{
		UDP: c.UDP, TCP: c.TCP, TLS: c.TLS, Key: cert.config(), Media: e.Told(),
		Secret: c.Secret, Life: c.Life, Allocations: c.Allocations, Log: s.log,
	})
	if err != nil {
		return taken(err, "media.turn.udp")
	}
	s.mu.Lock()
	s.turn = server
	s.mu.Unlock()
	udp, tcp, tls := server.Addrs()
	s.log.Info("TURN server started", "udp", text(udp), "tcp", text(tcp), "tls", text(tls))
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
	server := s.turn
	s.mu.Unlock()
	if server == nil {
		return nil
	}
	udp, tcp, tls := server.Addrs()
	var urls []string
	for _, l := range []struct {
		at                net.Addr
		scheme, transport string
	}{{udp, "turn", "udp"}, {tcp, "turn", "tcp"}, {tls, "turns", "tcp"}} {
		if l.at != nil {
			urls = append(urls, l.scheme+":"+s.turnAt(l.at)+"?transport="+l.transport)
		}
	}
	user, password, life := server.Credentials(time.Now())
	return []dialects.ICEServer{{URLs: urls, Username: user, Credential: string(password), TTL: life}}
}

// turnAt is where clients find a listener of the TURN server.
func (s *Server) turnAt(l net.Addr) string {
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

// turnStats returns what the TURN server has counted, if there is one.
func (s *Server) turnStats() (turn.Stats, bool) {
	s.mu.Lock()
	server := s.turn
	s.mu.Unlock()
	if server == nil {
		return turn.Stats{}, false
	}
	return server.Stats(), true
}
