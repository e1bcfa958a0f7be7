package client

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeTimeout = 10 * time.Second
	maxFrame     = 4 << 20
)

// socket is one WebSocket with its reader, which ends with it.
type socket struct {
	ws       *websocket.Conn
	frames   chan []byte // closed when nothing more comes
	gone     chan struct{}
	err      error // why; readable once frames is closed
	replaced bool  // another one has taken its place
	closed   bool
}

func newSocket(ws *websocket.Conn) *socket {
	s := &socket{ws: ws, frames: make(chan []byte), gone: make(chan struct{})}
	ws.SetReadLimit(maxFrame)
	go s.read()
	return s
}

func (s *socket) read() {
	defer close(s.frames)
	for {
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			s.err = err
			return
		}
		select {
		case s.frames <- data:
		case <-s.gone:
			s.err = errors.New("closed")
			return
		}
	}
}

func (s *socket) write(data []byte) {
	_ = s.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = s.ws.WriteMessage(websocket.TextMessage, data)
}

// close drops the connection and waits for the reader.
func (s *socket) close() {
	if s.closed {
		return
	}
	s.closed = true
	close(s.gone)
	s.ws.Close()
	for range s.frames { // until the reader has closed it
	}
}

func (s *socket) reason() string {
	if s.err == nil {
		return ""
	}
	return s.err.Error()
}
