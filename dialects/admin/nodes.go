package admin

import (
	"context"
	"net/http"

	"dragoman/bridge"
)

// Node is a node of the cluster as the API shows it.
type Node struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	State   string   `json:"state"` // up, draining
	Version string   `json:"version"`
	Load    int      `json:"load"` // class: 0 idle … 255 full
	Gossip  string   `json:"gossip"`
	Link    string   `json:"link"`
	Self    bool     `json:"self"`    // the one that was asked
	Answers bool     `json:"answers"` // false: it is a member, and cannot be reached
	Rooms   []string `json:"rooms"`   // that run there and are not unlisted
}

// nodes tells of the cluster; without one there are none.
func (d *Dialect) nodes(w http.ResponseWriter, r *http.Request) error {
	all := []Node{}
	if d.cfg.Nodes != nil {
		all = append(all, d.cfg.Nodes(r.Context())...)
	}
	answer(w, http.StatusOK, map[string]any{"nodes": all})
	return nil
}

// where tells on which node each room runs, by name.
func (d *Dialect) where(ctx context.Context) map[string]string {
	if d.cfg.Nodes == nil {
		return nil
	}
	out := map[string]string{}
	for _, n := range d.cfg.Nodes(ctx) {
		for _, room := range n.Rooms {
			out[room] = n.Name
		}
	}
	return out
}

// Drain makes a node ready to go, or with On false takes that back. No node: the one
// that is asked.
type Drain struct {
	Node string `json:"node,omitempty"` // name or id
	On   bool   `json:"on"`
}

func (d *Dialect) drain(w http.ResponseWriter, r *http.Request) error {
	var in Drain
	if err := read(w, r, &in); err != nil {
		return err
	}
	if d.cfg.Drain == nil {
		return bridge.Errorf(bridge.NotSupported, "this node cannot be drained")
	}
	if err := d.cfg.Drain(r.Context(), in.Node, in.On); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
