package forward

import (
	"slices"
	"testing"
)

// longStart is a layer with a key frame and many packets since.
func longStart(n int) (*Track, *Layer) {
	track, src := NewTrack(), NewSource(&sink{}, &Clock{})
	track.Feed(src, 1)
	l := video(src, "")
	for i := range n {
		more(l, i)
	}
	return track, l
}

// more pushes the packet i, a frame of its own.
func more(l *Layer, i int) { push(l, i, Arrival{At: int64(i + 1)}) }

func push(l *Layer, i int, a Arrival) {
	l.Push(&Header{
		Marker: true, PT: 96, Seq: uint16(i), TS: uint32(i) * 3000, SSRC: 0xcafe,
		Payload: vp8Frame{begins: true, key: i == 0}.payload(),
	}, a)
}

// follows checks that what was sent is n packets, one after the other.
func follows(t *testing.T, r *sent, n int) {
	t.Helper()
	if len(r.all) != n {
		t.Fatalf("%d are sent, not %d", len(r.all), n)
	}
	for i := range r.all {
		if p := r.all[i]; p.Seq != r.all[0].Seq+uint16(i) || p.TS != r.all[0].TS+uint32(i)*3000 {
			t.Fatalf("packet %d has number %d and time %d after %d, %d", i, p.Seq, p.TS, r.all[0].Seq, r.all[0].TS)
		}
	}
}

// A new subscription gets the beginning bit by bit, and what comes in meanwhile after
// it.
func TestBeginningIsPaced(t *testing.T) {
	for name, tt := range map[string]struct {
		bps, each int
	}{"not known": {0, paceMost}, "wide": {100_000_000, paceMost}, "1 Mbit/s": {1_000_000, 5}, "hardly anything": {1000, paceLeast}} {
		t.Run(name, func(t *testing.T) {
			track, l := longStart(100)
			r := &sent{}
			var due Due
			d := NewDown(DownConfig{SSRC: 0xf00d, Rate: 90000, Writer: r, Due: &due})
			f := d.formats
			f[4] = 100
			d.SetFormats(f)
			d.SetPace(tt.bps, 20*ms)
			d.SetLive(true)
			track.Add(d, 200)
			total := 100
			for tick := 1; len(r.all) < total; tick++ {
				follows(t, r, min(tick*tt.each, total))
				if total < 120 {
					more(l, total)
					total++
				}
				if follows(t, r, min(tick*tt.each, total)); tick > 100 {
					t.Fatal("it never ends")
				}
				if !due.Take() {
					t.Fatal("nothing is due")
				}
				d.Tick(200 + int64(tick))
			}
			follows(t, r, total)
			more(l, total) // from here on everything comes at once
			follows(t, r, total+1)
			due.Take()
			if d.Tick(1000); d.waiting.Load() || due.Take() {
				t.Error("something waits")
			}
			follows(t, r, total+1)
		})
	}
}

// Who is too slow for the beginning loses what the ring does not have any more.
func TestBeginningIsOutrun(t *testing.T) {
	track, l := longStart(20)
	r := &sent{}
	d := NewDown(DownConfig{SSRC: 0xf00d, Rate: 90000, Writer: r})
	f := d.formats
	f[4] = 100
	d.SetFormats(f)
	d.SetPace(1000, 20*ms)
	d.SetLive(true)
	track.Add(d, 50)
	for i := range ringVideo {
		more(l, 20+i)
	}
	d.Tick(1000)
	if got := d.Stats(); len(r.all) != 2*paceLeast || got.Outrun != 20-paceLeast {
		t.Errorf("%d are sent: %+v", len(r.all), got)
	}
}

// Repairs that are asked for all at once are sent bit by bit; what finds no place in the
// queue is counted.
func TestRepairsArePaced(t *testing.T) {
	track, src := NewTrack(), NewSource(&sink{}, &Clock{})
	track.Feed(src, 1)
	l, r := video(src, ""), &sent{}
	d := subscribed(track, r, 1)
	for i := range 250 {
		more(l, i)
	}
	d.SetPace(1_000_000, 20*ms)
	d.Tick(300)
	var seqs []uint16
	for _, p := range r.all {
		seqs = append(seqs, p.Seq)
	}
	r.all = nil
	if n := d.Repeat(seqs, 300, nil); n != 5 || len(r.all) != 5 {
		t.Fatalf("%d are sent at once", n)
	}
	d.Repeat(seqs[10:20], 300, nil) // they wait already
	if got := d.Stats(); got.Unrepaired != uint64(250-5-repairsMost) {
		t.Errorf("%+v", got)
	}
	for tick := range int64(2 + repairsMost/5) {
		before := len(r.all)
		if d.Tick(400 + tick); len(r.all)-before > 5 {
			t.Fatalf("%d at once", len(r.all)-before)
		}
	}
	var got []uint16
	for _, p := range r.all {
		got = append(got, p.Seq)
	}
	if want := seqs[:5+repairsMost]; !slices.Equal(got, want) || d.waiting.Load() {
		t.Errorf("repaired %v, want %v", got, want)
	}
}
