package media

import (
	"sync"

	"dragoman/bridge"
	"dragoman/media/forward"
)

// registry is the publications of this node: those that a peer feeds, and those
// that a peer waits for.
type registry struct {
	mu   sync.Mutex
	pubs map[bridge.PublicationID]*publication
}

// publication is a stream with its two tracks.
type publication struct {
	id     bridge.PublicationID
	tracks [2]*forward.Track // by bridge.Track

	// Guarded by the registry's mu.
	owner bridge.ParticipantID // zero: nobody feeds it yet
	users int
}

// acquire returns a publication, which is there until it was released as often.
// A feeder says who it is: only the first feeder's owner may feed it.
func (r *registry) acquire(id bridge.PublicationID, feeder bridge.ParticipantID) (*publication, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pubs[id]
	if p == nil {
		p = &publication{id: id, tracks: [2]*forward.Track{forward.NewTrack(), forward.NewTrack()}}
		if r.pubs == nil {
			r.pubs = map[bridge.PublicationID]*publication{}
		}
		r.pubs[id] = p
	}
	if !feeder.IsZero() {
		if !p.owner.IsZero() && p.owner != feeder {
			return nil, bridge.Errorf(bridge.Forbidden, "the stream is somebody else's")
		}
		p.owner = feeder
	}
	p.users++
	return p, nil
}

func (r *registry) release(p *publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(r.pubs, p.id)
	}
}

// track returns a track of a publication, nil if nobody uses it.
func (r *registry) track(id bridge.PublicationID, t bridge.Track) *forward.Track {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pubs[id]; p != nil && int(t) < len(p.tracks) {
		return p.tracks[t]
	}
	return nil
}

// all returns the publications.
func (r *registry) all() []*publication {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*publication, 0, len(r.pubs))
	for _, p := range r.pubs {
		list = append(list, p)
	}
	return list
}
