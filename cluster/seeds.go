package cluster

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"dragoman/bridge"
)

// defaultPort is where nodes gossip unless they say otherwise.
const defaultPort = 7946

// maxPerSeed bounds how many addresses of one DNS name are tried.
const maxPerSeed = 16

// resolve returns the addresses behind seeds, each "host" or "host:port", host
// being an address or a DNS name. What cannot be resolved is given to failed.
func resolve(ctx context.Context, seeds []string, lookup Lookup, failed func(seed string, err error)) []string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var all []string
	for _, seed := range seeds {
		host, port := splitSeed(seed)
		if ip, err := netip.ParseAddr(host); err == nil {
			all = append(all, net.JoinHostPort(ip.Unmap().String(), port))
			continue
		}
		ips, err := lookup(ctx, host)
		if err != nil {
			failed(seed, err)
			continue
		}
		for _, ip := range ips[:min(len(ips), maxPerSeed)] {
			all = append(all, net.JoinHostPort(ip.Unmap().String(), port))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// splitSeed returns host and port of a seed.
func splitSeed(seed string) (host, port string) {
	if host, port, err := net.SplitHostPort(seed); err == nil {
		return host, port
	}
	return seed, strconv.Itoa(defaultPort)
}

// lookupIP is Lookup by the system's resolver.
func lookupIP(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// advertised is the address that others are told; gossip knows no names.
func (g *Gossip) advertised() (addr string, port int, err error) {
	host, port, err := hostPort(g.cfg.Advertise)
	if err != nil {
		return "", 0, err
	}
	failed := error(bridge.Errorf(bridge.BadRequest, "it has no address"))
	for _, at := range resolve(g.ctx, []string{g.cfg.Advertise}, g.cfg.Lookup, func(_ string, err error) { failed = err }) {
		host, _, err := hostPort(at)
		return host, port, err
	}
	return "", 0, &bridge.Error{Code: bridge.BadRequest, Msg: "the address " + host + " that others are to be told is not found", Err: failed}
}
