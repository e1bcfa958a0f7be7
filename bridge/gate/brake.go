package gate

import (
	"cmp"
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"dragoman/bridge"
)

// BrakeConfig says when a Brake brakes. Zero fields are defaults.
type BrakeConfig struct {
	Failures     int           // of one address within Window that brake it; default 10
	RoomFailures int           // at one room within Window that brake it; default 100
	Window       time.Duration // default 1 min
	Pause        time.Duration // how long it brakes, from the last failure; default 5 min
	Size         int           // addresses and rooms that are remembered; default 20 000
}

// Brake is a gate in front of another, against those who guess: an address (of
// IPv6 the /64, which is one household) from which too many attempts have failed is
// answered TooMany for a while. At a room where too many have failed, whoever from,
// one failure is enough: many addresses together guess no faster, and those who
// know the password come in. Clients without a valid address count as one.
//
// What it remembers is bounded: of more, those that failed longest ago are
// forgotten.
type Brake struct {
	gate bridge.Gate
	cfg  BrakeConfig

	mu     sync.Mutex
	known  map[key]*list.Element // of *record
	recent list.List             // the last to fail in front
	stats  BrakeStats
}

// BrakeStats is what a Brake has counted.
type BrakeStats struct {
	Known     int    // addresses and rooms that are remembered
	Failures  uint64 // secrets and credentials that did not hold
	Refused   uint64 // attempts that were braked
	Forgotten uint64 // addresses and rooms that there was no place for
}

// key is an address or a room.
type key struct {
	from netip.Prefix
	room bridge.RoomID
}

// record is the failures of one address, or at one room.
type record struct {
	key
	count int       // within the window
	since time.Time // the window's begin
	until time.Time // braked until then
}

// NewBrake puts a brake in front of a gate.
func NewBrake(g bridge.Gate, cfg BrakeConfig) *Brake {
	cfg.Failures = cmp.Or(cfg.Failures, 10)
	cfg.RoomFailures = cmp.Or(cfg.RoomFailures, 100)
	cfg.Window = cmp.Or(cfg.Window, time.Minute)
	cfg.Pause = cmp.Or(cfg.Pause, 5*time.Minute)
	cfg.Size = cmp.Or(cfg.Size, 20_000)
	return &Brake{gate: g, cfg: cfg, known: map[key]*list.Element{}}
}

// Admit answers TooMany while the client is braked, and otherwise what the gate
// behind answers. Credentials that do not hold count as a failure.
func (b *Brake) Admit(ctx context.Context, c bridge.Credentials) (bridge.Grant, error) {
	if b.braked(c, time.Now()) {
		return bridge.Grant{}, bridge.Errorf(bridge.TooMany, "there were too many attempts: try again later")
	}
	g, err := b.gate.Admit(ctx, c)
	switch bridge.CodeOf(err) {
	case bridge.Unauthenticated, bridge.WrongSecret:
		b.Failed(c)
	}
	return g, err
}

// Failed counts a secret that the room has refused.
func (b *Brake) Failed(c bridge.Credentials) {
	b.gate.Failed(c)
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Failures++
	b.count(addressOf(c.Remote), b.cfg.Failures, now)
	if c.Room != "" {
		b.count(key{room: c.Room}, b.cfg.RoomFailures, now)
	}
}

// Stats returns what was counted.
func (b *Brake) Stats() BrakeStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Known = b.recent.Len()
	return s
}

// braked reports whether an attempt is refused.
func (b *Brake) braked(c bridge.Credentials, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.find(addressOf(c.Remote))
	if from == nil {
		return false
	}
	refused := now.Before(from.until)
	if room := b.find(key{room: c.Room}); !refused && room != nil {
		// An address that failed within the room's pause has had its try.
		refused = now.Before(room.until) && now.Sub(from.since) < b.cfg.Window+b.cfg.Pause
	}
	if refused {
		b.stats.Refused++
	}
	return refused
}

func (b *Brake) find(k key) *record {
	if e, ok := b.known[k]; ok {
		return e.Value.(*record)
	}
	return nil
}

// count notes a failure.
func (b *Brake) count(k key, most int, now time.Time) {
	e, ok := b.known[k]
	if !ok {
		for b.recent.Len() >= b.cfg.Size {
			oldest := b.recent.Back()
			b.recent.Remove(oldest)
			delete(b.known, oldest.Value.(*record).key)
			b.stats.Forgotten++
		}
		e = b.recent.PushFront(&record{key: k, since: now})
		b.known[k] = e
	}
	b.recent.MoveToFront(e)
	r := e.Value.(*record)
	if now.Sub(r.since) >= b.cfg.Window {
		r.count, r.since = 0, now
	}
	if r.count++; r.count >= most {
		r.until = now.Add(b.cfg.Pause)
	}
}

// addressOf is how an address is remembered.
func addressOf(a netip.Addr) key {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return key{}
	}
	return key{from: p}
}
