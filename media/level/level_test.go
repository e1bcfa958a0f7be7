package level

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const start = 1000 * time.Hour

// stretch is a part of a trace: packets of one sort, or ticks of one sort.
type stretch struct {
	lasts time.Duration
	every time.Duration // 0: 20 ms
	level uint8
	noise bool // without the voice flag
	size  int
	vary  int  // every other packet is that much larger
	ticks bool // no packets, only ticks
}

const (
	ms = time.Millisecond
	s  = time.Second
)

// play feeds a trace and returns what changed when.
func play(m *Meter, trace []stretch) []string {
	var got []string
	at := time.Duration(0)
	for _, part := range trace {
		every := part.every
		if every == 0 {
			every = 20 * ms
		}
		for end, odd := at+part.lasts, 0; at < end; at, odd = at+every, 1-odd {
			var c Change
			if part.ticks {
				c = m.Tick(start + at)
			} else {
				c = m.Packet(start+at, part.level, !part.noise, part.size+odd*part.vary)
			}
			for i, name := range []string{"started", "stopped", "muted", "unmuted"} {
				if c.Has(1 << i) {
					got = append(got, fmt.Sprintf("%s at %s", name, at))
				}
			}
		}
	}
	return got
}

func TestMeter(t *testing.T) {
	voice := stretch{lasts: s, level: 30, size: 80}
	quiet := stretch{lasts: s, level: 70, size: 20}
	muted := stretch{lasts: 2 * s, level: Silence, size: 3}
	with := func(p stretch, lasts time.Duration) stretch { p.lasts = lasts; return p }
	for name, test := range map[string]struct {
		cfg   Config
		trace []stretch
		want  []string
	}{
		"speech":                  {Config{}, []stretch{quiet, voice, quiet}, []string{"started at 1.16s", "stopped at 2.48s"}},
		"speech from the start":   {Config{}, []stretch{voice}, []string{"started at 160ms"}},
		"too short":               {Config{}, []stretch{quiet, with(voice, 140*ms), quiet}, nil},
		"clicks":                  {Config{}, []stretch{voice2(20 * ms), with(quiet, 60*ms), voice2(20 * ms), with(quiet, 60*ms), voice2(20 * ms), quiet}, nil},
		"a pause between words":   {Config{}, []stretch{voice, with(quiet, 400*ms), voice, quiet}, []string{"started at 160ms", "stopped at 2.88s"}},
		"exactly at the limit":    {Config{}, []stretch{{lasts: s, level: 50, size: 80}}, nil},
		"ahoy's times":            {Config{On: 300 * ms, Off: 800 * ms}, []stretch{voice, quiet}, []string{"started at 300ms", "stopped at 1.78s"}},
		"another threshold":       {Config{Threshold: 25}, []stretch{voice}, nil},
		"noise after voice":       {Config{}, []stretch{voice, {lasts: s, level: 20, noise: true, size: 80}}, []string{"started at 160ms", "stopped at 1.48s"}},
		"a sender without flags":  {Config{}, []stretch{{lasts: s, level: 20, noise: true, size: 80}}, []string{"started at 160ms"}},
		"the stream ends":         {Config{}, []stretch{voice, {lasts: 3 * s, every: 100 * ms, ticks: true}}, []string{"started at 160ms", "stopped at 1.5s", "muted at 2.5s"}},
		"packets come back":       {Config{}, []stretch{voice, {lasts: 2 * s, every: 500 * ms, ticks: true}, {lasts: s, level: Silence, size: 40}}, []string{"started at 160ms", "stopped at 1.5s", "muted at 2.5s", "unmuted at 3s"}},
		"silence comes back":      {Config{}, []stretch{quiet, {lasts: 2 * s, every: 500 * ms, ticks: true}, muted}, []string{"muted at 2.5s"}},
		"nothing ever":            {Config{}, []stretch{{lasts: 2 * s, every: 100 * ms, ticks: true}}, []string{"muted at 1.5s"}},
		"muted and unmuted":       {Config{}, []stretch{quiet, muted, quiet}, []string{"muted at 2.5s", "unmuted at 3s"}},
		"muted while talking":     {Config{Off: 5 * s}, []stretch{voice, muted}, []string{"started at 160ms", "stopped at 2.5s", "muted at 2.5s"}},
		"silence between words":   {Config{}, []stretch{quiet, {lasts: s, level: Silence, size: 60, vary: 2}, {lasts: s, level: Silence, size: 3}, quiet}, nil},
		"normal sizes throughout": {Config{}, []stretch{{lasts: 5 * s, level: Silence, size: 60, vary: 2}}, nil},
		"short of bandwidth":      {Config{}, []stretch{voice, {lasts: 40 * ms, level: Silence, size: 50, vary: 9}, {lasts: 2 * s, level: Silence, size: 32}, quiet}, []string{"started at 160ms", "stopped at 1.48s", "muted at 2.56s", "unmuted at 3.04s"}},
		"one larger packet":       {Config{}, []stretch{{lasts: s, level: Silence, size: 3}, {lasts: 20 * ms, level: Silence, size: 9}, {lasts: s, level: Silence, size: 3}}, nil},
		"larger but not louder":   {Config{}, []stretch{muted, {lasts: s, level: Silence, size: 40}, {lasts: 20 * ms, level: 126, size: 3}}, []string{"muted at 1.5s", "unmuted at 3s"}},
		"G.711":                   {Config{Tiny: 160}, []stretch{{lasts: 2 * s, level: Silence, size: 160}}, []string{"muted at 1.5s"}},
		"mute sooner":             {Config{Mute: 500 * ms}, []stretch{muted}, []string{"muted at 500ms"}},
		"discontinuous":           {Config{}, []stretch{quiet, {lasts: 4 * s, every: 400 * ms, level: 80, size: 6}}, nil},
		"unknown levels":          {Config{}, []stretch{{lasts: s, level: Unknown, size: 12}, {lasts: s, level: Unknown, size: 90}, {lasts: 2 * s, level: Unknown, size: 12}}, []string{"started at 1.2s", "stopped at 2.52s"}},
		"unknown and constant":    {Config{}, []stretch{{lasts: 5 * s, level: Unknown, size: 160}}, nil},
		"unknown and muted":       {Config{}, []stretch{{lasts: s, level: Unknown, size: 60}, {lasts: 2 * s, level: Unknown, size: 3}, {lasts: s, level: Unknown, size: 60}}, []string{"muted at 2.5s", "unmuted at 3s", "started at 3.2s"}},
		"unknown with DTX":        {Config{}, []stretch{{lasts: 4 * s, every: 400 * ms, level: Unknown, size: 12}}, nil},
		"empty packets":           {Config{}, []stretch{{lasts: 2 * s, level: Unknown}}, []string{"muted at 1.5s"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := play(New(test.cfg), test.trace); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// voice2 is a short sound.
func voice2(lasts time.Duration) stretch { return stretch{lasts: lasts, level: 10, size: 90} }

// What lies between two packets far apart counts for little, whatever they are.
func TestGapsCountForLittle(t *testing.T) {
	m := New(Config{})
	for i := range 3 { // three shouts, half a second apart
		if c := m.Packet(start+time.Duration(i)*500*ms, 5, true, 90); c.Has(Started) != (i == 2) {
			t.Errorf("shout %d: %v", i, c)
		}
	}
	if got := m.Packet(start, 5, true, 90); got != 0 || !m.Talking() {
		t.Errorf("time that goes back changes %v", got)
	}
}

func TestLevel(t *testing.T) {
	m := New(Config{})
	if m.Level() != Silence {
		t.Errorf("begins at %d", m.Level())
	}
	play(m, []stretch{{lasts: 2 * s, level: 30, size: 80}})
	if got := m.Level(); got < 30 || got > 31 {
		t.Errorf("after two seconds at 30 it is %d", got)
	}
	before := m.Level()
	m.Packet(start+2*s, 90, true, 80)
	if got := m.Level(); got < before || got > before+10 {
		t.Errorf("one packet moves it from %d to %d", before, got)
	}
	m.Tick(start + 5*s)
	if !m.Muted() || m.Level() != Silence {
		t.Errorf("when all is over it is %d", m.Level())
	}
}

func TestNoAllocation(t *testing.T) {
	m := New(Config{})
	at := start
	n := testing.AllocsPerRun(1000, func() {
		at += 20 * ms
		m.Packet(at, 30, true, 80)
		m.Packet(at, Unknown, false, 80)
		m.Tick(at)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever comes, changes alternate, and nobody talks who is muted.
func FuzzMeter(f *testing.F) {
	f.Add([]byte{20, 30, 80, 20, 30, 80, 255, 0, 0})
	f.Add([]byte{20, 127, 3, 20, 255, 3, 200, 127, 3, 250, 250, 250})
	f.Fuzz(func(t *testing.T, trace []byte) {
		m := New(Config{})
		at := start
		talking, muted := false, false
		for ; len(trace) >= 3; trace = trace[3:] {
			at += time.Duration(trace[0]) * 4 * ms
			var c Change
			if trace[1] == 255 {
				c = m.Tick(at)
			} else {
				c = m.Packet(at, trace[1], trace[2]&1 == 1, int(trace[2]))
			}
			if c.Has(Started) && (talking || c.Has(Stopped)) || c.Has(Stopped) && !talking || c.Has(Muted) && muted || c.Has(Unmuted) && !muted {
				t.Fatalf("%b while talking is %v and muted %v", c, talking, muted)
			}
			talking = talking && !c.Has(Stopped) || c.Has(Started)
			muted = muted && !c.Has(Unmuted) || c.Has(Muted)
			if talking != m.Talking() || muted != m.Muted() || talking && muted {
				t.Fatalf("told %v and %v, is %v and %v", talking, muted, m.Talking(), m.Muted())
			}
			if m.Level() > Silence {
				t.Fatalf("level %d", m.Level())
			}
		}
	})
}

func BenchmarkPacket(b *testing.B) {
	m := New(Config{})
	at := start
	for b.Loop() {
		at += 20 * ms
		m.Packet(at, 30, true, 80)
	}
}
