// Package stage puts real media behind the names of transcripts: what a script
// that needs "media" sends as {"$sdp":…} is the description of a Pion
// PeerConnection with a synthetic camera, microphone and screen.
package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"dragoman/e2e/transcript"
	"dragoman/media/mediatest"
)

// Stage is a world with media. It implements transcript.Stage. It has to be
// closed; the world that it is made of is not.
//
// Every {"$sdp":…} makes a new connection, unless its "name" is that of one
// which is there. A connection sends what its description promises to: camera
// and microphone, or where "name" begins with "screen" the screen.
type Stage struct {
	transcript.World

	mu    sync.Mutex
	casts map[string]*cast
}

// cast is one name of a script.
type cast struct {
	devices *mediatest.Client
	peers   map[string]*mediatest.Peer
	last    *mediatest.Peer // that has offered
	answers map[string]bool // that were given or taken: servers repeat them in events
	count   int
}

// New puts media behind a world.
func New(w transcript.World) *Stage { return &Stage{World: w, casts: map[string]*cast{}} }

// Close ends all connections and devices.
func (s *Stage) Close() error {
	s.mu.Lock()
	casts := s.casts
	s.casts = map[string]*cast{}
	s.mu.Unlock()
	for _, c := range casts {
		c.devices.Close()
	}
	return nil
}

func (s *Stage) cast(who string) *cast {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.casts[who]
	if c == nil {
		c = &cast{devices: mediatest.NewClient(mediatest.Config{}), peers: map[string]*mediatest.Peer{}, answers: map[string]bool{}}
		s.casts[who] = c
	}
	return c
}

// Describe implements transcript.Stage.
func (s *Stage) Describe(ctx context.Context, who string, w transcript.Wish, offer string) (string, error) {
	c := s.cast(who)
	p, fresh, err := c.peer(w.Name)
	if err != nil {
		return "", err
	}
	audio, video := w.Audio, w.Video
	if w.Type == "answer" {
		m, err := transcript.Meaning(offer)
		if err != nil {
			return "", fmt.Errorf("answer: %w", err)
		}
		audio, video = counterpart(audio, m["audio"]), counterpart(video, m["video"])
	}
	if fresh {
		if err := c.promise(p, w, audio, video); err != nil {
			return "", err
		}
	}
	var text string
	if w.Type == "answer" {
		text, err = p.Answer(ctx, transcript.Unescape(offer))
		c.answers[text] = true
	} else {
		c.last = p
		text, err = p.Offer(ctx)
	}
	if w.Escaped {
		text = transcript.Escape(text)
	}
	return text, err
}

// counterpart is the direction of an answer, if the script does not say it.
func counterpart(said string, offered any) string {
	if said != "" {
		return said
	}
	switch offered {
	case "sendrecv":
		return "sendrecv"
	case "recvonly":
		return "sendonly"
	}
	return "recvonly"
}

func (c *cast) peer(name string) (p *mediatest.Peer, fresh bool, err error) {
	if name == "" {
		c.count++
		name = fmt.Sprintf("#%d", c.count)
	}
	if p := c.peers[name]; p != nil {
		return p, false, nil
	}
	p, err = c.devices.Peer()
	c.peers[name] = p
	return p, true, err
}

// promise gives a connection what it is going to send, and asks for the rest.
func (c *cast) promise(p *mediatest.Peer, w transcript.Wish, audio, video string) error {
	sends := func(d string) bool { return strings.HasPrefix(d, "send") }
	var err error
	if strings.HasPrefix(w.Name, "screen") && sends(video) {
		err = p.PublishScreen()
	} else {
		err = p.Publish(sends(audio), sends(video))
	}
	if w.Type == "offer" {
		err = errors.Join(err, p.Subscribe(one(audio == "recvonly"), one(video == "recvonly")))
		if w.Application != "" {
			err = errors.Join(err, p.OpenChannel("default"))
		}
	}
	return err
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Answered implements transcript.Stage. An answer that is known is none once more.
func (s *Stage) Answered(ctx context.Context, who, answer string) error {
	c := s.cast(who)
	switch {
	case c.answers[answer]:
		return nil
	case c.last == nil:
		return errors.New("nothing was offered")
	}
	p := c.last
	c.last, c.answers[answer] = nil, true
	return p.Accept(ctx, answer)
}

const (
	whole = 5                       // frames, for a picture to be seen
	hush  = 1500 * time.Millisecond // without sound, for silence
)

// Media implements transcript.Stage. "publish" switches the devices: "camera"
// and "microphone", "nothing" or "silence".
func (s *Stage) Media(ctx context.Context, step transcript.Step) error {
	c := s.cast(step.Who)
	switch step.Publish {
	case "":
	case "camera", "nothing":
		c.devices.Dark(step.Publish == "nothing")
		c.devices.Silence(step.Publish == "nothing")
	case "microphone", "silence":
		c.devices.Silence(step.Publish == "silence")
	default:
		return fmt.Errorf("publish %q: want camera, microphone, silence or nothing", step.Publish)
	}
	for what, names := range map[string][]string{"sees": step.Sees, "hears": step.Hears, "silent": step.Silent} {
		for _, name := range names {
			if err := s.perceive(ctx, c, what, name); err != nil {
				return fmt.Errorf("%s %s: %w", what, name, err)
			}
		}
	}
	return nil
}

// perceive waits on all connections of one name for what another one sends.
func (s *Stage) perceive(ctx context.Context, c *cast, what, name string) error {
	if len(c.peers) == 0 {
		return errors.New("there is no connection")
	}
	source := s.cast(name).devices.Source()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var yes int
	var no error // the first
	for _, p := range c.peers {
		wg.Go(func() {
			err := sense(ctx, p, what, source)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				yes++
			} else if no == nil {
				no = err
			}
			if (err == nil) == (what != "silent") {
				cancel() // it is decided
			}
		})
	}
	wg.Wait()
	if yes == len(c.peers) || yes > 0 && what != "silent" {
		return nil
	}
	return no
}

// sense waits until a connection brings pictures of a source, and sound, or
// silence, of whoever they are of.
func sense(ctx context.Context, p *mediatest.Peer, what string, source uint32) error {
	if what == "silent" {
		if !of(p, source) {
			return nil
		}
		return p.WaitSilence(ctx, "", hush)
	}
	if what == "sees" {
		for {
			if err := p.WaitVideo(ctx, "", whole); err != nil {
				return err
			}
			if of(p, source) {
				return nil
			}
		}
	}
	return p.WaitAudio(ctx, "")
}

// of reports whether a connection has brought pictures of a source.
func of(p *mediatest.Peer, source uint32) bool {
	for _, st := range p.Stats() {
		if st.Frames > 0 && st.Last.Source == source {
			return true
		}
	}
	return false
}
