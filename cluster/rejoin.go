package cluster

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"dragoman/bridge"
)

// rejoin seeks the seeds and the nodes that have been here and are missing. Without
// it a split that lasts longer than gossipToTheDead never heals.
func (g *Gossip) rejoin() {
	ticker := time.NewTicker(rejoinInterval)
	defer ticker.Stop()
	was := map[bridge.NodeID]sighting{}
	for {
		g.seek(was)
		select {
		case <-ticker.C:
		case <-g.ctx.Done():
			return
		}
	}
}

// sighting is a node that was seen.
type sighting struct {
	Node
	last time.Time
}

// seek joins what is missing, and waits for the answers.
func (g *Gossip) seek(was map[bridge.NodeID]sighting) {
	view := g.View()
	here := map[string]bool{}
	now := time.Now()
	for _, n := range view.Nodes {
		here[n.Gossip] = true
		if n.ID != g.id {
			was[n.ID] = sighting{n, now}
		}
	}
	g.mu.Lock()
	for _, id := range g.left {
		delete(was, id)
	}
	g.left = nil
	g.mu.Unlock()
	targets := resolve(g.ctx, g.cfg.Seeds, g.cfg.Lookup, func(seed string, err error) {
		g.log.Warn("a seed was not found", "seed", seed, "err", err)
	})
	targets = append(targets, missing(was, view, now)...)
	targets = slices.DeleteFunc(targets, func(addr string) bool { return here[addr] })
	var all sync.WaitGroup
	for _, addr := range targets {
		all.Go(func() { g.join(addr) })
	}
	all.Wait()
}

// missing returns the addresses of some nodes that were here and are not. Who has not
// been seen for long, and who has started anew is forgotten.
func missing(was map[bridge.NodeID]sighting, view *View, now time.Time) (addrs []string) {
	for id, s := range was {
		_, here := view.Get(id)
		anew := slices.ContainsFunc(view.Nodes, func(n Node) bool { return n.Name == s.Name && n.ID > id })
		switch {
		case here:
		case anew || now.Sub(s.last) > remember:
			delete(was, id)
		default:
			addrs = append(addrs, s.Gossip)
		}
	}
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	return addrs[:min(len(addrs), maxRejoins)]
}

func (g *Gossip) join(addr string) {
	if g.ctx.Err() != nil {
		return
	}
	if _, err := g.list.Join([]string{addr}); err != nil {
		g.failed.Add(1)
		g.log.Warn("a node does not answer, or not with our key", "addr", addr, "err", err)
		return
	}
	g.joins.Add(1)
}
