package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"dragoman/bridge"
)

// Bounds of event streams.
const (
	MaxStreams = 20  // event streams at the same time
	MaxWatched = 500 // rooms that one of them watches; of further ones only the list is told

	lookout   = time.Second      // how often a stream looks for new rooms
	keepalive = 15 * time.Second // so that proxies do not take a quiet stream for dead
	patience  = 10 * time.Second // for one write
)

// told is one event of a stream.
type told struct {
	Kind        string       `json:"-"`
	Room        string       `json:"room,omitempty"`
	Is          *Room        `json:"is,omitempty"`
	Participant *Participant `json:"participant,omitempty"`
	Stream      *Stream      `json:"stream,omitempty"`
	Peering     *Peering     `json:"peering,omitempty"`
	ID          string       `json:"id,omitempty"`
	On          *bool        `json:"on,omitempty"`
	Reason      string       `json:"reason,omitempty"`
}

// events streams what happens in rooms as server-sent events: a "room" for each
// that there is or that comes, with everybody in it, then what changes, and
// "closed"; and of each peering of this node, when its state changes. With ?room= it is about one
// room. What people say is not told.
func (d *Dialect) events(w http.ResponseWriter, r *http.Request) error {
	select {
	case d.streams <- struct{}{}:
		defer func() { <-d.streams }()
	default:
		return bridge.Errorf(bridge.TooMany, "there are %d event streams already", MaxStreams)
	}
	s := &stream{d: d, w: w, ctl: http.NewResponseController(w), wake: make(chan struct{}, 1), rooms: map[bridge.RoomID]*bridge.Session{}}
	if only := r.URL.Query().Get("room"); only != "" {
		id, err := bridge.Normalize(only)
		if err != nil {
			return err
		}
		s.only = id
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	defer s.leave(r.Context())
	if err := s.run(r.Context()); err != nil {
		d.log.Debug("event stream", "err", err)
	}
	return nil
}

// stream is one reader of events. It sits in each room as a hidden participant.
type stream struct {
	d     *Dialect
	w     http.ResponseWriter
	ctl   *http.ResponseController
	only  bridge.RoomID // empty: all rooms
	wake  chan struct{}
	rooms map[bridge.RoomID]*bridge.Session

	peerings map[peeringKey]Peering // as they were told last
}

func (s *stream) run(ctx context.Context) error {
	look, alive := time.NewTicker(lookout), time.NewTicker(keepalive)
	defer look.Stop()
	defer alive.Stop()
	if err := s.look(ctx); err != nil {
		return err
	}
	if err := s.write("event: ready\ndata: {}\n\n"); err != nil {
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			err = s.look(ctx)
		case <-alive.C:
			err = s.write(": still here\n\n")
		case <-s.wake:
			err = s.drain(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// look joins rooms that are new, and looks what became of peerings.
func (s *stream) look(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.survey()
}

func (s *stream) enter(ctx context.Context) error {
	ids := []bridge.RoomID{s.only}
	if s.only == "" {
		infos, err := s.d.host.List(ctx)
		if err != nil {
			return err
		}
		ids = ids[:0]
		for _, info := range infos {
			ids = append(ids, info.ID)
		}
	}
	for _, id := range ids {
		if s.rooms[id] != nil || len(s.rooms) >= MaxWatched {
			continue
		}
		x, err := s.d.host.Join(ctx, asService(id, s.wake))
		if err != nil {
			continue // it went while we looked, or there is none yet
		}
		s.rooms[id] = x
		is := viewOf(x.At)
		if err := s.tell(told{Kind: "room", Room: string(id), Is: &is}); err != nil {
			return err
		}
	}
	return nil
}

// drain tells what happened. A room that we lost, because it ended or because
// the reader was too slow, is looked for again.
func (s *stream) drain(ctx context.Context) error {
	for id, x := range s.rooms {
		events, lost := x.Drain(ctx)
		for _, e := range events {
			for _, t := range render(e) {
				t.Room = string(id)
				if err := s.tell(t); err != nil {
					return err
				}
			}
		}
		if lost != nil {
			delete(s.rooms, id)
			if err := s.tell(told{Kind: "closed", Room: string(id), Reason: bridge.MessageOf(lost)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for id, x := range s.rooms {
		if err := x.Leave(ctx, bridge.ByWish); err != nil {
			s.d.log.Warn("leaving a room", "room", string(id), "err", err)
		}
	}
}

func (s *stream) tell(t told) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", t.Kind, data))
}

func (s *stream) write(text string) error {
	if err := s.ctl.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.ctl.Flush()
}

// render turns an event into what the stream tells of it; most are not told.
func render(e bridge.Event) []told {
	switch e := e.(type) {
	case bridge.RoomChanged:
		is := roomOf(e.Room)
		return []told{{Kind: "changed", Is: &is}}
	case bridge.Joined:
		return []told{about("joined", e.P, false)}
	case bridge.Changed:
		return []told{about("participant", e.P, false)}
	case bridge.Knocked:
		if e.Gone {
			return []told{{Kind: "left", ID: e.P.ID.String(), Reason: "waited"}}
		}
		return []told{about("joined", e.P, true)}
	case bridge.Left:
		return []told{{Kind: "left", ID: e.P.ID.String(), Reason: named(reasonNames, e.Reason)}}
	case bridge.Published:
		return []told{streamed("stream", e.Pub)}
	case bridge.PublicationChanged:
		return []told{streamed("stream", e.Pub)}
	case bridge.Unpublished:
		return []told{streamed("unpublished", e.Pub)}
	case bridge.Talking:
		return []told{{Kind: "talking", ID: e.ID.String(), On: &e.On}}
	case bridge.Recording:
		return []told{{Kind: "recording", On: &e.On}}
	}
	return nil
}

func about(kind string, p bridge.Participant, waiting bool) told {
	v := participantOf(p, waiting)
	return told{Kind: kind, Participant: &v}
}

func streamed(kind string, p bridge.Publication) told {
	v := streamOf(p)
	return told{Kind: kind, Stream: &v}
}
