package port

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket that reads and writes many packets at once. It
// implements device.
//
// Its loop waits in the system call that reads, not in Go's poller: that one is woken
// for every packet that has left, too, and hands each one that came over to another
// thread.
type socket struct {
	file    *os.File
	raw     syscall.RawConn
	closed  atomic.Bool
	v6      bool
	gso     atomic.Bool
	in      receiver
	out     sender
	singles sync.Pool // of *single
}

// mmsghdr is what recvmmsg(2) and sendmmsg(2) take.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// receiver is what a loop reads with.
type receiver struct {
	headers [inboxSize]mmsghdr
	vectors [inboxSize]unix.Iovec
	names   [inboxSize]unix.RawSockaddrInet6
	bound   *inbox
	n       int // headers that the last call has used; at first all have to be made
	err     error
	run     func(fd uintptr) bool
}

const (
	// messagesMost is how many messages one system call takes (UIO_MAXIOV).
	messagesMost = 1024
	// control is the space of a control message with a 16-bit number.
	controlSize = 24
)

// sender is what a loop writes with.
type sender struct {
	headers  []mmsghdr
	vectors  []unix.Iovec
	names    []unix.RawSockaddrInet6
	controls [][controlSize]byte
	n        int
	err      error
	run      func(fd uintptr) bool
}

// single is one packet that is written. It is kept in a pool with its closure, so
// that nothing is allocated.
type single struct {
	b    []byte
	to4  unix.SockaddrInet4
	to6  unix.SockaddrInet6
	to   unix.Sockaddr
	wait bool
	err  error
	run  func(fd uintptr) bool
}

// listen opens sockets that share a port.
func listen(addr string, n, buffer int) ([]device, *net.UDPAddr, error) {
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, nil, err
	}
	// The first one is alone with its address, so that another process that has it is
	// noticed. Only then may others join it.
	first, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, nil, err
	}
	local, _ := first.LocalAddr().(*net.UDPAddr)
	conns := []*net.UDPConn{first}
	share := func(fd uintptr) error { return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
	if err := controlled(first, probe); err != nil {
		return nil, nil, errors.Join(err, first.Close())
	}
	if controlled(first, share) != nil {
		n = 1 // the port cannot be shared; one loop does
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = share(fd) }), err)
	}}
	for len(conns) < min(n, LoopsMost) {
		c, err := config.ListenPacket(context.Background(), "udp", local.String())
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("share a port: %w", err), closeAll(conns))
		}
		conns = append(conns, c.(*net.UDPConn)) //nolint:forcetypeassert // asked for
	}
	var all []device
	for i, c := range conns {
		s, err := newSocket(c, buffer)
		if err != nil {
			for _, d := range all {
				err = errors.Join(err, d.close())
			}
			return nil, nil, errors.Join(err, closeAll(conns[i+1:]))
		}
		all = append(all, s)
	}
	return all, local, nil
}

// probe finds out whether the system has the calls at all: it may be an emulation
// of Linux, or forbid them.
func probe(fd uintptr) error {
	for _, call := range []uintptr{unix.SYS_RECVMMSG, unix.SYS_SENDMMSG} {
		if _, _, errno := unix.Syscall6(call, fd, 0, 0, unix.MSG_DONTWAIT, 0, 0); errno == unix.ENOSYS || errno == unix.EPERM {
			return fmt.Errorf("%w: system call %d: %w", errors.ErrUnsupported, call, errno)
		}
	}
	return nil
}

func closeAll(conns []*net.UDPConn) error {
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// controlled does something with a socket.
func controlled(c *net.UDPConn, f func(fd uintptr) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	return errors.Join(raw.Control(func(fd uintptr) { inner = f(fd) }), inner)
}

// newSocket takes a connection over, and closes it if it cannot.
func newSocket(c *net.UDPConn, buffer int) (*socket, error) {
	file, err := unpolled(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, c.Close(), file.Close())
	}
	s := &socket{file: file, raw: raw}
	local, _ := c.LocalAddr().(*net.UDPAddr)
	s.v6 = local.IP.To4() == nil
	if buffer > 0 {
		enlarge(c, buffer)
	}
	// A socket that knows the option has UDP_SEGMENT.
	s.gso.Store(controlled(c, func(fd uintptr) error {
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		return err
	}) == nil)
	if err := c.Close(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s.in.run, s.out.run = s.readSome, s.writeSome
	s.out.headers = make([]mmsghdr, messagesMost)
	s.out.names = make([]unix.RawSockaddrInet6, messagesMost)
	s.out.controls = make([][controlSize]byte, messagesMost)
	s.singles.New = func() any {
		o := &single{}
		o.run = func(fd uintptr) bool {
			flags := unix.MSG_DONTWAIT
			if o.wait {
				flags = 0
			}
			for o.err = unix.EINTR; errors.Is(o.err, unix.EINTR); {
				o.err = unix.Sendto(int(fd), o.b, flags, o.to)
			}
			return true
		}
		return o
	}
	return s, nil
}

// unpolled returns a descriptor of a connection's socket that blocks.
func unpolled(c *net.UDPConn) (*os.File, error) {
	fd := -1
	err := controlled(c, func(old uintptr) (err error) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("media socket: %w", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, errors.Join(fmt.Errorf("media socket: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "media socket"), nil
}

// enlarge asks for larger buffers than the system allows to everybody, which
// root may. What comes of it, or not, shows in the counters.
func enlarge(c *net.UDPConn, size int) {
	_ = c.SetReadBuffer(size)
	_ = c.SetWriteBuffer(size)
	_ = controlled(c, func(fd uintptr) error {
		return errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size))
	})
}

func (s *socket) segments() bool { return s.gso.Load() }

// close implements device. Only an end of the stream wakes who waits in the kernel.
func (s *socket) close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	err := s.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
	return errors.Join(err, s.file.Close())
}

// receive implements device.
func (s *socket) receive(in *inbox) error {
	r := &s.in
	if r.bound != in {
		r.bound, r.n = in, inboxSize
		for i := range r.headers {
			r.vectors[i].Base = &in.bufs[i][0]
			r.vectors[i].SetLen(bufferSize)
			h := &r.headers[i].hdr
			h.Name, h.Iov = (*byte)(unsafe.Pointer(&r.names[i])), &r.vectors[i]
			h.SetIovlen(1)
		}
	}
	for i := range r.n {
		r.headers[i].hdr.Namelen = unix.SizeofSockaddrInet6
		r.headers[i].hdr.Flags = 0
	}
	in.n = 0
	if err := s.raw.Read(r.run); err != nil {
		return closedOr(err)
	}
	if s.closed.Load() {
		return net.ErrClosed
	}
	if r.err != nil {
		return r.err
	}
	for i := range r.n {
		h := &r.headers[i]
		in.size[i], in.from[i] = int(h.n), addrOf(&r.names[i])
		if h.hdr.Flags&unix.MSG_TRUNC != 0 {
			in.size[i] = 0
		}
	}
	in.n = r.n
	return nil
}

// closedOr says that of a closed file what is said of a closed connection.
func closedOr(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

func (s *socket) readSome(fd uintptr) bool {
	r := &s.in
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), inboxSize, unix.MSG_WAITFORONE, 0, 0)
		switch errno {
		case 0:
			r.n, r.err = int(n), nil
			return true
		case unix.EINTR:
		default:
			r.n, r.err = 0, errno
			return true
		}
	}
}

// addrOf reads an address that the kernel has written.
func addrOf(raw *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:])
	if raw.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(raw.Addr).Unmap(), port)
}

// putAddr writes an address for the kernel, and returns its length.
func (s *socket) putAddr(raw *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:], to.Port())
	if s.v6 {
		raw.Family, raw.Addr, raw.Flowinfo, raw.Scope_id = unix.AF_INET6, to.Addr().As16(), 0, 0
		return unix.SizeofSockaddrInet6
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
	v4.Family, v4.Addr = unix.AF_INET, to.Addr().As4()
	return unix.SizeofSockaddrInet4
}

// reaches reports whether the socket can send to an address at all.
func (s *socket) reaches(to netip.AddrPort) bool { return s.v6 || to.Addr().Is4() }

// send implements device.
func (s *socket) send(messages []message, pieces [][]byte) (int, error) {
	o := &s.out
	o.vectors = o.vectors[:0]
	count := min(len(messages), messagesMost)
	for _, m := range messages[:count] {
		for _, p := range pieces[m.first:m.last] {
			v := unix.Iovec{Base: &p[0]}
			v.SetLen(len(p))
			o.vectors = append(o.vectors, v)
		}
	}
	at := 0
	for i, m := range messages[:count] {
		if !s.reaches(m.to.to) {
			count = i
			break
		}
		h := &o.headers[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&o.names[i])), s.putAddr(&o.names[i], m.to.to)
		h.Iov = &o.vectors[at]
		h.SetIovlen(m.last - m.first)
		at += m.last - m.first
		h.Control = nil
		h.SetControllen(0)
		if m.last-m.first > 1 {
			c := &o.controls[i]
			head := (*unix.Cmsghdr)(unsafe.Pointer(c))
			head.Level, head.Type = unix.SOL_UDP, unix.UDP_SEGMENT
			head.SetLen(unix.CmsgLen(2))
			binary.NativeEndian.PutUint16(c[unix.CmsgLen(0):], uint16(len(pieces[m.first])))
			h.Control = &c[0]
			h.SetControllen(unix.CmsgSpace(2))
		}
	}
	if count == 0 {
		return 0, unix.EAFNOSUPPORT
	}
	o.n = count
	if err := s.raw.Write(o.run); err != nil {
		return 0, err
	}
	return o.n, s.verdict(messages[o.n:], o.err)
}

func (s *socket) writeSome(fd uintptr) bool {
	o := &s.out
	for {
		n, errno := s.system(fd)
		switch errno {
		case 0:
			o.n, o.err = n, nil
			return true
		case unix.EINTR:
		default:
			o.n, o.err = 0, errno
			return true
		}
	}
}

// system sends messages, and returns how many. One of one packet, as those of sound are,
// is less work for the kernel if it is not wrapped.
func (s *socket) system(fd uintptr) (int, unix.Errno) {
	o := &s.out
	if h := &o.headers[0].hdr; o.n == 1 && h.Iovlen == 1 {
		v := h.Iov
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(v.Base)), uintptr(v.Len), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		return 1, errno
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.headers[0])), uintptr(o.n), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// verdict says what to do about a message that was not sent.
func (s *socket) verdict(rest []message, err error) error {
	switch {
	case err == nil || len(rest) == 0:
		return nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return errFull
	case rest[0].last-rest[0].first > 1:
		// EIO: the way out cannot compute checksums; it is the same for everything.
		// EINVAL, EMSGSIZE: pieces are too long for this way.
		if errors.Is(err, unix.EIO) {
			s.gso.Store(false)
		}
		return errSplit
	}
	return err
}

// write implements device.
func (s *socket) write(b []byte, to *Target, wait bool) error {
	if !s.reaches(to.to) {
		return unix.EAFNOSUPPORT
	}
	o := s.singles.Get().(*single) //nolint:forcetypeassert // the pool has nothing else
	defer s.singles.Put(o)
	o.b, o.wait = b, wait
	if s.v6 {
		o.to6.Port, o.to6.Addr = int(to.to.Port()), to.to.Addr().As16()
		o.to = &o.to6
	} else {
		o.to4.Port, o.to4.Addr = int(to.to.Port()), to.to.Addr().As4()
		o.to = &o.to4
	}
	err := s.raw.Write(o.run)
	o.b = nil
	if err == nil {
		err = o.err
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) {
		return errFull
	}
	return err
}
