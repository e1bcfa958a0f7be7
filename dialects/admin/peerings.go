package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
)

// Peerings is the federation of this node with LiveKit servers, as the composition root
// gives it.
type Peerings interface {
	// Servers are the names of the servers that are configured.
	Servers() []string
	// Here tells of the peerings that this node has a part in.
	Here() []Peering
	// All tells of those of all nodes of the cluster that answer.
	All(ctx context.Context) []Peering
	// Peer makes a room of ours one with a room of a server; theirs may be empty: as the
	// configuration of the server says. NotFound: there is no such room or server.
	Peer(ctx context.Context, room bridge.RoomID, server, theirs string) error
	// Unpeer takes that back.
	Unpeer(ctx context.Context, room bridge.RoomID, server string) error
}

// Peering is a room of ours that is one with a room of a LiveKit server, as seen from one
// node: each node has its own part in it.
type Peering struct {
	Room    string    `json:"room"`
	Server  string    `json:"server"`         // its name in the configuration
	Theirs  string    `json:"theirs"`         // the room there
	Origin  string    `json:"origin"`         // why: rule, home, admin
	Node    string    `json:"node,omitempty"` // whose part this is, in a cluster
	Roster  bool      `json:"roster"`         // that node seats their people here
	State   string    `json:"state"`          // waiting, connecting, up, failed
	Since   time.Time `json:"since,omitzero"` // of that state; absent: it was never another
	Error   string    `json:"error,omitempty"`
	In      int       `json:"in"`      // of their people, seated here by this node
	Out     int       `json:"out"`     // of ours, on this node, that are to be seen there
	Puppets int       `json:"puppets"` // connections of those
	Views   int       `json:"views"`   // layers that this node takes from there
	// Of media, since the peering began here. Whoever wants rates asks twice.
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
}

func (p Peering) key() peeringKey { return peeringKey{p.Room, p.Server, p.Node} }

// sorted lists peerings by room and server.
func sorted(all []Peering) []Peering {
	slices.SortFunc(all, func(a, b Peering) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Node, b.Node))
	})
	return all
}

// peerings tells of the federation; without one there are no servers and no peerings.
func (d *Dialect) peerings(w http.ResponseWriter, r *http.Request) error {
	servers, all := []string{}, []Peering{}
	if d.cfg.Peerings != nil {
		servers = append(servers, d.cfg.Peerings.Servers()...)
		all = append(all, d.cfg.Peerings.All(r.Context())...)
	}
	answer(w, http.StatusOK, map[string]any{"servers": servers, "peerings": sorted(all)})
	return nil
}

// Peer makes a room one with a room of a LiveKit server. No Theirs: the room there is
// named as the configuration of the server says.
type Peer struct {
	Server string `json:"server"`
	Theirs string `json:"theirs,omitempty"`
}

func errNoFederation() error {
	return bridge.Errorf(bridge.NotSupported, "no LiveKit server is configured: name one in livekit")
}

func (d *Dialect) peer(w http.ResponseWriter, r *http.Request) error {
	id, err := roomIn(r)
	if err != nil {
		return err
	}
	var in Peer
	if err := read(w, r, &in); err != nil {
		return err
	}
	switch {
	case d.cfg.Peerings == nil:
		return errNoFederation()
	case in.Server == "":
		return bridge.Errorf(bridge.BadRequest, "server is missing: the name of one in livekit")
	}
	if err := d.cfg.Peerings.Peer(r.Context(), id, in.Server, in.Theirs); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *Dialect) unpeer(w http.ResponseWriter, r *http.Request) error {
	id, err := roomIn(r)
	if err != nil {
		return err
	}
	if d.cfg.Peerings == nil {
		return errNoFederation()
	}
	if err := d.cfg.Peerings.Unpeer(r.Context(), id, r.PathValue("server")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkHome looks whether a room's home is a server that is configured.
func (d *Dialect) checkHome(home string) error {
	server, theirs, named := strings.Cut(home, "/")
	var servers []string
	if d.cfg.Peerings != nil {
		servers = d.cfg.Peerings.Servers()
	}
	switch {
	case home == "":
	case !slices.Contains(servers, server):
		return bridge.Errorf(bridge.BadRequest, "home: %q is not the name of a LiveKit server in the configuration", server)
	case named && theirs == "":
		return bridge.Errorf(bridge.BadRequest, "home names no room after the /: leave out the / for the one that the configuration says")
	}
	return nil
}

type peeringKey struct{ room, server, node string }

// survey tells what is new about peerings of this node: those that came, those whose
// state or error is another one, and those that went. Counts that change are not told;
// they are asked for.
func (s *stream) survey() error {
	if s.d.cfg.Peerings == nil {
		return nil
	}
	now := map[peeringKey]Peering{}
	for _, p := range sorted(s.d.cfg.Peerings.Here()) {
		if s.only != "" && p.Room != string(s.only) {
			continue
		}
		now[p.key()] = p
		if was, ok := s.peerings[p.key()]; ok && was.State == p.State && was.Error == p.Error && was.Theirs == p.Theirs {
			continue
		}
		if err := s.tell(told{Kind: "peering", Room: p.Room, Peering: &p}); err != nil {
			return err
		}
	}
	for key, was := range s.peerings {
		if _, still := now[key]; still {
			continue
		}
		if err := s.tell(told{Kind: "unpeered", Room: was.Room, Peering: &was}); err != nil {
			return err
		}
	}
	s.peerings = now
	return nil
}
