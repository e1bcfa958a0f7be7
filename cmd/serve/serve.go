// Package serve composes a server from a configuration: store, media, rooms, cluster,
// federation, dialects, listeners, in this order, and stops them in the reverse one. It is what
// "dragoman serve" runs and what tests start; there may be several in one
// process.
package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/cluster"
	"dragoman/cluster/livekit"
	"dragoman/cluster/relay"
	"dragoman/config"
	"dragoman/dialects"
	"dragoman/dialects/all"
	"dragoman/media"
	"dragoman/media/turn"
)

// Options are what a configuration cannot say. The zero value is useful.
type Options struct {
	Dialects []all.Entry  // nil: all there are
	Log      *slog.Logger // nil: none
	Version  string
}

// Server is one node. Its methods may be called from any goroutine.
type Server struct {
	cfg     config.Config
	log     *slog.Logger
	version string

	key      []byte // of ids, tokens and what is stored
	engine   *media.Engine
	media    *late
	turn     *turn.Server // nil: none
	db       *database    // nil: not open
	stored   *lateStore
	oidc     *gate.OIDC // nil: no issuer is configured
	rooms    *bridge.Local
	all      *lateHost        // rooms of this node, or of the cluster
	doors    *lateHost        // as dialects reach them
	node     *cluster.Running // nil: not one of a cluster
	relays   *relay.Relays    // with the node
	gate     bridge.Gate
	brake    *gate.Brake // nil in development mode
	entries  []all.Entry // those that are switched on
	settings []config.Dialect
	counts   map[string]*dialects.Counts
	router   *dialects.Router
	raw      []rawPort   // what the dialects want besides
	mailer   *lateMailer // nil: no mail server is configured

	base     context.Context // of all requests; ends when the server stops
	cancel   context.CancelFunc
	patience context.Context // of draining before the end
	hurry    func()
	stay     func()         // ends draining; nil: the node does not drain
	final    bool           // nobody takes draining back any more
	tasks    sync.WaitGroup // what an operator began
	stop     func() error
	draining atomic.Bool
	up       atomic.Bool

	federation atomic.Pointer[livekit.Federation] // nil: no LiveKit server is configured, or not started

	mu           sync.Mutex
	listeners    []*listener
	rawListeners []*rawListener
}

// late is the engine that there will be once the server starts: rooms are built
// before sockets are opened.
type late struct{ bridge.Media }

// New builds a server that has opened nothing yet. The error says what is wrong
// with the configuration.
func New(cfg config.Config, o Options) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dialects == nil {
		o.Dialects = all.List()
	}
	s := &Server{
		cfg: cfg, log: o.Log, version: o.Version, media: &late{}, stored: &lateStore{},
		counts: map[string]*dialects.Counts{},
	}
	s.base, s.cancel = context.WithCancel(context.Background())
	s.patience, s.hurry = context.WithCancel(s.base)
	s.stop = sync.OnceValue(s.close)
	s.rooms = bridge.NewLocal(bridge.LocalConfig{Media: s.media, Check: gate.Check, History: lateHistory{s.stored}, Log: o.Log, Rooms: cfg.Limits.Rooms})
	s.all = &lateHost{s.rooms}
	s.doors = &lateHost{&host{Host: s.all, stored: s.stored, kept: s.kept(), draining: &s.draining}}
	s.gate = gate.Open{}
	if !cfg.Dev {
		s.brake = gate.NewBrake(gate.Open{}, gate.BrakeConfig(cfg.Brake))
		s.gate = s.brake
	}
	if cfg.Mail.Server != "" {
		s.mailer = &lateMailer{}
	}
	if err := s.mount(o.Dialects); err != nil {
		return nil, err
	}
	return s, nil
}

// Check says what is wrong with a configuration, dialects' own sections included.
func Check(cfg config.Config) error {
	s, err := New(cfg, Options{})
	if err != nil {
		return err
	}
	return s.Close()
}

// mount gives every dialect that is switched on what it needs, and its routes.
func (s *Server) mount(entries []all.Entry) error {
	var err error
	if s.key, err = s.identity(); err != nil {
		return err
	}
	login, err := s.login()
	if err != nil {
		return err
	}
	page, err := s.lobby()
	if err != nil {
		return err
	}
	var mail bridge.Mailer // nil: there is none
	if s.mailer != nil {
		mail = s.mailer
	}
	var routes []dialects.Route
	for _, e := range entries {
		d := e.New()
		set, on := s.dialect(d.Name())
		if !on {
			continue
		}
		counts := &dialects.Counts{}
		s.entries, s.settings, s.counts[d.Name()] = append(s.entries, e), append(s.settings, set), counts
		routes = append(routes, dialects.Route{
			Dialect: d, Hosts: set.Hosts, Prefix: set.RoutePrefix(),
			Env: dialects.Env{
				Host: s.doors, Gate: s.gate,
				Store: s.stored, Login: login, Dev: s.cfg.Dev, Mail: mail, ICE: s.ice,
				IDs: dialects.NewIDs(s.key), Log: s.log.With("dialect", d.Name()),
				Limits: limits(s.cfg.Limits), Counts: counts, Config: s.cfg.Section(d.Name()),
			},
		})
	}
	if s.router, err = dialects.NewRouter(routes, page); err != nil {
		return err
	}
	return s.rawPorts(routes)
}

// dialect returns what is configured for a dialect, and whether it is switched
// on. A configuration that was made without naming dialects has them all.
func (s *Server) dialect(name string) (config.Dialect, bool) {
	if s.cfg.Dialects == nil {
		return config.Dialect{Name: name, Enabled: true}, true
	}
	for _, d := range s.cfg.Dialects {
		if d.Name == name {
			return d, d.Enabled
		}
	}
	return config.Dialect{}, false
}

func limits(l config.Limits) dialects.Limits {
	return dialects.Limits{
		Read: int64(l.Frame), Rate: l.Rate, Burst: l.Burst, Write: l.Write, First: l.FirstFrame, Join: l.Join,
	}
}

// Start opens media, rooms and listeners, and returns. What it could open of
// them is closed again when something fails.
func (s *Server) Start(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		_ = s.Close() // the first error says more
		return err
	}
	s.up.Store(true)
	p := s.Ports()
	s.log.Info("started", "http", p.HTTP, "admin", p.Admin, "udp", p.UDP, "tcp", p.TCP)
	return nil
}

func (s *Server) open(ctx context.Context) error {
	db, err := s.openStore(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.db, s.stored.Store = db, db
	s.mu.Unlock()
	cfg := s.cfg.Media
	cfg.Log = s.log
	engine, err := media.New(cfg)
	if err != nil {
		return taken(err, "media.udp") // its text names the socket
	}
	s.mu.Lock()
	s.engine, s.media.Media = engine, engine
	s.mu.Unlock()
	if err := s.openTURN(engine); err != nil {
		return err
	}
	s.openMailer()
	if err := s.openCluster(engine); err != nil {
		return err
	}
	if err := s.openFederation(engine); err != nil {
		return err
	}
	if err := s.furnish(ctx); err != nil {
		return err
	}
	return s.listen(ctx)
}

// Run starts the server and keeps it up until ctx ends; then it drains and
// closes. Hurry ends draining.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	return s.Wait(ctx)
}

// Wait keeps a server that was started up until ctx ends; then it drains and
// closes.
func (s *Server) Wait(ctx context.Context) error {
	<-ctx.Done()
	s.drain()
	return s.Close()
}

// Hurry ends draining at once.
func (s *Server) Hurry() { s.hurry() }

// closing is how long the rooms may take to end.
const closing = 10 * time.Second

// Close stops everything and waits until it is gone. It may be called at any
// time, and again.
func (s *Server) Close() error { return s.stop() }

func (s *Server) close() error {
	s.draining.Store(true)
	s.mu.Lock()
	s.final = true
	s.mu.Unlock()
	s.hurry()
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	err := s.depart(ctx)
	s.part()
	err = errors.Join(err, s.rooms.Close(ctx))
	s.cancel()
	s.tasks.Wait()
	s.mu.Lock()
	listeners, raws := s.listeners, s.rawListeners
	s.listeners, s.rawListeners = nil, nil
	var rest []io.Closer // in this order
	if s.mailer != nil {
		rest = append(rest, s.mailer)
	}
	if s.turn != nil {
		rest = append(rest, s.turn)
	}
	if s.engine != nil {
		rest = append(rest, s.engine)
	}
	if s.db != nil {
		rest = append(rest, s.db)
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() { l.close(ctx) })
	}
	for _, l := range raws {
		wg.Go(l.close)
	}
	wg.Wait()
	for _, c := range rest {
		err = errors.Join(err, c.Close())
	}
	s.log.Info("stopped")
	return err
}

// Ports returns the addresses that a started server has taken.
func (s *Server) Ports() Ports {
	p := Ports{Dialects: map[string]string{}, PID: os.Getpid(), Scheme: s.scheme()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		switch at := l.net.Addr().String(); l.name {
		case "http":
			p.HTTP = at
		case "admin":
			p.Admin = at
		default:
			p.Dialects[l.name] = at
		}
	}
	for _, l := range s.rawListeners {
		if p.Raw == nil {
			p.Raw = map[string]string{}
		}
		p.Raw[l.name] = l.net.Addr().String()
	}
	if s.engine != nil {
		udp, tcp := s.engine.Addrs()
		p.UDP = udp.String()
		if tcp != nil {
			p.TCP = tcp.String()
		}
	}
	if s.node != nil {
		p.Gossip, p.Link = addresses(s.node)
	}
	if s.turn != nil {
		udp, tcp, tls := s.turn.Addrs()
		p.TURN = &Relay{text(udp), text(tcp), text(tls)}
	}
	return p
}

// Draining reports whether the server takes no new clients any more.
func (s *Server) Draining() bool { return s.draining.Load() }
