package forward

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Track is one track of a publication. It need not have a source, nor anybody
// who receives it.
type Track struct {
	closed atomic.Bool // gate

	mu     sync.Mutex
	source *Source
	downs  []*Down
	listed []*Layer // layers that somebody was in the list of
}

// NewTrack makes a track.
func NewTrack() *Track { return &Track{} }

// stalled is after how long without packets a simulcast layer is not chosen.
const stalled = 1500 * time.Millisecond

// Source returns what feeds the track, nil for nothing.
func (t *Track) Source() *Source {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.source
}

// Feed makes s the track's source. Those who receive another one's packets go on
// with them until s has a packet that they can begin with.
func (t *Track) Feed(s *Source, now int64) {
	if was := s.track.Swap(t); was != nil && was != t {
		was.Starve(s, now)
	}
	t.mu.Lock()
	t.source = s
	t.mu.Unlock()
	t.Update(now)
}

// Starve takes a source away, whether it feeds the track or only did so before.
func (t *Track) Starve(s *Source, now int64) {
	s.track.CompareAndSwap(t, nil)
	t.mu.Lock()
	if t.source == s {
		t.source = nil
	}
	for _, d := range t.downs {
		d.leave(s)
	}
	t.mu.Unlock()
	t.Update(now)
}

// Gate opens or closes the track. What comes while it is closed is not
// forwarded.
func (t *Track) Gate(open bool, now int64) {
	if t.closed.Swap(!open) == !open {
		return
	}
	t.mu.Lock()
	for _, d := range t.downs {
		d.pause()
	}
	s := t.source
	t.mu.Unlock()
	if open && s != nil {
		s.Forget() // what was behind the gate is not shown afterwards
	}
	t.Update(now)
}

// Formats returns the numbers of the formats that come in, none if nothing does.
func (t *Track) Formats() (all []int) {
	if s := t.Source(); s != nil {
		for _, l := range s.Layers() {
			if !slices.Contains(all, l.Format) {
				all = append(all, l.Format)
			}
		}
	}
	return all
}

// Layers returns the layers that come in, lowest first.
func (t *Track) Layers() []*Layer {
	if s := t.Source(); s != nil {
		return s.Layers()
	}
	return nil
}

// Choice is a layer that a subscription can have.
type Choice struct {
	RID     string
	Bitrate int   // bit/s; 0: not known
	Last    int64 // when its last packet came
}

// Choices appends what subscriptions can have, lowest first: what comes in, or where
// the source says so, what it could send.
func (t *Track) Choices(all []Choice, now int64) []Choice {
	s := t.Source()
	if s == nil {
		return all
	}
	before := len(all)
	for _, o := range s.Offered() {
		all = append(all, Choice{RID: o.RID, Bitrate: o.Bitrate, Last: now})
	}
	if len(all) > before {
		return all
	}
	for _, l := range s.Layers() {
		all = append(all, Choice{RID: l.RID, Bitrate: l.Bitrate(), Last: l.Last()})
	}
	return all
}

// abandon ends what is sent of a layer that is no more, and chooses anew.
func (t *Track) abandon(l *Layer, now int64) {
	t.mu.Lock()
	for _, d := range t.downs {
		d.abandon(l)
	}
	t.mu.Unlock()
	t.Update(now)
}

// Open reports whether the gate is open.
func (t *Track) Open() bool { return !t.closed.Load() }

// Used reports whether anything feeds the track or receives it.
func (t *Track) Used() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.source != nil || len(t.downs) > 0
}

// Receivers returns how many receive the track.
func (t *Track) Receivers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.downs)
}

// Add makes d receive the track, from when it is live.
func (t *Track) Add(d *Down, now int64) {
	t.mu.Lock()
	t.downs = append(t.downs, d)
	t.mu.Unlock()
	t.Update(now)
}

// Remove ends it. The subscription may then be added to another track.
func (t *Track) Remove(d *Down) {
	d.pause()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.downs = slices.DeleteFunc(t.downs, func(o *Down) bool { return o == d })
	t.list()
}

// Update chooses anew what everybody gets. It is called when sources, wishes or
// bit rates have changed.
func (t *Track) Update(now int64) {
	var keys []*Layer
	t.mu.Lock()
	if t.source != nil && !t.closed.Load() {
		layers := t.source.Layers()
		for _, d := range t.downs {
			if l := d.choose(layers, now); l != nil && !slices.Contains(keys, l) {
				keys = append(keys, l)
			}
		}
	}
	t.list()
	t.mu.Unlock()
	for _, l := range keys {
		l.WantKey(now)
	}
}

// relist makes the layers' lists anew after subscriptions have switched.
func (t *Track) relist() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list()
}

// list gives each layer the list of those who look at its packets. The lock is
// held.
func (t *Track) list() {
	lists := map[*Layer][]*Down{}
	for _, d := range t.downs {
		current, wanted := d.layers()
		if current != nil {
			lists[current] = append(lists[current], d)
		}
		if wanted != nil && wanted != current {
			lists[wanted] = append(lists[wanted], d)
		}
	}
	for _, l := range t.listed {
		if lists[l] == nil {
			l.downs.Store(&[]*Down{})
		}
	}
	t.listed = t.listed[:0]
	for l, downs := range lists {
		l.downs.Store(&downs)
		t.listed = append(t.listed, l)
	}
}

// Tick measures layers and chooses anew for tracks that have a choice. It is
// called some times a second.
func (t *Track) Tick(now int64) {
	s := t.Source()
	if s == nil {
		return
	}
	layers := s.Layers()
	for _, l := range layers {
		l.measure(now)
	}
	if len(layers) > 1 {
		t.Update(now)
	}
}
