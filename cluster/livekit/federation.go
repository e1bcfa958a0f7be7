package livekit

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/livekit/quiet"
	"dragoman/media"
)

// Config is what a Federation is made of.
type Config struct {
	Servers []Settings
	Cluster string        // what all nodes of the cluster are called together; they know their own by it
	Node    bridge.NodeID // this one; unique among those of the cluster
	Host    bridge.Host   // all rooms, wherever they run
	Local   *bridge.Local // those that run here
	Media   *media.Engine
	Log     *slog.Logger // default: none
}

// scanTime is the time between looks at who is here: at most, and at least when somebody
// comes.
const (
	scanTime  = time.Second
	scanPause = 20 * time.Millisecond
)

// Federation joins rooms with rooms of LiveKit servers.
type Federation struct {
	cfg     Config
	log     *slog.Logger
	count   counts
	servers []*server
	ctx     context.Context
	stop    context.CancelFunc
	tasks   sync.WaitGroup // the loop, rosters and puppets
	actors  sync.WaitGroup
	wake    chan struct{} // somebody has come; capacity 1

	mu       sync.Mutex
	closing  bool
	rooms    map[bridge.RoomID]*room
	arrivals map[arrival]time.Time

	fedMu sync.RWMutex
	fed   map[bridge.RoomID]map[bridge.PublicationID]string // the streams of LiveKit's people, and their servers
}

// Start begins to federate. Close ends it; it comes before those of the hosts and of the
// media engine.
func Start(cfg Config) (*Federation, error) {
	f := &Federation{
		cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1),
		rooms: map[bridge.RoomID]*room{}, arrivals: map[arrival]time.Time{}, fed: map[bridge.RoomID]map[bridge.PublicationID]string{},
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Servers) > 0 && (!validName(strings.ReplaceAll(cfg.Cluster, ".", "-")) || cfg.Node == "") {
		return nil, bridge.Errorf(bridge.BadRequest, "livekit: the cluster needs a name of letters, digits, - and _, and the node an id")
	}
	for i, s := range cfg.Servers {
		if err := s.Check(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(cfg.Servers[:i], func(o Settings) bool { return o.Name == s.Name }) {
			return nil, bridge.Errorf(bridge.BadRequest, "livekit: two servers are called %q", s.Name)
		}
		f.servers = append(f.servers, newServer(s, &f.count, f.log))
	}
	if len(f.servers) > 0 {
		quiet.SDK()
	}
	f.ctx, f.stop = context.WithCancel(context.Background())
	if len(f.servers) > 0 {
		f.tasks.Go(f.run)
		if cfg.Media != nil {
			f.tasks.Go(f.wish)
		}
	}
	return f, nil
}

// run looks who is here.
func (f *Federation) run() {
	tick := time.NewTicker(scanTime)
	defer tick.Stop()
	for {
		f.scan()
		if !pause(f.ctx, scanPause) {
			return
		}
		select {
		case <-f.wake:
		case <-tick.C:
		case <-f.ctx.Done():
			return
		}
	}
}

// wish tells rooms what clients of this node want, whenever that may have changed.
func (f *Federation) wish() {
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	wished := f.cfg.Media.Wished()
	for {
		select {
		case <-wished:
		case <-tick.C:
		case <-f.ctx.Done():
			return
		}
		rooms := map[bridge.RoomID]map[bridge.PublicationID]media.RelayWish{}
		for id, w := range f.cfg.Media.Wishes() {
			if rooms[w.Room] == nil {
				rooms[w.Room] = map[bridge.PublicationID]media.RelayWish{}
			}
			rooms[w.Room][id] = w
		}
		f.mu.Lock()
		for id, r := range f.rooms {
			r.want(rooms[id])
		}
		f.mu.Unlock()
	}
}

// scan begins to look at rooms that are on this node, and ends it for those that are not.
func (f *Federation) scan() {
	runs := map[bridge.RoomID]bool{}
	for _, id := range f.cfg.Local.Rooms() {
		runs[id] = true
	}
	sits := map[bridge.RoomID]map[bridge.ParticipantID]bool{}
	for _, s := range f.cfg.Local.Sittings() {
		if s.Kind.Hidden() {
			continue
		}
		if sits[s.Room] == nil {
			sits[s.Room] = map[bridge.ParticipantID]bool{}
		}
		sits[s.Room][s.Participant] = true
	}
	all := maps.Clone(runs)
	for id := range sits {
		all[id] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return
	}
	maps.DeleteFunc(f.arrivals, func(a arrival, _ time.Time) bool { return !sits[a.room][a.who] })
	for id, r := range f.rooms {
		if !all[id] {
			r.stop()
		}
	}
	for id := range all {
		r := f.rooms[id]
		if r == nil {
			r = newRoom(f, id)
			f.rooms[id] = r
			r.set(runs[id], sits[id])
			f.actors.Go(func() {
				r.run()
				f.forget(r)
			})
			continue
		}
		r.set(runs[id], sits[id])
	}
}

func (f *Federation) forget(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[r.id] == r {
		delete(f.rooms, r.id)
	}
}

// feed notes the streams of LiveKit's people in a room.
func (f *Federation) feed(room bridge.RoomID, pubs map[bridge.PublicationID]string) {
	f.fedMu.Lock()
	defer f.fedMu.Unlock()
	if len(pubs) == 0 {
		delete(f.fed, room)
		return
	}
	f.fed[room] = pubs
}

// Feeds reports whether a stream in a room is one of a LiveKit server: then it comes from
// no node.
func (f *Federation) Feeds(room bridge.RoomID, id bridge.PublicationID) bool {
	f.fedMu.RLock()
	defer f.fedMu.RUnlock()
	_, is := f.fed[room][id]
	return is
}

// Peerings returns how all peerings of which this node knows do, by room and server.
func (f *Federation) Peerings() []Peering {
	all := []Peering{}
	f.mu.Lock()
	rooms := slices.Collect(maps.Values(f.rooms))
	f.mu.Unlock()
	for _, r := range rooms {
		r.mu.Lock()
		all = append(all, r.views...)
		r.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Peering) int { return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.Server, b.Server)) })
	return all
}

// Stats returns what was counted.
func (f *Federation) Stats() Stats {
	s := f.count.stats()
	for _, p := range f.Peerings() {
		s.Peerings++
		s.Seated += p.In
		s.Puppets += p.Puppets
		s.Views += p.Views
		if p.Roster {
			s.Rosters++
		}
	}
	f.mu.Lock()
	s.Rooms = len(f.rooms)
	f.mu.Unlock()
	return s
}

// Peer peers a room with one of a LiveKit server; theirs empty: as the server's settings
// call it. It is kept with the room. NotFound: there is no such room or server.
func (f *Federation) Peer(ctx context.Context, room bridge.RoomID, server, theirs string) error {
	if theirs != "" && !validTheirs(theirs) {
		return bridge.Errorf(bridge.BadRequest, "a LiveKit room cannot be called that")
	}
	return f.agree(ctx, room, server, func(_ string, a agreed) (agreed, error) {
		a = a.with(server, theirs)
		if len(a.Peers) > maxPeerings {
			return a, bridge.Errorf(bridge.TooMany, "a room can be peered with %d LiveKit rooms at most", maxPeerings)
		}
		return a, nil
	})
}

// Unpeer ends a peering, also one by a rule or by the room's spec, for as long as the room
// lives. NotFound: there is none.
func (f *Federation) Unpeer(ctx context.Context, room bridge.RoomID, server string) error {
	return f.agree(ctx, room, server, func(home string, a agreed) (agreed, error) {
		if _, there := peersOf(f.servers, room, home, a)[server]; !there {
			return a, bridge.Errorf(bridge.NotFound, "the room is not peered with %q", server)
		}
		_, again := peersOf(f.servers, room, home, a.forget(server))[server]
		return a.without(server, again), nil
	})
}

// agree changes which peerings a room has, on whatever node it runs.
func (f *Federation) agree(
	ctx context.Context, room bridge.RoomID, server string, change func(home string, a agreed) (agreed, error),
) error {
	if !slices.ContainsFunc(f.cfg.Servers, func(s Settings) bool { return s.Name == server }) {
		return bridge.Errorf(bridge.NotFound, "there is no LiveKit server %q", server)
	}
	for {
		s, err := f.cfg.Host.Join(ctx, bridge.JoinRequest{Room: room, Kind: bridge.Service, Dialect: dialect, Name: "LiveKit", AtMost: bridge.Moderator})
		if err != nil {
			return err
		}
		was := bridge.Doc{}
		for _, d := range s.At.Docs {
			if d.Key == docKey {
				was = d
			}
		}
		a, _ := decodeAgreed(was.Value)
		a, err = change(s.At.Room.Home, a)
		if value := a.encode(); err == nil && (len(value) > 0 || was.Version > 0) {
			err = s.Do(ctx, bridge.PutDoc{Key: docKey, Value: value, IfVersion: was.Version})
		}
		_ = s.Leave(context.WithoutCancel(ctx), bridge.ByWish) // it is hidden: nobody misses it
		if bridge.CodeOf(err) != bridge.Exists {               // somebody else was faster: anew
			return err
		}
	}
}

// Close ends all peerings: people of LiveKit leave our rooms, then ours theirs. It takes
// some seconds at most.
func (f *Federation) Close() {
	f.mu.Lock()
	f.closing = true
	for _, r := range f.rooms {
		r.stop()
	}
	f.mu.Unlock()
	f.actors.Wait()
	f.stop()
	f.tasks.Wait()
	for _, s := range f.servers {
		s.http.CloseIdleConnections()
	}
}
