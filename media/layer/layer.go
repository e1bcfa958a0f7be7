// Package layer decides which simulcast layer each subscription of a peer gets.
// It owns the choice; how much the peer can take is a matter of package estimate. It
// owns no packets, no clock and no goroutine. Times are given by the caller, counted from
// any fixed point by a clock that does not go back. Nothing is safe for concurrent
// use: one goroutine, the engine's ticker, walks a peer's subscriptions and asks.
//
// Order of the choice: what the subscriber wishes is never exceeded; what does
// not arrive is not chosen; everybody gets the lowest layer before anybody gets a
// higher one; audio is paid for first and never turned off. Video is not turned
// off for want of bandwidth either: a picture with losses says more than none.
//
// Going down is immediate, going up takes patience, and more patience each time
// it was a mistake. So nothing flaps, and with constant input nothing changes.
package layer

import (
	"cmp"
	"math"
	"slices"
	"time"

	"dragoman/bridge"
)

// Paused is the target of a subscription that gets nothing.
const Paused = -1

// Layer is one layer of a publication as it arrives. A track without simulcast
// has one, with an empty RID.
type Layer struct {
	RID     string
	Bitrate int           // bit/s, measured; 0: not known yet
	Last    time.Duration // when its latest packet arrived; 0: none yet
}

// Subscription is one track of one subscriber. The caller sets the exported
// fields before each Allocate. The zero value is ready.
type Subscription struct {
	Audio  bool
	Layers []Layer // lowest first; of audio only the first counts. Read during Allocate, and not kept
	Wish   bridge.LayerWish

	target  int // index into Layers plus one; 0: Paused
	rid     string
	wished  bridge.LayerWish
	since   time.Duration // when it got something after nothing
	waits   bool          // there is room for more
	waiting time.Duration // since when
	raised  time.Duration // when it went up last
	hold    time.Duration // how long there must be room for more

	choice []int // live layers within the wish, lowest first
	now    int   // position in choice of the target, or of what takes its place
	plan   int   // position in choice of what it is to have
}

// Target returns the index of the layer that the subscription gets, or Paused.
// It changes only in Allocate.
func (s *Subscription) Target() int { return s.target - 1 }

// Config is how patient an Allocator is. The zero value of each field is its
// default.
type Config struct {
	// Dead is how far a layer's packets may be behind those of its publication's
	// liveliest layer. Default 1 s. A picture that does not change at all, a shared
	// screen, kills no layer.
	Dead time.Duration
	// Hold is how long there must be room for a higher layer until it is taken.
	// Default 1 s. It doubles each time that the layer did not last, up to a minute.
	Hold time.Duration
	// Margin is how much room beyond a higher layer's bitrate there must be, in
	// parts of that bitrate. Default 0.1.
	Margin float64
}

const (
	maxHold = time.Minute
	lasting = 10 // a layer that is kept for so many times Hold was no mistake
)

// An Allocator shares the bandwidth of one peer among its subscriptions.
type Allocator struct{ cfg Config }

// New returns an Allocator.
func New(cfg Config) *Allocator {
	if cfg.Dead == 0 {
		cfg.Dead = time.Second
	}
	if cfg.Hold == 0 {
		cfg.Hold = time.Second
	}
	if cfg.Margin == 0 {
		cfg.Margin = 0.1
	}
	return &Allocator{cfg: cfg}
}

// Allocate chooses a layer for each subscription, and reports whether a target
// has changed. bps is what the peer can take in bit/s, as estimate.Bandwidth.Estimate
// returns it: without an estimate everybody gets the best it wishes.
func (a *Allocator) Allocate(now time.Duration, bps int, known bool, subs []*Subscription) bool {
	left := float64(bps)
	if !known {
		left = math.Inf(1)
	}
	for _, s := range subs {
		s.look(a.cfg.Dead)
		left -= s.cost(0)
	}
	left = climb(subs, left, func(s *Subscription, to int) float64 { return 0 }, func(s *Subscription) int { return s.now })
	climb(subs, left, func(s *Subscription, to int) float64 {
		if known && s.Layers[s.choice[to]].Bitrate == 0 {
			return math.Inf(1) // nobody knows what it costs
		}
		return a.cfg.Margin * s.cost(to)
	}, func(s *Subscription) int { return len(s.choice) - 1 })
	changed := false
	for _, s := range subs {
		changed = s.settle(now, a.cfg) || changed
	}
	return changed
}

// Wanted returns what the peer would have to take, in bit/s, so that one more
// subscription could get a higher layer than it was allocated last; 0 if all have
// what they wish.
func (a *Allocator) Wanted(subs []*Subscription) int {
	sum, least := 0.0, math.Inf(1)
	for _, s := range subs {
		sum += s.cost(s.plan)
		if next := s.plan + 1; next < len(s.choice) && s.cost(next) > 0 {
			least = min(least, (1+a.cfg.Margin)*s.cost(next)-s.cost(s.plan))
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return int(math.Round(sum + max(least, 0)))
}

// climb raises the plans step by step, the lowest first, up to what limit says
// and as long as the rest suffices, the margin included. It returns the rest.
func climb(subs []*Subscription, left float64, margin func(*Subscription, int) float64, limit func(*Subscription) int) float64 {
	for step := 1; ; step++ {
		higher := false
		for _, s := range subs {
			if limit(s) < step {
				continue
			}
			higher = true
			if s.plan != step-1 {
				continue
			}
			more := s.cost(step) - s.cost(step-1)
			if more+margin(s, step) <= left {
				s.plan = step
				left -= more
			}
		}
		if !higher {
			return left
		}
	}
}

// cost returns the bitrate of a position in choice.
func (s *Subscription) cost(at int) float64 {
	if at >= len(s.choice) {
		return 0
	}
	return float64(s.Layers[s.choice[at]].Bitrate)
}

// look finds out what there is to choose from.
func (s *Subscription) look(dead time.Duration) {
	s.choice, s.now, s.plan = s.choice[:0], 0, 0
	if len(s.Layers) == 0 || s.Wish.NoMore && !s.Audio {
		return
	}
	best := len(s.Layers) - 1
	if s.Wish.RID != "" {
		best = max(0, slices.IndexFunc(s.Layers, func(l Layer) bool { return l.RID == s.Wish.RID }))
	}
	if s.Audio {
		best = 0
	}
	freshest := slices.MaxFunc(s.Layers, func(a, b Layer) int { return cmp.Compare(a.Last, b.Last) }).Last
	at := slices.IndexFunc(s.Layers, func(l Layer) bool { return l.RID == s.rid })
	for i, l := range s.Layers[:best+1] {
		if !s.Audio && freshest-l.Last > dead {
			continue
		}
		if s.target > 0 && i <= at {
			s.now = len(s.choice)
		}
		s.choice = append(s.choice, i)
	}
}

// settle moves the target towards the plan, and reports whether it moved.
func (s *Subscription) settle(now time.Duration, cfg Config) bool {
	old, oldRID := s.target, s.rid
	if len(s.choice) == 0 {
		s.target, s.waits = 0, false
		return old != 0
	}
	switch alive := old > 0 && s.Layers[s.choice[s.now]].RID == s.rid; {
	case old == 0:
		s.since, s.raised, s.hold, s.now = now, now-lasting*cfg.Hold, cfg.Hold, s.plan
	case !alive || s.Wish != s.wished || now-s.since < cfg.Hold:
		s.now = s.plan
	default:
		s.move(now, cfg)
	}
	if s.plan <= s.now {
		s.waits = false
	}
	s.wished = s.Wish
	s.target = s.choice[s.now] + 1
	s.rid = s.Layers[s.target-1].RID
	return old != s.target || oldRID != s.rid
}

// move goes down at once, and up when there has been room for long enough.
func (s *Subscription) move(now time.Duration, cfg Config) {
	kept := now - s.raised
	switch {
	case s.plan < s.now:
		if kept < lasting*cfg.Hold {
			s.hold = min(2*s.hold, maxHold)
		}
		s.now = s.plan
	case s.plan == s.now:
		if kept >= lasting*s.hold {
			s.hold = cfg.Hold
		}
	case !s.waits:
		s.waits, s.waiting = true, now
	case now-s.waiting >= s.hold:
		s.now, s.raised = s.plan, now
	}
}
