package relay

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
	"dragoman/media"
)

// Settings are the ways of media between the nodes of a cluster.
type Settings struct {
	// Networks whose addresses of this machine other nodes are offered for media: 10.0.0.0/8, or one address. Empty: all addresses.
	Networks []string
	// How many voices of a room are taken from other nodes at once: those who talk, or talked last. 0: all.
	MaxSpeakers int
}

// DefaultSettings are the usual ones.
func DefaultSettings() Settings { return Settings{MaxSpeakers: 8} }

// Check tells what is wrong with settings.
func (s Settings) Check() error {
	if s.MaxSpeakers < 0 {
		return bridge.Errorf(bridge.BadRequest, "max_speakers: %d is less than none", s.MaxSpeakers)
	}
	_, err := s.networks()
	return err
}

func (s Settings) networks() (all []netip.Prefix, err error) {
	for _, text := range s.Networks {
		n, err := netip.ParsePrefix(text)
		if addr, one := netip.ParseAddr(text); one == nil {
			n, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, bridge.Errorf(bridge.BadRequest, "networks: %q is neither a network nor an address", text)
		}
		all = append(all, n.Masked())
	}
	return all, nil
}

// Cluster is what relays need of this node of a cluster: a cluster.Host.
type Cluster interface {
	Self() bridge.NodeID
	Usable(id bridge.NodeID) bool
	Ask(ctx context.Context, id bridge.NodeID, question any) (any, error)
	Open(ctx context.Context, id bridge.NodeID) (*link.Stream, error)
	Place(ctx context.Context, q link.Place) (link.Placed, error)
	Relay(h link.Handler)
}

// Config is what relays are made of.
type Config struct {
	Settings
	Cluster Cluster
	Media   *media.Engine
	// Elsewhere reports whether a stream comes from no node, but from a server that its
	// viewers' nodes ask themselves. nil: there is none.
	Elsewhere func(room bridge.RoomID, id bridge.PublicationID) bool
	Log       *slog.Logger // default: none
}

// The times of relays (federation-and-cluster.md 7).
const (
	lingerTime = 2 * time.Second  // what nobody wants any more goes on for that, as views switch
	idleTime   = 30 * time.Second // a lane over which nobody asks for anything
	lostTime   = 5 * time.Second  // tracks are served on while nobody asks, for one who comes back
	deafTime   = 10 * time.Second // a lane to a node that does not answer, though media comes
	openTime   = 5 * time.Second  // to open a lane
	minWait    = 200 * time.Millisecond
	maxWait    = 5 * time.Second
	rest       = 4                      // times as long as a look the loop rests, so that it takes a fifth of a core at most
	lookGap    = 200 * time.Millisecond // between looks at what is wanted that nothing has called for
	seatGap    = 5 * time.Second        // between looks at whether a node still has a seat
)

// Relays are the relays of one node.
type Relays struct {
	cfg      Config
	log      *slog.Logger
	networks []netip.Prefix
	ctx      context.Context
	stop     context.CancelFunc
	tasks    sync.WaitGroup
	wake     chan struct{} // something has changed that the loop looks at; capacity 1
	count    counts

	// Of the loop.
	places *places
	spoke  map[bridge.PublicationID]time.Time // who talks, and who did

	mu      sync.Mutex
	lanes   map[bridge.NodeID]*lane
	pullers map[bridge.NodeID]*puller
	past    Counts // of lanes that are closed
}

// counts are counters of what happens to lanes and tracks.
type counts struct {
	opened, lost, failed, refused atomic.Uint64
	pulled, dropped               atomic.Uint64
}

// Start begins to relay. Close ends it; it comes before those of the engine and of the
// cluster's node.
func Start(cfg Config) (*Relays, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r := &Relays{
		cfg: cfg, log: cfg.Log, wake: make(chan struct{}, 1), spoke: map[bridge.PublicationID]time.Time{},
		lanes: map[bridge.NodeID]*lane{}, pullers: map[bridge.NodeID]*puller{},
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.networks, _ = cfg.networks() // checked
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.places = newPlaces(r)
	cfg.Cluster.Relay(r)
	r.tasks.Go(r.run)
	return r, nil
}

// Close ends all relays: other nodes are told, and tracks end here.
func (r *Relays) Close() {
	r.mu.Lock()
	lanes := slices.Collect(maps.Values(r.lanes))
	r.mu.Unlock()
	var all sync.WaitGroup
	for _, l := range lanes {
		all.Go(func() { r.bye(l) })
	}
	all.Wait()
	r.mu.Lock()
	r.stop() // nothing begins any more
	lanes = slices.Collect(maps.Values(r.lanes))
	r.mu.Unlock()
	for _, l := range lanes {
		all.Go(func() { r.end(l) })
	}
	all.Wait()
	r.tasks.Wait()
}

// spawn does something in a goroutine of its own, unless all ends.
func (r *Relays) spawn(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() == nil {
		r.tasks.Go(f)
	}
}

// run looks at what is wanted, whenever that may have changed.
func (r *Relays) run() {
	ticker := time.NewTicker(lookGap)
	defer ticker.Stop()
	wished := r.cfg.Media.Wished()
	for {
		began := time.Now()
		r.look(began)
		pause(r.ctx, rest*time.Since(began))
		select {
		case <-wished:
		case <-r.wake:
		case <-ticker.C:
		case <-r.ctx.Done():
			return
		}
	}
}

// look gives each other node's puller what is wanted of it.
func (r *Relays) look(now time.Time) {
	wishes := r.cfg.Media.Wishes()
	at := r.places.find(wishes, now)
	loud := r.loudest(wishes, now)
	per := map[bridge.NodeID]map[bridge.PublicationID]want{}
	for id, w := range wishes {
		node, known := at[id]
		if !known {
			continue
		}
		if per[node] == nil {
			per[node] = map[bridge.PublicationID]want{}
		}
		per[node][id] = want{RelayWish: w, loud: loud[id]}
	}
	r.mu.Lock()
	for node := range per {
		if r.pullers[node] == nil {
			p := newPuller(r, node)
			r.pullers[node] = p
			r.tasks.Go(p.run)
		}
	}
	for node, p := range r.pullers {
		p.want(per[node])
	}
	r.mu.Unlock()
	r.tidy(now)
}

// nudge makes the loop look.
func (r *Relays) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
