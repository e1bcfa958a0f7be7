//go:build !unix

package media

import (
	"net"
	"net/netip"
)

// sender sends, and waits where the system has no other way.
type sender struct{ conn *net.UDPConn }

func newSender(conn *net.UDPConn) (sender, error) { return sender{conn}, nil }

func (s *sender) send(b []byte, to netip.AddrPort) (int, error) {
	return s.conn.WriteToUDPAddrPort(b, to)
}
