package serve

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/cluster"
	"dragoman/cluster/relay"
	"dragoman/dialects/admin"
	"dragoman/media"
)

// lateHost is rooms that are reached another way once the server has started: those of
// this process become those of the cluster, and dialects reach them by way of the
// federation.
type lateHost struct{ bridge.Host }

// openCluster makes this node one of the cluster that is configured, and begins to
// take media from the others, and to give it.
func (s *Server) openCluster(e *media.Engine) error {
	if !s.cfg.Cluster.Enabled() {
		return nil
	}
	node, err := cluster.Start(s.cfg.Cluster, cluster.Parts{
		Local: s.rooms, Version: s.version, Asked: s.Drain, Report: s.report, Log: s.log,
	})
	if err != nil {
		return taken(err, "cluster.bind")
	}
	relays, err := relay.Start(relay.Config{Settings: s.cfg.Relay, Cluster: node, Media: e, Elsewhere: s.feeds, Log: s.log})
	if err != nil {
		node.Close()
		return err
	}
	s.mu.Lock()
	s.node, s.relays, s.all.Host = node, relays, node
	s.mu.Unlock()
	s.tasks.Go(func() { s.weigh(node.Gossip) })
	gossip, link := addresses(node)
	s.log.Info("one of a cluster", "node", string(node.Gossip.Self().ID), "gossip", gossip, "link", link)
	return nil
}

// addresses are where other nodes reach this one.
func addresses(n *cluster.Running) (gossip, link string) {
	self, _ := n.Gossip.View().Get(n.Gossip.Self().ID)
	return self.Gossip, self.Link
}

// clustered returns this node as one of a cluster; nil: it is none.
func (s *Server) clustered() *cluster.Running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node
}

// Rekey reads the keys of the cluster again: see cluster.ParseKeys for how they are
// changed. Without a cluster there is nothing to read.
func (s *Server) Rekey() error {
	if n := s.clustered(); n != nil {
		return n.Rekey()
	}
	return nil
}

// nodes tells an operator of the nodes and of the rooms of each; nil: there is no
// cluster.
func (s *Server) nodes(ctx context.Context) []admin.Node {
	n := s.clustered()
	if n == nil {
		return nil
	}
	where, self := n.Where(ctx), n.Gossip.Self()
	var out []admin.Node
	for _, at := range n.Gossip.View().Nodes {
		if at.ID == self.ID {
			at.State, at.Load = self.State, self.Load // as it is now
		}
		rooms, answers := where[at.ID]
		one := admin.Node{
			ID: string(at.ID), Name: at.Name, State: at.State.String(), Version: at.Version, Load: int(at.Load),
			Gossip: at.Gossip, Link: at.Link, Self: at.ID == self.ID, Answers: answers, Rooms: []string{},
		}
		for _, r := range rooms {
			one.Rooms = append(one.Rooms, string(r.ID))
		}
		out = append(out, one)
	}
	return out
}

// drainNode makes a node ready to go, or takes that back; "" is this one.
func (s *Server) drainNode(ctx context.Context, node string, on bool) error {
	n := s.clustered()
	switch {
	case node == "" || n != nil && slices.Contains([]string{n.Gossip.Self().Name, string(n.Gossip.Self().ID)}, node):
		s.Drain(on)
		return nil
	case n == nil:
		return bridge.Errorf(bridge.NotFound, "this node is none of a cluster")
	}
	return n.AskDrain(ctx, node, on)
}

// settling is how long a node that starts looks for the others before it makes rooms
// that they might have.
const settling = 5 * time.Second

// furnish makes the rooms of the configuration. Those of a cluster may be there.
func (s *Server) furnish(ctx context.Context) error {
	if s.node == nil {
		for _, r := range s.cfg.Rooms {
			if err := s.rooms.Create(ctx, spec(r)); err != nil {
				return fmt.Errorf("room %q: %w", r.Name, err)
			}
		}
		return nil
	}
	s.tasks.Go(func() {
		if len(s.cfg.Cluster.Seeds) > 0 {
			s.until(s.base, time.Now().Add(settling), func() bool { return s.node.Stats().Links.Usable > 0 })
		}
		for _, r := range s.cfg.Rooms {
			if err := s.all.Create(s.base, spec(r)); err != nil && bridge.CodeOf(err) != bridge.Exists && s.base.Err() == nil {
				s.log.Warn("a room of the configuration was not made", "room", r.Name, "err", err)
			}
		}
	})
	return nil
}

const (
	weighing = 5 * time.Second // how often the other nodes are told how busy this one is
	seats    = 50              // sessions by which it is one class busier
)

// weigh tells the other nodes how busy this one is: they place new rooms by it.
func (s *Server) weigh(g *cluster.Gossip) {
	tick := time.NewTicker(weighing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.SetLoad(uint8(min(255, s.rooms.Stats().Sessions/seats)))
		case <-s.base.Done():
			return
		}
	}
}

// clusterStats is what this node has counted as one of a cluster.
type clusterStats struct {
	host   cluster.Stats
	gossip cluster.GossipStats
	relays relay.Stats
}

func (s *Server) clusterStats() (clusterStats, bool) {
	n := s.clustered()
	if n == nil {
		return clusterStats{}, false
	}
	return clusterStats{n.Stats(), n.Gossip.Stats(), s.relays.Stats()}, true // it came with the node
}

// kept are the rooms of the configuration, for a node of a cluster: one that is empty
// is lost with its node.
func (s *Server) kept() map[bridge.RoomID]bridge.Spec {
	if !s.cfg.Cluster.Enabled() {
		return nil
	}
	out := map[bridge.RoomID]bridge.Spec{}
	for _, r := range s.cfg.Rooms {
		if id, err := bridge.Normalize(r.Name); err == nil { // Validate has said so
			out[id] = spec(r)
		}
	}
	return out
}
