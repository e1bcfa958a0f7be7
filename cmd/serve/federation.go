package serve

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"strings"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
	"dragoman/dialects/admin"
	"dragoman/media"
)

// federation is the dialect of the seats that the federation has in rooms: those of
// LiveKit's people, and its own.
const federation = "livekit"

// openFederation begins to join rooms with rooms of the LiveKit servers that are
// configured. Dialects reach rooms through it from then on: it has to know whose clients
// are on this node.
func (s *Server) openFederation(e *media.Engine) error {
	if len(s.cfg.LiveKit) == 0 {
		return nil
	}
	f, err := livekit.Start(livekit.Config{
		Servers: s.cfg.LiveKit, Cluster: s.cfg.Cluster.Name, Node: s.nodeID(),
		Host: s.all.Host, Local: s.rooms, Media: e, Log: s.log.With("dialect", federation),
	})
	if err != nil {
		return err
	}
	s.federation.Store(f)
	s.doors.Host = f.Host(s.doors.Host)
	var names []string
	for _, one := range s.cfg.LiveKit {
		names = append(names, one.Name)
	}
	s.log.Info("federated", "servers", strings.Join(names, ", "))
	return nil
}

// nodeID tells this node from others at LiveKit servers: its id in the cluster, or a name
// of its own for as long as it runs.
func (s *Server) nodeID() bridge.NodeID {
	if s.node != nil {
		return s.node.Gossip.Self().ID
	}
	name, _ := os.Hostname() // without one the rest tells it apart
	name, _, _ = strings.Cut(name, ".")
	return bridge.NodeID(cmp.Or(s.cfg.Cluster.Node, name, "node") + "-" + rand.Text()[:8])
}

// feeds reports whether a stream in a room is one of a LiveKit server, which no other
// node has.
func (s *Server) feeds(room bridge.RoomID, id bridge.PublicationID) bool {
	f := s.federation.Load()
	return f != nil && f.Feeds(room, id)
}

// part ends the federation: people of LiveKit leave our rooms, ours leave theirs.
func (s *Server) part() {
	if f := s.federation.Swap(nil); f != nil {
		f.Close()
	}
}

// webhookPath is where LiveKit servers tell what happens, on the shared listener.
const webhookPath = "/livekit/webhook"

// shared is what answers on the shared listener: webhooks of LiveKit, if a server is
// configured, and dialects.
func (s *Server) shared() http.Handler {
	if len(s.cfg.LiveKit) == 0 {
		return s.router
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch f := s.federation.Load(); {
		case r.URL.Path != webhookPath:
			s.router.ServeHTTP(w, r)
		case f == nil:
			http.Error(w, "starting", http.StatusServiceUnavailable)
		default:
			f.ServeHTTP(w, r)
		}
	})
}

// peerings is the federation as the operator's dialect sees it.
type peerings struct {
	server *Server
	node   string // the name of this node in a cluster
}

// peerings returns the federation for the operator; nil: no server is configured.
func (s *Server) peerings() admin.Peerings {
	if len(s.cfg.LiveKit) == 0 {
		return nil
	}
	p := &peerings{server: s}
	if n := s.clustered(); n != nil {
		p.node = n.Gossip.Self().Name
	}
	return p
}

// Servers implements admin.Peerings.
func (p *peerings) Servers() (names []string) {
	for _, one := range p.server.cfg.LiveKit {
		names = append(names, one.Name)
	}
	return names
}

// All implements admin.Peerings.
func (p *peerings) All(ctx context.Context) []admin.Peering {
	all := p.Here()
	n := p.server.clustered()
	if n == nil {
		return all
	}
	for id, data := range n.Reports(ctx, aboutPeerings) {
		var theirs []admin.Peering
		if err := json.Unmarshal(data, &theirs); err != nil {
			p.server.log.Warn("a node reports peerings that cannot be read", "peer", string(id), "err", err)
			continue
		}
		all = append(all, theirs...)
	}
	return all
}

// aboutPeerings is the topic under which nodes ask each other for admin.Peering, in JSON.
const aboutPeerings = "peerings"

// report answers what other nodes ask.
func (s *Server) report(_ context.Context, topic string) ([]byte, error) {
	if topic != aboutPeerings {
		return nil, bridge.Errorf(bridge.NotSupported, "this node reports nothing about %q", topic)
	}
	here := []admin.Peering{}
	if all := s.peerings(); all != nil {
		here = append(here, all.Here()...)
	}
	return json.Marshal(here)
}

// Here implements admin.Peerings.
func (p *peerings) Here() (all []admin.Peering) {
	f := p.server.federation.Load()
	if f == nil {
		return nil
	}
	for _, one := range f.Peerings() {
		all = append(all, admin.Peering{
			Room: string(one.Room), Server: one.Server, Theirs: one.Theirs, Origin: string(one.Origin), Node: p.node,
			State: one.State.String(), Roster: one.Roster, Since: one.Since, Error: one.Error,
			In: one.In, Out: one.Out, Puppets: one.Puppets, Views: one.Views, BytesIn: one.BytesIn, BytesOut: one.BytesOut,
		})
	}
	return all
}

// Peer implements admin.Peerings.
func (p *peerings) Peer(ctx context.Context, room bridge.RoomID, server, theirs string) error {
	f := p.server.federation.Load()
	if f == nil {
		return bridge.Errorf(bridge.Unavailable, "starting")
	}
	return f.Peer(ctx, room, server, theirs)
}

// Unpeer implements admin.Peerings.
func (p *peerings) Unpeer(ctx context.Context, room bridge.RoomID, server string) error {
	f := p.server.federation.Load()
	if f == nil {
		return bridge.Errorf(bridge.Unavailable, "starting")
	}
	return f.Unpeer(ctx, room, server)
}

// federationStats is what the federation has counted, and the peerings by state.
type federationStats struct {
	livekit.Stats
	states map[livekit.State]int
}

func (s *Server) federationStats() (federationStats, bool) {
	f := s.federation.Load()
	if f == nil {
		return federationStats{}, false
	}
	out := federationStats{Stats: f.Stats(), states: map[livekit.State]int{}}
	for _, p := range f.Peerings() {
		out.states[p.State]++
	}
	return out, true
}
