package spreed_test

import (
	"context"
	"encoding/json"
	"net"
	"testing"

	"github.com/gorilla/websocket"
)

// dialer reaches a world.
func dialer(w *world) *websocket.Dialer {
	return &websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) }}
}

// dialSelf connects and reads Self.
func dialSelf(t *testing.T, w *world, self any) *websocket.Conn {
	t.Helper()
	ws, res, err := dialer(w).Dial("ws://dragoman.test/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	var e struct{ Data json.RawMessage }
	if err := ws.ReadJSON(&e); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.Data, self); err != nil {
		t.Fatal(err)
	}
	return ws
}
