package dialects

import (
	"bufio"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// A wire carries the frames of one connection. read is called by one goroutine, the
// rest by another.
type wire interface {
	// expect lets the next read wait for so long, where the wire has pings.
	expect(patience time.Duration)
	// read returns the next frame, of at most limit bytes. A pong renews the patience.
	read(limit int64, patience time.Duration) (Frame, error)
	write(f Frame, within time.Duration) error
	// ping asks whether the client is there, where the wire can.
	ping(within time.Duration) error
	// goodbye tells the client why it has to go, where the wire can.
	goodbye(code int, reason string)
	// interrupt ends a read that goes on after that time.
	interrupt(at time.Time)
	net() net.Conn
}

// socket is a WebSocket.
type socket struct{ *websocket.Conn }

func (s socket) expect(patience time.Duration) { s.SetReadDeadline(time.Now().Add(patience)) }

func (s socket) read(limit int64, patience time.Duration) (Frame, error) {
	s.SetReadLimit(limit)
	s.SetPongHandler(func(string) error { return s.SetReadDeadline(time.Now().Add(patience)) })
	kind, data, err := s.ReadMessage()
	return Frame{Binary: kind == websocket.BinaryMessage, Data: data}, err
}

func (s socket) write(f Frame, within time.Duration) error {
	kind := websocket.TextMessage
	if f.Binary {
		kind = websocket.BinaryMessage
	}
	s.SetWriteDeadline(time.Now().Add(within))
	return s.WriteMessage(kind, f.Data)
}

func (s socket) ping(within time.Duration) error {
	return s.WriteControl(websocket.PingMessage, nil, time.Now().Add(within))
}

func (s socket) goodbye(code int, reason string) {
	s.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

func (s socket) interrupt(at time.Time) { s.SetReadDeadline(at) }
func (s socket) net() net.Conn          { return s.NetConn() }

// A Framer knows where the frames of a stream begin and end.
type Framer interface {
	// Next reads a frame of at most limit bytes. An error ends the connection.
	Next(r *bufio.Reader, limit int64) (Frame, error)
	// Pack returns a frame as it is sent.
	Pack(f Frame) []byte
}

// stream is a connection of plain TCP. There are no pings on it: that a client is
// gone is for TCP, or the dialect, to find out.
type stream struct {
	net.Conn
	framer Framer
	r      *bufio.Reader
}

func (s stream) read(limit int64, _ time.Duration) (Frame, error) { return s.framer.Next(s.r, limit) }

func (s stream) write(f Frame, within time.Duration) error {
	if err := s.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := s.Write(s.framer.Pack(f))
	return err
}

func (s stream) expect(time.Duration)     {}
func (s stream) ping(time.Duration) error { return nil }
func (s stream) goodbye(int, string)      {}
func (s stream) interrupt(at time.Time)   { _ = s.SetReadDeadline(at) } // a read says the same
func (s stream) net() net.Conn            { return s.Conn }
