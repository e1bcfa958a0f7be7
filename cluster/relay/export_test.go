package relay

import (
	"context"
	"log/slog"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
	"dragoman/media"
)

// Tidy is what the loop does now and then, at a time of the test's choice.
func (r *Relays) Tidy(now time.Time) { r.tidy(now) }

// Choose picks the loudest.
func Choose(ids []bridge.PublicationID, spoke map[bridge.PublicationID]time.Time, most int) []bridge.PublicationID {
	return choose(ids, spoke, most)
}

// Asked returns about which streams a cluster is asked where they come from.
func Asked(room bridge.RoomID, elsewhere func(bridge.RoomID, bridge.PublicationID) bool, ids ...bridge.PublicationID) []bridge.PublicationID {
	home := &homeless{}
	r := &Relays{cfg: Config{Cluster: home, Elsewhere: elsewhere, Log: slog.New(slog.DiscardHandler)}, wake: make(chan struct{}, 1)}
	r.log = r.cfg.Log
	r.ctx, r.stop = context.WithCancel(context.Background())
	defer r.stop()
	wishes := map[bridge.PublicationID]media.RelayWish{}
	for _, id := range ids {
		wishes[id] = media.RelayWish{Room: room}
	}
	newPlaces(r).find(wishes, time.Now())
	r.tasks.Wait()
	return home.asked
}

// homeless is a cluster that knows of no streams.
type homeless struct {
	Cluster
	asked []bridge.PublicationID
}

func (h *homeless) Place(_ context.Context, q link.Place) (link.Placed, error) {
	h.asked = q.Pubs
	return link.Placed{At: make([]bridge.NodeID, len(q.Pubs))}, nil
}
