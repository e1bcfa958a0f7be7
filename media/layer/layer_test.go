package layer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"dragoman/bridge"
)

const (
	ms = time.Millisecond
	s  = time.Second
	// start is any point in time.
	start = 100 * time.Hour
)

// three returns the layers of a usual publication, all alive.
func three(now time.Duration) []Layer {
	return []Layer{{"q", 150_000, now}, {"h", 500_000, now}, {"f", 1_500_000, now}}
}

// moment is one call of Allocate with one subscription.
type moment struct {
	after time.Duration // the one before
	bps   int           // 0: no estimate
	wish  bridge.LayerWish
	dead  string // rid of a layer that has stopped 2 s ago
	want  int
}

func TestAllocateOne(t *testing.T) {
	q, h := bridge.LayerWish{RID: "q"}, bridge.LayerWish{RID: "h"}
	for name, moments := range map[string][]moment{
		"no estimate":              {{want: 2}},
		"a wish":                   {{wish: h, want: 1}, {after: s, wish: q, want: 0}, {after: 10 * s, wish: h, want: 1}},
		"a wish for more at once":  {{wish: q, want: 0}, {after: 10 * s, want: 2}},
		"a layer that is not":      {{wish: bridge.LayerWish{RID: "x"}, want: 0}},
		"no more":                  {{want: 2}, {after: s, wish: bridge.LayerWish{NoMore: true}, want: Paused}, {after: s, want: 2}},
		"little":                   {{bps: 200_000, want: 0}},
		"less than the least":      {{bps: 1, want: 0}},
		"enough for the middle":    {{bps: 600_000, want: 1}},
		"enough but no margin":     {{bps: 510_000, want: 0}},
		"kept without margin":      {{bps: 600_000, want: 1}, {after: 10 * s, bps: 510_000, want: 1}, {after: 10 * s, bps: 490_000, want: 0}},
		"down at once":             {{want: 2}, {after: 10 * s, bps: 600_000, want: 1}, {after: ms, bps: 100_000, want: 0}},
		"up with patience":         {{bps: 200_000, want: 0}, {after: 2 * s, bps: 5e6, want: 0}, {after: 900 * ms, bps: 5e6, want: 0}, {after: 100 * ms, bps: 5e6, want: 2}},
		"room must last":           {{bps: 200_000, want: 0}, {after: 2 * s, bps: 5e6, want: 0}, {after: 500 * ms, bps: 2e5, want: 0}, {after: 500 * ms, bps: 5e6, want: 0}, {after: 900 * ms, bps: 5e6, want: 0}},
		"the beginning is no time": {{bps: 200_000, want: 0}, {after: 500 * ms, bps: 5e6, want: 2}},
		"more patience after a mistake": {
			{bps: 200_000, want: 0},
			{after: 2 * s, bps: 5e6, want: 0},
			{after: s, bps: 5e6, want: 2},
			{after: s, bps: 2e5, want: 0},
			{after: s, bps: 5e6, want: 0},
			{after: s, bps: 5e6, want: 0},
			{after: s, bps: 5e6, want: 2},
			{after: s, bps: 2e5, want: 0},
			{after: s, bps: 5e6, want: 0},
			{after: 3 * s, bps: 5e6, want: 0},
			{after: s, bps: 5e6, want: 2},
			{after: 100 * s, bps: 5e6, want: 2},
			{after: s, bps: 2e5, want: 0},
			{after: s, bps: 5e6, want: 0},
			{after: s, bps: 5e6, want: 2},
		},
		"the layer dies":            {{want: 2}, {after: 5 * s, dead: "f", want: 1}, {after: s, want: 1}, {after: s, want: 2}},
		"the wished layer is dead":  {{wish: h, want: 1}, {after: 5 * s, wish: h, dead: "h", want: 0}},
		"nothing at or below lives": {{wish: q, dead: "q", want: Paused}},
		"the lowest dies":           {{wish: h, bps: 200_000, want: 0}, {after: s, wish: h, bps: 200_000, dead: "q", want: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			a, sub := New(Config{}), &Subscription{}
			now := start
			for i, m := range moments {
				now += m.after
				sub.Layers, sub.Wish = three(now), m.wish
				for j := range sub.Layers {
					if sub.Layers[j].RID == m.dead {
						sub.Layers[j].Last -= 2 * s
					}
				}
				before := sub.Target()
				changed := a.Allocate(now, m.bps, m.bps > 0, []*Subscription{sub})
				if got := sub.Target(); got != m.want {
					t.Fatalf("moment %d: got %d, want %d", i, got, m.want)
				}
				if changed != (before != m.want) {
					t.Errorf("moment %d: changed is %v", i, changed)
				}
			}
		})
	}
}

func targets(subs []*Subscription) []int {
	var all []int
	for _, s := range subs {
		all = append(all, s.Target())
	}
	return all
}

func TestAllocateMany(t *testing.T) {
	for name, test := range map[string]struct {
		bps  int
		subs []*Subscription
		want []int
	}{
		"everybody gets the least first":   {400_000, []*Subscription{{}, {}}, []int{0, 0}},
		"then one step each":               {1_200_000, []*Subscription{{}, {}}, []int{1, 1}},
		"then the first":                   {700_000, []*Subscription{{}, {}}, []int{1, 0}},
		"what one does not want, others":   {800_000, []*Subscription{{Wish: bridge.LayerWish{RID: "q"}}, {}}, []int{0, 1}},
		"who is paused pays nothing":       {600_000, []*Subscription{{Wish: bridge.LayerWish{NoMore: true}}, {}}, []int{Paused, 1}},
		"sound comes first":                {600_000, []*Subscription{{}, {Audio: true, Layers: []Layer{{Bitrate: 200_000, Last: start}}}}, []int{0, 0}},
		"sound is never paused":            {1, []*Subscription{{Audio: true, Wish: bridge.LayerWish{NoMore: true}, Layers: []Layer{{Bitrate: 40_000, Last: start}}}}, []int{0}},
		"a publication without layers yet": {1e6, []*Subscription{{Layers: []Layer{}}}, []int{Paused}},
		"without simulcast":                {1, []*Subscription{{Layers: []Layer{{Bitrate: 2e6, Last: start}}, Wish: bridge.LayerWish{RID: "f"}}}, []int{0}},
		"nothing has come yet":             {1e6, []*Subscription{{Layers: []Layer{{RID: "q"}, {RID: "f"}}}}, []int{0}},
		"not measured yet":                 {5e6, []*Subscription{{Layers: []Layer{{"q", 100_000, start}, {"f", 0, start}}}}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range test.subs {
				if s.Layers == nil {
					s.Layers = three(start)
				}
			}
			New(Config{}).Allocate(start, test.bps, true, test.subs)
			if got := targets(test.subs); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Who has a higher layer keeps it; who comes later gets what is left, but the
// least in any case.
func TestNewcomer(t *testing.T) {
	a := New(Config{})
	old := &Subscription{Layers: three(start)}
	a.Allocate(start, 700_000, true, []*Subscription{old})
	newcomer := &Subscription{Layers: three(start)}
	if a.Allocate(start+5*s, 700_000, true, []*Subscription{newcomer, old}); old.Target() != 1 || newcomer.Target() != 0 {
		t.Errorf("old gets %d, new %d", old.Target(), newcomer.Target())
	}
	a.Allocate(start+6*s, 600_000, true, []*Subscription{newcomer, old})
	if old.Target() != 0 || newcomer.Target() != 0 {
		t.Errorf("when that is too much, old gets %d, new %d", old.Target(), newcomer.Target())
	}
}

// The target follows its layer when others come before it.
func TestLayersAreAdded(t *testing.T) {
	a, sub := New(Config{}), &Subscription{Wish: bridge.LayerWish{RID: "h"}}
	sub.Layers = three(start)[1:]
	a.Allocate(start, 0, false, []*Subscription{sub})
	sub.Layers = three(start + 5*s)
	if changed := a.Allocate(start+5*s, 0, false, []*Subscription{sub}); sub.Target() != 1 || !changed {
		t.Errorf("the target is %d, changed %v", sub.Target(), changed)
	}
}

// A shared screen that does not change sends nothing on any layer.
func TestStillPicture(t *testing.T) {
	a, sub := New(Config{}), &Subscription{Layers: three(start)}
	a.Allocate(start, 0, false, []*Subscription{sub})
	if a.Allocate(start+time.Hour, 0, false, []*Subscription{sub}) || sub.Target() != 2 {
		t.Errorf("the target is %d", sub.Target())
	}
}

// scene is a random peer.
type scene struct {
	subs []*Subscription
	now  time.Duration
	bps  int
}

func newScene(random *rand.Rand) *scene {
	sc := &scene{now: start, bps: random.IntN(6_000_000)}
	for range 1 + random.IntN(6) {
		sub := &Subscription{Audio: random.IntN(5) == 0}
		bitrate := 20_000
		for i := range 1 + random.IntN(3) {
			bitrate += 10_000 + random.IntN(600_000*(i+1))
			sub.Layers = append(sub.Layers, Layer{RID: string(rune('a' + i)), Bitrate: bitrate})
		}
		sc.subs = append(sc.subs, sub)
	}
	return sc
}

// step lets time pass; with change, things change.
func (sc *scene) step(random *rand.Rand, change bool) {
	sc.now += 200 * ms
	for _, sub := range sc.subs {
		if change && random.IntN(8) == 0 {
			sub.Wish = bridge.LayerWish{RID: []string{"", "a", "b", "c", "x"}[random.IntN(5)], NoMore: random.IntN(6) == 0}
		}
		for i := range sub.Layers {
			l := &sub.Layers[i]
			if change && random.IntN(10) == 0 {
				l.Last -= s // hangs
			} else if !change || random.IntN(10) > 0 {
				l.Last = sc.now
			}
		}
	}
	if change && random.IntN(4) == 0 {
		sc.bps = random.IntN(6_000_000)
	}
}

// check says what is wrong with the targets.
func (sc *scene) check(known bool) error {
	sum, least := 0, 0
	for i, sub := range sc.subs {
		target := sub.Target()
		freshest := slices.MaxFunc(sub.Layers, func(a, b Layer) int { return int(a.Last - b.Last) }).Last
		live := func(l Layer) bool { return sub.Audio || freshest-l.Last <= s }
		best := len(sub.Layers) - 1
		if sub.Wish.RID != "" {
			best = max(0, slices.IndexFunc(sub.Layers, func(l Layer) bool { return l.RID == sub.Wish.RID }))
		}
		if sub.Audio {
			best = 0
		}
		lowest := slices.IndexFunc(sub.Layers[:best+1], live)
		switch {
		case sub.Wish.NoMore && !sub.Audio || lowest < 0:
			if target != Paused {
				return fmt.Errorf("subscription %d gets %d, and should get nothing", i, target)
			}
			continue
		case target < 0 || target > best || !live(sub.Layers[target]):
			return fmt.Errorf("subscription %d gets %d of %+v, wishes %+v", i, target, sub.Layers, sub.Wish)
		}
		sum += sub.Layers[target].Bitrate
		least += sub.Layers[lowest].Bitrate
	}
	if known && sum > max(sc.bps, least) {
		return fmt.Errorf("%d bit/s are sent, %d are there, and %d are the least", sum, sc.bps, least)
	}
	return nil
}

func TestProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		sc, a, known := newScene(random), New(Config{}), random.IntN(4) > 0
		for range 60 {
			sc.step(random, true)
			a.Allocate(sc.now, sc.bps, known, sc.subs)
			if err := sc.check(known); err != nil {
				t.Fatal(err)
			}
		}
		// From here on nothing changes: once patience is over, nothing may move.
		changes := 0
		for i := range 1000 {
			sc.step(random, false)
			if a.Allocate(sc.now, sc.bps, known, sc.subs) {
				changes++
				if i > int((maxHold+s)/(200*ms)) {
					t.Fatalf("after %d steps of the same, targets are %v", i, targets(sc.subs))
				}
			}
		}
		if err := sc.check(known); err != nil {
			t.Fatal(err)
		}
		if most := 3 * len(sc.subs); changes > most {
			t.Errorf("%d changes by %d subscriptions until they settled", changes, len(sc.subs))
		}
		if !known {
			settled(t, sc)
		}
	}
}

// settled checks that without an estimate everybody has the best it wishes.
func settled(t *testing.T, sc *scene) {
	t.Helper()
	for i, sub := range sc.subs {
		want := len(sub.Layers) - 1
		switch {
		case sub.Audio:
			want = 0
		case sub.Wish.NoMore:
			want = Paused
		case sub.Wish.RID != "":
			want = max(0, slices.IndexFunc(sub.Layers, func(l Layer) bool { return l.RID == sub.Wish.RID }))
		}
		if got := sub.Target(); got != want {
			t.Errorf("subscription %d gets %d, wishes %+v of %+v", i, got, sub.Wish, sub.Layers)
		}
	}
}

func TestWanted(t *testing.T) {
	for name, test := range map[string]struct {
		bps  int // 0: no estimate
		wish string
		want int
	}{
		"no estimate":       {0, "", 0},
		"room for all":      {9_000_000, "", 0},
		"the middle":        {400_000, "", 150_000 + 20_000 + 550_000},
		"the best":          {1_000_000, "", 150_000 + 20_000 + 1_650_000},
		"a wish for little": {300_000, "q", 0},
	} {
		a := New(Config{})
		sub := &Subscription{Layers: three(start), Wish: bridge.LayerWish{RID: test.wish}}
		other := &Subscription{Layers: three(start)[:1]}
		sound := &Subscription{Audio: true, Layers: []Layer{{Bitrate: 20_000, Last: start}}}
		subs := []*Subscription{sound, sub, other}
		a.Allocate(start, test.bps, test.bps > 0, subs)
		if got := a.Wanted(subs); got != test.want {
			t.Errorf("%s: %d is wanted, should be %d", name, got, test.want)
		}
	}
	if got := New(Config{}).Wanted(nil); got != 0 {
		t.Errorf("nobody wants %d", got)
	}
}

func TestAllocateDoesNotAllocate(t *testing.T) {
	a := New(Config{})
	subs := []*Subscription{{Layers: three(start)}, {Layers: three(start)}, {Layers: three(start)}}
	now := start
	if n := testing.AllocsPerRun(200, func() {
		now += 100 * ms
		a.Allocate(now, 1_000_000, true, subs)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
