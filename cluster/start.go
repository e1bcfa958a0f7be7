package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// Settings are the cluster that this node is one of. There is none without seeds and
// key_file.
type Settings struct {
	// Name of the cluster. Nodes of another name are not heard. At LiveKit servers, people of all its nodes are known by it: what shares such a server and is not of this cluster needs another name.
	Name string
	// Name of this node, unique in the cluster. Empty: the name of the machine.
	Node string
	// Address and port of gossip, UDP and TCP. Port 0: any.
	Bind string
	// Address and port of gossip as other nodes reach it. Empty: as bound; needed where bind names no address that they can reach.
	Advertise string
	// Some nodes that are there already, or a DNS name of many: host, or host:port.
	Seeds []string
	// File with the keys of gossip, one per line in base64, the first of which encrypts. Empty: no encryption, on loopback only.
	KeyFile string
	// How other nodes reach the rooms of this one.
	Link LinkSettings
}

// LinkSettings are how other nodes reach the rooms of this one, over mutual TLS.
type LinkSettings struct {
	// Address and port where other nodes reach this one. Port 0: any.
	Listen string
	// Address and port as other nodes are told. Empty: as listened on; with the host of advertise if listen names none.
	Advertise string
	// The certificate of this node, which names it, PEM. Empty: it is made of the keys of gossip.
	CertFile string
	// The private key of the certificate, PEM.
	PrivateKeyFile string
	// The authorities whose certificates are believed, PEM. They are the cluster's own: whoever has a certificate of theirs is a node.
	CAFile string
}

// DefaultSettings are those of a cluster on the usual ports. It is on when it has
// seeds, or a key file.
func DefaultSettings() Settings {
	return Settings{Name: "dragoman", Bind: ":7946", Link: LinkSettings{Listen: ":7947"}}
}

// Enabled reports whether the node is to be one of a cluster.
func (s Settings) Enabled() bool { return len(s.Seeds) > 0 || s.KeyFile != "" }

// Check tells what is wrong with settings by themselves: errors, joined, each of which
// begins with the key that it is about.
func (s Settings) Check() error {
	var errs []error
	if s.Node != "" {
		errs = append(errs, problem("node", checkName(s.Node)))
	}
	for _, a := range []struct {
		key, addr string
		optional  bool
	}{
		{"bind", s.Bind, false},
		{"link.listen", s.Link.Listen, false},
		{"advertise", s.Advertise, true},
		{"link.advertise", s.Link.Advertise, true},
	} {
		if _, _, err := hostPort(a.addr); err != nil && (a.addr != "" || !a.optional) {
			errs = append(errs, problem(a.key, err))
		}
	}
	errs = append(errs, s.Link.check())
	if s.KeyFile == "" && (!loopback(s.Bind) || !loopback(s.Link.Listen)) {
		errs = append(errs, errors.New("key_file: is missing: without keys nodes gossip on loopback only. \"openssl rand -base64 32\" makes one; all nodes have the same"))
	}
	return errors.Join(errs...)
}

// problem says of a key what is wrong with it.
func problem(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", key, bridge.MessageOf(err))
}

// check demands all files of a certificate, or none.
func (l LinkSettings) check() error {
	none := LinkSettings{Listen: l.Listen, Advertise: l.Advertise}
	if l != none && (l.CertFile == "" || l.PrivateKeyFile == "" || l.CAFile == "") {
		return errors.New("link: needs cert_file, private_key_file and ca_file, or none of them")
	}
	return nil
}

// loopback reports whether only this machine reaches an address.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Parts are what a node brings into a cluster.
type Parts struct {
	Local   *bridge.Local
	Media   string // host:port of its relays, as others are told; may be empty
	Version string
	Asked   func(drain bool) // see Config.Asked
	Report  func(ctx context.Context, topic string) ([]byte, error)
	Log     *slog.Logger
}

// Running is this node as one of a cluster.
type Running struct {
	*Host
	Gossip *Gossip

	keyFile string
}

// Start makes this node one of a cluster. It does not wait for the others.
func Start(s Settings, p Parts) (*Running, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Node == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		s.Node, _, _ = strings.Cut(name, ".")
	}
	var keys []Key
	if s.KeyFile != "" {
		var err error
		if keys, err = ReadKeys(s.KeyFile); err != nil {
			return nil, err
		}
	}
	identity, err := s.identity(keys)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", s.Link.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for links: %w", err)
	}
	gossip, err := NewGossip(GossipConfig{
		Cluster: s.Name, Node: s.Node, Bind: s.Bind, Advertise: s.Advertise, Seeds: s.Seeds, Keys: keys,
		Link: s.linkAddress(l.Addr()), Media: p.Media, Version: p.Version, Log: p.Log,
	})
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	h := New(Config{Local: p.Local, Members: gossip, Listener: l, Identity: identity, Asked: p.Asked, Report: p.Report, Log: p.Log})
	return &Running{Host: h, Gossip: gossip, keyFile: s.KeyFile}, nil
}

// identity is what the node proves itself with: nothing only where Check has seen to
// it that all is on loopback.
func (s Settings) identity(keys []Key) (*link.Identity, error) {
	switch {
	case s.Link.CertFile != "":
		return link.FromFiles(s.Node, s.Link.CertFile, s.Link.PrivateKeyFile, s.Link.CAFile)
	case len(keys) > 0:
		return link.FromKeys(s.Node, keys)
	}
	return nil, nil //nolint:nilnil // no identity is one of the choices
}

// linkAddress is where other nodes are told to reach this one.
func (s Settings) linkAddress(listen net.Addr) string {
	if s.Link.Advertise != "" {
		return s.Link.Advertise
	}
	host, port, err := net.SplitHostPort(listen.String())
	if err != nil {
		return listen.String()
	}
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
		return listen.String()
	}
	advertised, _, _ := net.SplitHostPort(s.Advertise)
	bound, _, _ := net.SplitHostPort(s.Bind)
	return net.JoinHostPort(cmp.Or(advertised, bound, outward()), port)
}

// outward is an address of this machine by which others may reach it: that from which
// it would reach them. Nothing is sent.
func outward() string {
	c, err := net.Dial("udp", "192.0.2.1:9") // of a network for documents (RFC 5737)
	if err != nil {
		return "127.0.0.1"
	}
	defer func() { _ = c.Close() }()
	host, _, _ := net.SplitHostPort(c.LocalAddr().String())
	return host
}

// Rekey reads the key file again: see ParseKeys for how keys are rotated. Links that
// are made of the keys take the new ones when the node starts anew.
func (n *Running) Rekey() error {
	if n.keyFile == "" {
		return nil
	}
	keys, err := ReadKeys(n.keyFile)
	if err != nil {
		return err
	}
	return n.Gossip.Rekey(keys)
}

// Leave drains the node, tells the others that it goes, and ends its part in the
// cluster. Rooms and sessions of the node are still there.
func (n *Running) Leave(ctx context.Context) error {
	err := n.Drain(ctx, true)
	n.Close()
	return errors.Join(err, n.Gossip.Leave(ctx))
}
