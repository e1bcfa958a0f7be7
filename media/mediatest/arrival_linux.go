package mediatest

import (
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/pion/transport/v4"
	"golang.org/x/sys/unix"
)

// ListenUDP implements transport.Net.
func (s stamped) ListenUDP(network string, at *net.UDPAddr) (transport.UDPConn, error) {
	c, err := net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		}), err)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &stampedConn{UDPConn: c, a: s.a}, nil
}

// stampedConn notes when datagrams came in. One goroutine reads.
type stampedConn struct {
	*net.UDPConn
	a   *arrivals
	oob [64]byte
}

// ReadFrom implements net.PacketConn.
func (c *stampedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, oobn, _, from, err := c.ReadMsgUDP(b, c.oob[:])
	if err != nil {
		return n, from, err
	}
	h, data, _, parsed := unix.ParseOneSocketControlMessage(c.oob[:oobn])
	if parsed == nil && h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16 {
		s, ns := binary.NativeEndian.Uint64(data), binary.NativeEndian.Uint64(data[8:])
		c.a.note(b[:n], time.Unix(int64(s), int64(ns))) //nolint:gosec // a time of the kernel's
	}
	return n, from, nil
}
