package media

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// The sockets below Pion. A write that would have to wait is given up, because
// it would hold up everybody who receives from the same publisher: Pion reports
// it as a write of no bytes, and package forward drops the rest of the frame. What
// is small (sound, RTCP, STUN, DTLS) waits for its turn; there is little of it.

const (
	// patientBelow is the size, in bytes, below which a packet is waited for.
	patientBelow = 400
	// socketBuffer is what the kernel is asked to buffer, in bytes.
	socketBuffer = 4 << 20
)

var errFull = errors.New("no room in the socket")

// udpSocket is the UDP socket that all connections share. It implements
// ice.AddrPortReaderWriter.
type udpSocket struct {
	*net.UDPConn
	sender sender
	full   atomic.Uint64 // packets that were given up
}

func listenUDP(addr string) (*udpSocket, error) {
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, err
	}
	enlarge(conn, socketBuffer)
	s := &udpSocket{UDPConn: conn}
	if s.sender, err = newSender(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (s *udpSocket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return s.ReadFromUDPAddrPort(b)
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s *udpSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if len(b) < patientBelow {
		return s.WriteToUDPAddrPort(b, to)
	}
	n, err := s.sender.send(b, to)
	if errors.Is(err, errFull) {
		s.full.Add(1)
	}
	return n, err
}

// WriteTo implements net.PacketConn.
func (s *udpSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	if a, ok := to.(*net.UDPAddr); ok {
		return s.WriteToAddrPort(b, a.AddrPort())
	}
	return s.UDPConn.WriteTo(b, to)
}
