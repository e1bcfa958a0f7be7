package serve

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"dragoman/bridge"
	"dragoman/dialects/lobby"
)

func (s *Server) scheme() string {
	if s.cfg.TLS.Mode == "off" {
		return "http"
	}
	return "https"
}

// root is how clients reach the shared listener: as configured, as the request
// asked, or as the listener is bound.
func (s *Server) root(r *http.Request) *url.URL {
	if u, err := url.Parse(s.cfg.HTTP.PublicURL); err == nil && u.Host != "" {
		return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	}
	if r != nil {
		u := &url.URL{Scheme: "http", Host: r.Host, Path: "/"}
		if r.Header.Get("X-Forwarded-Proto") == "https" {
			u.Scheme = "https"
		}
		return u
	}
	return &url.URL{Scheme: s.scheme(), Host: reachable(s.Ports().HTTP), Path: "/"}
}

// reachable turns the address of a listener into one that can be opened on this
// machine.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// ways lists how to reach a room from each dialect: by its host names, by its own
// listener, by its prefix on the shared one.
func (s *Server) ways(r *http.Request, room bridge.RoomID) []lobby.Way {
	var out []lobby.Way
	shared, ports := s.root(r), s.Ports()
	for i, e := range s.entries {
		d := s.settings[i]
		add := func(how string, root url.URL) {
			address, enter := e.Card(&root, string(room))
			out = append(out, lobby.Way{Dialect: e.Title, How: how, URL: address, Room: enter})
		}
		for _, h := range d.Hosts {
			add("by host name", url.URL{Scheme: shared.Scheme, Host: withPort(h, shared.Port()), Path: "/"})
		}
		if at := ports.Dialects[d.Name]; at != "" {
			_, port, _ := net.SplitHostPort(at)
			host := shared.Hostname()
			if s.cfg.Dev {
				host, _, _ = net.SplitHostPort(reachable(at))
			}
			add("on its own port", url.URL{Scheme: s.scheme(), Host: withPort(host, port), Path: "/"})
		}
		add("by path", url.URL{Scheme: shared.Scheme, Host: shared.Host, Path: d.RoutePrefix()})
	}
	return out
}

func withPort(host, port string) string {
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// Greet tells a person what to open.
func (s *Server) Greet(w io.Writer) error {
	var b strings.Builder
	root, p := s.root(nil).String(), s.Ports()
	if s.cfg.Dev {
		fmt.Fprintf(&b, "Dragoman %s in development mode: anybody on this machine may enter any room.\n\n", s.version)
	} else {
		fmt.Fprintf(&b, "Dragoman %s\n\n", s.version)
	}
	line := func(what, where string) { fmt.Fprintf(&b, "  %-12s %s\n", what, where) }
	if s.cfg.Lobby.Enabled {
		line("open", root)
		line("", "in two tabs, with two dialects and one room: they see, hear and read each other")
	}
	for i, e := range s.entries {
		d := s.settings[i]
		at := strings.TrimSuffix(root, "/") + d.RoutePrefix()
		if own := p.Dialects[d.Name]; own != "" {
			at += "   and at the root of " + (&url.URL{Scheme: s.scheme(), Host: reachable(own), Path: "/"}).String()
		}
		if raw := p.Raw[d.Name]; raw != "" {
			at += "   and by plain TCP at " + reachable(raw)
		}
		if len(d.Hosts) > 0 {
			at += "   and as " + strings.Join(d.Hosts, ", ")
		}
		line(e.Title, at)
	}
	line("dashboard", "http://"+reachable(p.Admin)+"/")
	media := "udp " + p.UDP
	if p.TCP != "" {
		media += ", tcp " + p.TCP
	}
	line("media", media)
	b.WriteString("\nCtrl-C stops it.\n")
	_, err := io.WriteString(w, b.String())
	return err
}
