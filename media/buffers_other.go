//go:build !linux

package media

import "net"

// enlarge asks for larger buffers. The system gives what it allows; less is no
// error.
func enlarge(conn *net.UDPConn, size int) {
	_ = conn.SetReadBuffer(size)
	_ = conn.SetWriteBuffer(size)
}
