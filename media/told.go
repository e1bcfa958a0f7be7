package media

import (
	"net"
	"net/netip"
)

// Told returns the UDP addresses that clients are told for media, and the local
// address that stands behind each.
func (e *Engine) Told() map[netip.AddrPort]netip.AddrPort {
	udp, _ := e.Addrs()
	at, ok := udp.(*net.UDPAddr)
	if !ok {
		return nil
	}
	bound := at.AddrPort()
	locals := []netip.Addr{bound.Addr().Unmap()}
	if bound.Addr().IsUnspecified() {
		locals = machine(e.cfg.Loopback)
	}
	told := map[netip.AddrPort]netip.AddrPort{}
	for _, local := range locals {
		socket := netip.AddrPortFrom(local, bound.Port())
		if len(e.advertise) == 0 {
			told[socket] = socket
		}
		for _, a := range e.advertise {
			if a.local.IsValid() && a.local != local || a.public.Is4() != local.Is4() {
				continue
			}
			public := netip.AddrPortFrom(a.public, bound.Port())
			if a.port != 0 {
				public = netip.AddrPortFrom(a.public, a.port)
			}
			if _, taken := told[public]; !taken {
				told[public] = socket
			}
		}
	}
	return told
}

// machine lists the addresses of this machine that candidates are made of.
func machine(loopback bool) (all []netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() && !loopback {
			continue
		}
		all = append(all, p.Addr().Unmap())
	}
	return all
}
