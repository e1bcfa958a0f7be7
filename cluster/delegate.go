package cluster

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/hashicorp/memberlist"

	"dragoman/bridge"
)

// delegate is called by memberlist, under its lock: it only hands over. What it
// hands over is a copy, as memberlist goes on writing to its own; and it goes into a
// map, not a channel, as a channel that is full would have to wait or to lose.
type delegate struct{ g *Gossip }

func (d delegate) NodeMeta(int) []byte           { return *d.g.meta.Load() }
func (delegate) NotifyMsg([]byte)                {}
func (delegate) GetBroadcasts(_, _ int) [][]byte { return nil }
func (delegate) LocalState(bool) []byte          { return nil }
func (delegate) MergeRemoteState([]byte, bool)   {}
func (d delegate) NotifyJoin(m *memberlist.Node) { d.NotifyUpdate(m) }

func (d delegate) NotifyUpdate(m *memberlist.Node) {
	n := Node{ID: bridge.NodeID(m.Name), Name: NameOf(bridge.NodeID(m.Name)), Gossip: m.Address()}
	_ = parseMeta(m.Meta, &n) // one that is not understood has no Proto: see Speaks
	d.g.mu.Lock()
	d.g.members[n.ID] = n
	d.g.mu.Unlock()
	signal(d.g.notice)
}

func (d delegate) NotifyLeave(m *memberlist.Node) {
	d.g.mu.Lock()
	id := bridge.NodeID(m.Name)
	// Between both, nobody may have looked.
	if d.g.members[id].State == Draining {
		d.g.left = append(d.g.left, id)
	}
	delete(d.g.members, id)
	d.g.mu.Unlock()
	signal(d.g.notice)
}

// lines passes memberlist's log lines on. They say "[LEVEL] memberlist: what". Once it is
// shut down, memberlist may still have something to say, which nobody is to hear.
type lines struct {
	g *Gossip

	mu    sync.RWMutex
	ended bool
}

// end returns when nothing is being written, and nothing will be.
func (l *lines) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
}

func (l *lines) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level, text, _ := strings.Cut(strings.TrimPrefix(text, "["), "] ")
	text = strings.TrimPrefix(text, "memberlist: ")
	if strings.Contains(text, "decrypt") || strings.Contains(text, "label") {
		l.g.rejected.Add(1)
	}
	at := slog.LevelDebug
	if level == "WARN" || level == "ERR" || level == "ERROR" {
		at = slog.LevelWarn
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.ended {
		l.g.log.Log(context.Background(), at, text)
	}
	return len(line), nil
}
