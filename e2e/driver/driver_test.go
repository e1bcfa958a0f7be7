package driver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
	"dragoman/media/mediatest"
)

func TestDialects(t *testing.T) {
	all := Dialects()
	if !slices.IsSortedFunc(all, func(a, b Dialect) int { return strings.Compare(a.Name, b.Name) }) || len(all) < 2 {
		t.Errorf("got %v", all)
	}
	for _, d := range all {
		got, ok := Lookup(d.Name)
		if !ok || got.Name != d.Name {
			t.Errorf("%s is not found", d.Name)
		}
		for _, code := range []bridge.Code{bridge.WrongSecret, bridge.Unauthenticated, bridge.RoomLocked, bridge.RoomFull} {
			if d.Refusals[code] == "" {
				t.Errorf("%s does not say how it refuses: %s", d.Name, code)
			}
		}
	}
	if _, ok := Lookup("none"); ok {
		t.Error("there is a dialect called none")
	}
}

func TestNotJoined(t *testing.T) {
	for _, d := range Dialects() {
		p := d.New(Options{Name: "Anna", Addr: "127.0.0.1:1"})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		for what, err := range map[string]error{
			"say": p.Say(ctx, "", "x"), "lock": p.Lock(ctx, true), "leave": p.Leave(ctx),
			"share": p.Publish(ctx, bridge.Screen), "hear": p.Hears(ctx, "Ben"), "saw": p.Saw(ctx, Sight{What: Came}),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %s before joining: %v", d.Name, what, err)
			}
		}
		if err := p.Join(ctx, "r", bridge.NoRole); err == nil {
			t.Errorf("%s joins where there is no server", d.Name)
		}
		cancel()
		p.Close()
	}
}

// fakeStory tells one more entry a second.
type fakeStory struct {
	begin   time.Time
	entries [][]Sight
}

func (s fakeStory) told(context.Context) ([][]Sight, error) {
	return s.entries[:min(len(s.entries), int(time.Since(s.begin)/time.Second))], nil
}

func (s fakeStory) more(ctx context.Context, n int) error {
	if n >= len(s.entries) {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(time.Until(s.begin.Add(time.Duration(n+1) * time.Second))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeStory{begin: time.Now(), entries: [][]Sight{
			{{What: Came, Who: "Ben"}}, nil, {{What: Said, Who: "Ben", Text: "hi"}, {What: Left, Who: "Ben"}}, {{What: Left, Who: "Carla"}},
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := saw(ctx, s, Sight{What: Said, Text: "hi"}); err != nil || time.Since(s.begin) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(s.begin), err)
		}
		if n, err := times(ctx, s, Sight{What: Left}); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		err := saw(ctx, s, Sight{What: Muted, Who: "Ben"})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Ben muted") || !strings.Contains(err.Error(), "Carla left") {
			t.Errorf("got %v", err)
		}
		if n, _ := times(ctx, s, Sight{What: Left}); n != 2 {
			t.Errorf("%d left", n)
		}
	})
}

// Who waits for somebody's media waits for the connection that brings it, and
// for the one that replaces it.
func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeats()
		at := place{who: "Ben"}
		first, second := new(mediatest.Peer), new(mediatest.Peer)
		var tried []*mediatest.Peer
		done := make(chan error)
		go func() {
			done <- s.wait(t.Context(), at, func(ctx context.Context, p *mediatest.Peer) error {
				tried = append(tried, p)
				if p == first {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			})
		}()
		synctest.Wait()
		s.put(place{who: "Carla"}, second)
		s.put(at, first)
		synctest.Wait()
		s.remove(at, second) // is not there
		s.put(at, second)
		if err := <-done; err != nil || !slices.Equal(tried, []*mediatest.Peer{first, second}) {
			t.Errorf("%v, %d tried", err, len(tried))
		}
		s.remove(at, second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.wait(ctx, at, nil); err == nil || !strings.Contains(err.Error(), "no connection brings the media of Ben") {
			t.Errorf("got %v", err)
		}
	})
}

// fake is a driver that sees some and hears some.
type fake struct {
	Driver
	source uint32
	sees   map[string]uint32
	hears  map[string]bool
}

func (f fake) Source() uint32 { return f.source }

func (f fake) Sees(_ context.Context, name string, _ bridge.Source) (mediatest.Frame, error) {
	if n, ok := f.sees[name]; ok {
		return mediatest.Frame{Source: n}, nil
	}
	return mediatest.Frame{}, errors.New("no picture")
}

func (f fake) Hears(_ context.Context, name string) error {
	if f.hears[name] {
		return nil
	}
	return errors.New("no sound")
}

func TestMatrix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that times are 0
		people := []Member{
			{fake{source: 1, sees: map[string]uint32{"Ben": 2, "Carla": 3}, hears: map[string]bool{"Ben": true, "Carla": true}}, "Anna", "x"},
			{fake{source: 2, sees: map[string]uint32{"Anna": 3, "Carla": 3}, hears: map[string]bool{"Anna": true}}, "Ben", "y"},
			{fake{source: 3}, "Carla", "x"},
		}
		m := Look(t.Context(), people, people)
		want := `who got whom      Anna (x)          Ben (y)           Carla (x)       
Anna (x)                            sound+picture 0s  sound+picture 0s
Ben (y)           sound only                          picture only    
Carla (x)         nothing           nothing                           `
		if got := m.String(); got != want {
			t.Errorf("got\n%s", got)
		}
		if m.Err() == nil || m.Got("Anna", "Ben").Err != nil || m.Got("Ben", "Anna").Err.Error() != "Ben sees the camera of somebody else as Anna" {
			t.Errorf("%v, %v", m.Err(), m.Got("Ben", "Anna").Err)
		}
		if two := Look(t.Context(), people[:1], people[1:]); two.Err() != nil || two.Slowest() != 0 {
			t.Error(two.Err())
		}
	})
}
