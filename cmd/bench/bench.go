// Package bench measures what forwarding costs: synthetic clients in this
// process, the real engine in a process of its own, loopback UDP between them.
//
// The engine's process is this program once more. Its main calls Engine before
// anything else, which runs the engine if Run has started the process and does
// nothing otherwise.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Scenario is who sends to whom.
type Scenario struct {
	Name        string
	Publishers  int
	Subscribers int  // of every publisher; they publish nothing
	Meeting     bool // publishers get each other
	Rooms       int  // how often there is all that; 0: once
	Audio       bool // without pictures
	Joins       int  // that many subscribers come and go, one after the other; ours only
}

// Scenarios are those that are measured by default.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "1 publisher to 50", Publishers: 1, Subscribers: 50},
		{Name: "1 publisher to 200", Publishers: 1, Subscribers: 200},
		{Name: "meeting of 10, all to all", Publishers: 10, Meeting: true},
		{Name: "100 audio rooms of 2", Publishers: 2, Meeting: true, Rooms: 100, Audio: true},
	}
}

// Soak is a scenario that is measured when it is asked for: who comes and goes leaves
// nothing behind.
func Soak() Scenario { return Scenario{Name: "10 000 joins and leaves", Publishers: 1, Joins: 10_000} }

// Options is how to measure.
type Options struct {
	Scenarios []Scenario    // default: Scenarios
	Duration  time.Duration // of the measured part of each; default 10 s
	Bitrate   int           // of each camera, in bit/s; default 1.5 Mbit/s
	Engine    string        // media.Config.Engine; default "auto"
	Profile   string        // file for a CPU profile of the engine; empty: none
	Heap      string        // file for a heap profile of it at the end; empty: none
	LiveKit   string        // binary of a LiveKit server to compare with; empty: none
	Rounds    int           // of everything, one after the other; default 1
	// Progress is told what is going on, a line at a time; nil: nobody is.
	Progress func(string)
}

// Result is what one scenario has shown.
type Result struct {
	Scenario    Scenario
	Subject     string        // "dragoman" or "livekit"
	Received    uint64        // packets that subscribers got
	CPU         time.Duration // of the engine's process, user and system
	Load        time.Duration // of this process: a slow tool would show
	Elapsed     time.Duration
	Subscribers int           // connections that receive
	Memory      int           // bytes of the engine's process, resident at the end
	Idle        int           // the same before anybody was connected
	Before      int           // the same after the first tenth of Joins; 0: there were none
	Frames      int           // whole frames that arrived
	Damaged     int           // frames that did not, or not whole
	Lost        int           // packets that never arrived
	Median      time.Duration // of whole frames, or of packets of sound: from when the last packet leaves until the subscriber's kernel has it (Linux; else until it is read)
	Worst       time.Duration // 99th percentile of that
	Join        time.Duration // median, from asking to the first whole frame; 0: not measured
}

// PacketsPerSecond is how many packets a second of CPU forwards.
func (r Result) PacketsPerSecond() float64 {
	if r.CPU == 0 {
		return 0
	}
	return float64(r.Received) / r.CPU.Seconds()
}

// perSubscriber is what is resident for each connection that receives, in KiB: of all of
// the process, and of what it has more than before anybody was connected.
func (r Result) perSubscriber() (all, above int) {
	n := max(r.Subscribers, 1)
	return r.Memory >> 10 / n, (r.Memory - r.Idle) >> 10 / n
}

// perMillion is the CPU time of a million packets, in seconds.
func (r Result) perMillion() float64 { return r.CPU.Seconds() * 1e6 / float64(max(r.Received, 1)) }

// Report is what all scenarios have shown, the medians of all rounds.
type Report []Result

// Run measures. It needs a process of its own for the engine: see Engine.
func Run(ctx context.Context, o Options) (Report, error) {
	if len(o.Scenarios) == 0 {
		o.Scenarios = Scenarios()
	}
	if o.Duration == 0 {
		o.Duration = 10 * time.Second
	}
	if o.Engine == "" {
		o.Engine = "auto"
	}
	if o.Bitrate == 0 {
		o.Bitrate = 1_500_000
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	subjects := map[string]func() (subject, error){
		ours: func() (subject, error) { return startEngine(ctx, o) },
	}
	order := []string{ours}
	if o.LiveKit != "" {
		subjects[theirs] = func() (subject, error) { return startLiveKit(ctx, o.LiveKit) }
		order = append(order, theirs)
	}
	var all Report
	for _, s := range o.Scenarios {
		rounds := map[string][]Result{}
		for n := range max(o.Rounds, 1) {
			for _, name := range order {
				if s.Joins > 0 && name != ours {
					continue
				}
				o.Progress(fmt.Sprintf("%s, %s, round %d …", s.Name, name, n+1))
				r, err := measure(ctx, s, o, subjects[name])
				if err != nil {
					return all, fmt.Errorf("bench %s, %s: %w", s.Name, name, err)
				}
				r.Subject = name
				rounds[name] = append(rounds[name], r)
			}
		}
		for _, name := range order {
			if len(rounds[name]) > 0 {
				all = append(all, median(rounds[name]))
			}
		}
	}
	return all, nil
}

// What is measured.
const (
	ours   = "dragoman"
	theirs = "livekit"
)

// median takes the round whose packets cost the median, and the median of each of
// what else varies.
func median(all []Result) Result {
	middle := func(less func(a, b Result) int) Result {
		slices.SortFunc(all, less)
		return all[len(all)/2]
	}
	r := middle(func(a, b Result) int { return cmp.Compare(a.perMillion(), b.perMillion()) })
	r.Median = middle(func(a, b Result) int { return cmp.Compare(a.Median, b.Median) }).Median
	r.Worst = middle(func(a, b Result) int { return cmp.Compare(a.Worst, b.Worst) }).Worst
	r.Join = middle(func(a, b Result) int { return cmp.Compare(a.Join, b.Join) }).Join
	memory := middle(func(a, b Result) int { return cmp.Compare(a.Memory, b.Memory) })
	r.Memory, r.Idle = memory.Memory, memory.Idle
	return r
}

// measure plays one scenario.
func measure(ctx context.Context, s Scenario, o Options, begin func() (subject, error)) (r Result, err error) {
	e, err := begin()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	idle, err := e.usage()
	if err != nil {
		return r, err
	}
	l := &load{subject: e, bitrate: o.Bitrate, kind: "video"}
	if s.Audio {
		l.kind = "audio"
	}
	defer l.close()
	if err := l.build(ctx, s); err != nil {
		return r, err
	}
	o.Progress(fmt.Sprintf("  %d connections are up", len(l.all())))
	if s.Joins > 0 {
		return l.soak(ctx, s, o)
	}
	defer calm()()
	before, err := e.usage()
	if err != nil {
		return r, err
	}
	l.reset()
	own, started := cpu(), time.Now()
	select {
	case <-time.After(o.Duration):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	after, err := e.usage()
	if err != nil {
		return r, err
	}
	if p, ok := e.(*process); ok && o.Heap != "" {
		if _, err := p.call(request{Op: "heap", File: o.Heap}); err != nil {
			return r, err
		}
	}
	r = Result{
		Scenario: s, Elapsed: time.Since(started), Load: cpu() - own,
		CPU:    after.CPU - before.CPU,
		Memory: after.Memory, Idle: idle.Memory, Subscribers: len(l.receivers),
	}
	l.judge(&r)
	if r.Received == 0 {
		return r, errors.New("nothing arrived")
	}
	return r, nil
}

// WriteTo writes a table, with the ratios of ours to theirs where both were
// measured.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "scenario\t\tpackets/s\tengine CPU\tCPU-s per million\tdelay p50\tp99\tfirst frame\tlost\tKiB per subscriber\tabove idle\tload CPU\t")
	for i, x := range r {
		seconds := x.Elapsed.Seconds()
		all, above := x.perSubscriber()
		_, _ = fmt.Fprintf(t, "%s\t%s\t%.0f\t%.0f %%\t%.1f\t%s\t%s\t%s\t%d\t%d\t%d\t%.0f %%\t\n",
			x.Scenario.Name, x.Subject, float64(x.Received)/seconds, 100*x.CPU.Seconds()/seconds, x.perMillion(),
			short(x.Median), short(x.Worst), short(x.Join), x.Lost, all, above, 100*x.Load.Seconds()/seconds)
		if i > 0 && r[i-1].Scenario == x.Scenario {
			o := r[i-1]
			_, _ = fmt.Fprintf(t, "\tratio\t\t\t%s\t%s\t%s\t%s\t\t%s\t\t\t\n",
				ratio(o.perMillion(), x.perMillion()), ratio(float64(o.Median), float64(x.Median)), ratio(float64(o.Worst), float64(x.Worst)),
				ratio(float64(o.Join), float64(x.Join)), ratio(float64(o.Memory), float64(x.Memory)))
		}
	}
	if err := t.Flush(); err != nil {
		return 0, err
	}
	for _, x := range r {
		if x.Before > 0 {
			_, _ = fmt.Fprintf(&b, "%s: %d KiB resident after the first tenth, %d KiB at the end\n", x.Scenario.Name, x.Before>>10, x.Memory>>10)
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func short(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(10 * time.Microsecond).String()
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", a/b)
}
