package forward

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Upstream is the connection that a source's packets come from. Its methods may
// be called from any goroutine, and do not call back.
type Upstream interface {
	// RequestKey asks the sender of a layer for a key frame.
	RequestKey(l *Layer)
	// Began says that the first packet of a layer came.
	Began(s *Source, l *Layer)
}

// A Source is what comes in on one m-line.
type Source struct {
	up    Upstream
	clock *Clock
	track atomic.Pointer[Track]

	mu      sync.Mutex
	layers  []*Layer // in the order they were described
	offered []Offer  // lowest first
}

// Offer is a layer that can be had, whether or not it comes in now: that of a source
// which sends only the layers that are wanted.
type Offer struct {
	RID           string
	Width, Height int // pixels; 0: not known
	Bitrate       int // bit/s; 0: not known
}

// NewSource makes a source without layers. Sources of one connection share a
// clock.
func NewSource(up Upstream, c *Clock) *Source { return &Source{up: up, clock: c} }

// Add makes a layer. It takes the place of the one that had the same rid.
func (s *Source) Add(spec Spec) *Layer {
	l := newLayer(s, spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.layers, func(o *Layer) bool { return o.RID == l.RID })
	if at < 0 {
		s.layers = append(s.layers, l)
		return l
	}
	s.layers = slices.Clone(s.layers)
	s.layers[at] = l
	return l
}

// Remove takes a layer away that does not come in any more.
func (s *Source) Remove(rid string, now int64) {
	s.mu.Lock()
	at := slices.IndexFunc(s.layers, func(o *Layer) bool { return o.RID == rid })
	if at < 0 {
		s.mu.Unlock()
		return
	}
	gone := s.layers[at]
	s.layers = slices.Delete(slices.Clone(s.layers), at, at+1)
	s.mu.Unlock()
	if t := s.track.Load(); t != nil {
		t.abandon(gone, now)
	}
}

// Offer says which layers can be had, lowest first.
func (s *Source) Offer(all []Offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = all
}

// Offered returns what can be had, nil if nobody said so.
func (s *Source) Offered() []Offer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offered
}

// Upstream returns the connection that the source's packets come from.
func (s *Source) Upstream() Upstream { return s.up }

// Layers returns the layers that have begun, lowest first.
func (s *Source) Layers() []*Layer {
	s.mu.Lock()
	all := slices.Clone(s.layers)
	s.mu.Unlock()
	all = slices.DeleteFunc(all, func(l *Layer) bool { return !l.Begun() })
	unknown := slices.ContainsFunc(all, func(l *Layer) bool { return l.size.Load() == 0 })
	if !unknown {
		slices.SortStableFunc(all, func(a, b *Layer) int {
			aw, ah := a.Size()
			bw, bh := b.Size()
			return aw*ah - bw*bh
		})
	}
	return all
}

// Track returns what the source feeds, nil for nothing.
func (s *Source) Track() *Track {
	if t := s.track.Load(); t != nil && t.Source() == s {
		return t
	}
	return nil
}

// Wanted reports whether what the source sends could reach anybody: it feeds a
// track, or could any moment, and the gate is open.
func (s *Source) Wanted() bool {
	t := s.track.Load()
	return t != nil && t.Open() && s.Feeding()
}

// Feeding reports whether anybody could get what the source sends: it feeds a
// track, or did until another source that has nothing yet took over.
func (s *Source) Feeding() bool {
	t := s.track.Load()
	if t == nil {
		return false
	}
	now := t.Source()
	return now == s || now != nil && len(now.Layers()) == 0
}

// Forget makes nobody begin with what has come so far.
func (s *Source) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.layers {
		l.mu.Lock()
		l.key.known = false
		l.mu.Unlock()
	}
}

// begin is called with the first packet of a layer.
func (s *Source) begin(l *Layer, now int64) {
	if t := s.track.Load(); t != nil {
		t.Update(now)
	}
	s.up.Began(s, l)
}
