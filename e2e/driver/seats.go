package driver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

const (
	frames = 5                       // that must come for a picture to be seen
	hush   = 1500 * time.Millisecond // without sound, for silence
)

// place is where a peer's media comes from.
type place struct {
	who string // as the dialect knows others: a name or an id
	src bridge.Source
}

// seats knows which connection brings whose media now: a client's connections
// come and go while somebody waits for a picture.
type seats struct {
	mu      sync.Mutex
	peers   map[place]seat
	changed chan struct{} // closed and replaced at every change
}

// seat is a peer with a context that ends when it is replaced or removed.
type seat struct {
	*mediatest.Peer
	context.Context
	end context.CancelFunc
}

func newSeats() *seats {
	return &seats{peers: map[place]seat{}, changed: make(chan struct{})}
}

func (s *seats) put(at place, p *mediatest.Peer) {
	ctx, end := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.peers[at]; ok {
		old.end()
	}
	s.peers[at] = seat{p, ctx, end}
	close(s.changed)
	s.changed = make(chan struct{})
}

// remove forgets a peer, unless another one has taken its place.
func (s *seats) remove(at place, p *mediatest.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.peers[at]; ok && old.Peer == p {
		old.end()
		delete(s.peers, at)
	}
}

func (s *seats) at(at place) (seat, bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.peers[at]
	return p, ok, s.changed
}

// wait calls f with the peer of a place until it succeeds, anew whenever there
// is another peer.
func (s *seats) wait(ctx context.Context, at place, f func(context.Context, *mediatest.Peer) error) error {
	for {
		p, ok, changed := s.at(at)
		err := fmt.Errorf("no connection brings the media of %s", at.who)
		if ok {
			try, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(p.Context, cancel)
			err = f(try, p.Peer)
			stop()
			cancel()
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-changed: // it changes before p.Context ends
		case <-ctx.Done():
			return err
		}
	}
}

func (s *seats) hears(ctx context.Context, who string) error {
	return s.wait(ctx, place{who, bridge.Camera}, func(ctx context.Context, p *mediatest.Peer) error {
		return p.WaitAudio(ctx, "")
	})
}

func (s *seats) deaf(ctx context.Context, who string) error {
	p, ok, _ := s.at(place{who, bridge.Camera})
	if !ok {
		return nil
	}
	return p.WaitSilence(ctx, "", hush)
}

func (s *seats) sees(ctx context.Context, who string, src bridge.Source) (f mediatest.Frame, err error) {
	err = s.wait(ctx, place{who, src}, func(ctx context.Context, p *mediatest.Peer) error {
		if err := p.WaitVideo(ctx, "", frames); err != nil {
			return err
		}
		for _, st := range p.Stats() {
			if st.Kind == "video" && st.Frames > 0 {
				f = st.Last
			}
		}
		return nil
	})
	return f, err
}

// received returns what has come over the connection that brings somebody's camera:
// of each kind the stream that began last.
func (s *seats) received(who string) (audio, video mediatest.Stats) {
	p, ok, _ := s.at(place{who, bridge.Camera})
	if !ok {
		return audio, video
	}
	for _, st := range p.Stats() {
		into := &video
		if st.Kind == "audio" {
			into = &audio
		}
		if into.First.Before(st.First) {
			*into = st
		}
	}
	return audio, video
}
