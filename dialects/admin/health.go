package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"dragoman/bridge"
)

// beat is how long the rooms of this node may take to answer.
const beat = time.Second

// livez says whether the process turns. It asks nothing outside of it.
func (d *Dialect) livez(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), beat)
	defer cancel()
	verdict(w, d.heartbeat(ctx))
}

// heartbeat makes a room, does something in it, and ends it.
func (d *Dialect) heartbeat(ctx context.Context) error {
	id := bridge.RoomID("heartbeat/" + bridge.NewParticipantID().String())
	spec := bridge.Spec{ID: id, Unlisted: true, NeverJoined: 2 * beat}
	req := asService(id, nil)
	req.Create = &spec
	s, err := d.cfg.Local.Join(ctx, req)
	if err != nil {
		return fmt.Errorf("a room: %w", err)
	}
	if err := s.Do(ctx, bridge.CloseRoom{Reason: bridge.ByEnd}); err != nil {
		return fmt.Errorf("a command: %w", err)
	}
	return s.Leave(ctx, bridge.ByWish)
}

// readyz says whether the node should get clients.
func (d *Dialect) readyz(w http.ResponseWriter, _ *http.Request) { verdict(w, d.cfg.Ready()) }

// startupz says whether the node has come up.
func (d *Dialect) startupz(w http.ResponseWriter, _ *http.Request) {
	var err error
	if !d.cfg.Started() {
		err = bridge.Errorf(bridge.Unavailable, "starting")
	}
	verdict(w, err)
}

func verdict(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(err.Error() + "\n"))
		return
	}
	w.Write([]byte("ok\n"))
}
