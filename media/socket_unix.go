//go:build unix

package media

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// sender sends without waiting.
type sender struct {
	raw  syscall.RawConn
	ops  *sync.Pool // of *sendOp
	ipv6 bool
}

// sendOp is one send. It is kept in a pool with its closure, so that nothing is
// allocated.
type sendOp struct {
	b   []byte
	to4 unix.SockaddrInet4
	to6 unix.SockaddrInet6
	to  unix.Sockaddr
	err error
	run func(fd uintptr) bool
}

func newSender(conn *net.UDPConn) (sender, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return sender{}, err
	}
	local, _ := conn.LocalAddr().(*net.UDPAddr)
	return sender{raw: raw, ipv6: local != nil && local.IP.To4() == nil, ops: &sync.Pool{New: func() any {
		op := &sendOp{}
		op.run = func(fd uintptr) bool {
			op.err = unix.Sendto(int(fd), op.b, unix.MSG_DONTWAIT, op.to)
			return true
		}
		return op
	}}}, nil
}

func (s *sender) send(b []byte, to netip.AddrPort) (int, error) {
	op := s.ops.Get().(*sendOp) //nolint:forcetypeassert // the pool has nothing else
	defer s.ops.Put(op)
	op.b = b
	if s.ipv6 {
		op.to6.Port, op.to6.Addr = int(to.Port()), to.Addr().As16()
		op.to = &op.to6
	} else {
		op.to4.Port, op.to4.Addr = int(to.Port()), to.Addr().Unmap().As4()
		op.to = &op.to4
	}
	err := s.raw.Write(op.run)
	op.b = nil
	if err == nil {
		err = op.err
	}
	switch {
	case err == nil:
		return len(b), nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return 0, errFull
	}
	return 0, err
}
