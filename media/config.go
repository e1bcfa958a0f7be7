package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
)

// Config is how an engine reaches its clients.
type Config struct {
	// UDP is the address that all connections share, "host:port". No host: all
	// addresses of the machine. Port 0: any.
	UDP string `mapstructure:"udp"`
	// TCP is the address for ICE-TCP (RFC 6544), like UDP. Empty: none.
	TCP string `mapstructure:"tcp"`
	// Advertise are the addresses that clients are told, instead of the machine's own:
	// "public", or "public:port" where the port is mapped too, or either with
	// "/local" for one of several local addresses. They hold for UDP and TCP.
	Advertise []string `mapstructure:"advertise"`
	// ICELite lets clients do the connectivity checks (RFC 8445, 2.5). Only for
	// servers that all clients reach directly.
	ICELite bool `mapstructure:"ice_lite"`
	// MaxBitrate limits the video of each peer that sets no limit itself, in bit/s.
	MaxBitrate int `mapstructure:"max_bitrate"`
	// Loopback offers loopback addresses too. An engine that listens on one does so
	// in any case.
	Loopback bool `mapstructure:"loopback"`
	// Engine is how packets are read and written: "auto", as fast as the system can, or
	// "portable".
	Engine string `mapstructure:"engine"`
	TURN   TURN   `mapstructure:"turn"`

	// Log takes the engine's log; nil: nobody does.
	Log *slog.Logger `mapstructure:"-"`
}

// TURN is a relay (RFC 8656) for clients that reach neither UDP nor TCP of media. It
// is on this machine, and relays to this node's media only.
type TURN struct {
	// UDP is the address to listen on for UDP. Empty: none.
	UDP string `mapstructure:"udp"`
	// TCP is the address to listen on for TCP. Empty: none.
	TCP string `mapstructure:"tcp"`
	// TLS is the address to listen on for TLS over TCP, with the certificate of tls. Empty: none.
	TLS string `mapstructure:"tls"`
	// Host is the name or address that clients are told. Empty: the host of http.public_url, or the first of media.advertise, or the address of the listener.
	Host string `mapstructure:"host"`
	// Secret is what credentials are made of; other nodes with the same take them, too. Empty: one that is made at each start.
	Secret bridge.Secret `mapstructure:"secret"`
	// Life is how long credentials are good.
	Life time.Duration `mapstructure:"life"`
	// Allocations are how many clients may be relayed at the same time.
	Allocations int `mapstructure:"allocations"`
}

// On reports whether there is a relay.
func (t TURN) On() bool { return t.UDP != "" || t.TCP != "" || t.TLS != "" }

// Default returns the configuration of a development machine.
func Default() Config {
	return Config{
		UDP: "127.0.0.1:7000", TCP: "127.0.0.1:7000", MaxBitrate: 2_500_000, Engine: "auto",
		TURN: TURN{Life: 12 * time.Hour, Allocations: 4096},
	}
}

// lowestBitrate is less than what any video needs, in bit/s.
const lowestBitrate = 30_000

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	for key, addr := range map[string]string{
		"udp": c.UDP, "tcp": c.TCP, "turn.udp": c.TURN.UDP, "turn.tcp": c.TURN.TCP, "turn.tls": c.TURN.TLS,
	} {
		if addr == "" && key != "udp" {
			continue
		}
		host, port, err := net.SplitHostPort(addr)
		if err == nil && host != "" {
			_, err = netip.ParseAddr(host)
		}
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not an address and port", key, addr))
		}
	}
	if _, err := parseAdvertise(c.Advertise); err != nil {
		errs = append(errs, err)
	}
	if c.TURN.Life < 0 || c.TURN.Allocations < 0 {
		errs = append(errs, errors.New("turn: neither life nor allocations is negative"))
	}
	if c.MaxBitrate != 0 && c.MaxBitrate < lowestBitrate {
		errs = append(errs, fmt.Errorf("max_bitrate: %d bit/s is less than any video needs", c.MaxBitrate))
	}
	if !slices.Contains([]string{"", "auto", "portable"}, c.Engine) {
		errs = append(errs, fmt.Errorf("engine: %q is neither auto nor portable", c.Engine))
	}
	return errors.Join(errs...)
}

// address is one entry of Advertise.
type address struct {
	public netip.Addr
	port   uint16     // 0: that of the socket
	local  netip.Addr // invalid: any
}

func parseAdvertise(list []string) ([]address, error) {
	var all []address
	for _, text := range list {
		a, err := parseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("advertise: %q: %w", text, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func parseAddress(text string) (a address, err error) {
	public, local, mapped := strings.Cut(text, "/")
	if mapped {
		if a.local, err = netip.ParseAddr(local); err != nil {
			return a, errors.New("the local address is none")
		}
	}
	if a.public, err = netip.ParseAddr(public); err == nil {
		return a, nil
	}
	ap, err := netip.ParseAddrPort(public)
	if err != nil || ap.Port() == 0 {
		return a, errors.New("want address, address:port, and either with /local")
	}
	a.public, a.port = ap.Addr(), ap.Port()
	return a, nil
}

// advertised turns a candidate (RFC 8839, 5.1) of the machine's into those that
// clients are told. Component 2 is left out: there is no RTCP of its own.
func advertised(candidate string, list []address) []string {
	f := strings.Fields(candidate)
	if len(f) < 8 || f[1] != "1" {
		return nil
	}
	local, err := netip.ParseAddr(f[4])
	if err != nil || len(list) == 0 {
		return []string{candidate}
	}
	var all []string
	for _, a := range list {
		if a.local.IsValid() && a.local != local || a.public.Is4() != local.Is4() {
			continue
		}
		out := slices.Clone(f)
		out[4] = a.public.String()
		if a.port != 0 {
			out[5] = strconv.Itoa(int(a.port))
		}
		all = append(all, strings.Join(out, " "))
	}
	return all
}
