// Package bench measures what forwarding costs: synthetic clients in this
// process, the real engine in a process of its own, loopback UDP between them.
//
// The engine's process is this program once more. Its main calls Engine before
// anything else, which runs the engine if Run has started the process and does
// nothing otherwise.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// Options is how to measure.
type Options struct {
	Scenarios []Scenario    // default: Scenarios
	Duration  time.Duration // of the measured part of each; default 10 s
	Bitrate   int           // of each camera, in bit/s; default 1.5 Mbit/s
	Engine    string        // media.Config.Engine; default "auto"
	Profile   string        // file for a CPU profile of the engine; empty: none
	Heap      string        // file for a heap profile of it at the end; empty: none
	// Progress is told what is going on, a line at a time; nil: nobody is.
	Progress func(string)
}

// Result is what one scenario has shown.
type Result struct {
	Scenario    Scenario
	Forwarded   uint64        // packets to subscribers
	CPU         time.Duration // of the engine's process, user and system
	Load        time.Duration // of this process: a slow tool would show
	Elapsed     time.Duration
	Subscribers int           // connections that receive
	Memory      int           // bytes of the engine's process, resident at the end
	Frames      int           // whole frames that arrived
	Damaged     int           // frames that did not, or not whole
	Lost        int           // packets that never arrived
	Median      time.Duration // from camera to subscriber, whole frames
	Worst       time.Duration // 99th percentile of that
}

// PacketsPerSecond is how many packets a second of CPU forwards.
func (r Result) PacketsPerSecond() float64 {
	if r.CPU == 0 {
		return 0
	}
	return float64(r.Forwarded) / r.CPU.Seconds()
}

// Report is what all scenarios have shown.
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
	var all Report
	for _, s := range o.Scenarios {
		o.Progress(s.Name + " …")
		r, err := measure(ctx, s, o)
		if err != nil {
			return all, fmt.Errorf("bench %s: %w", s.Name, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// measure plays one scenario.
func measure(ctx context.Context, s Scenario, o Options) (r Result, err error) {
	e, err := startEngine(ctx, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	l := &load{engine: e, bitrate: o.Bitrate}
	defer l.close()
	if err := l.build(ctx, s); err != nil {
		return r, err
	}
	o.Progress(fmt.Sprintf("  %d connections are up", len(l.all())))
	before, err := e.usage()
	if err != nil {
		return r, err
	}
	l.reset()
	own, begin := cpu(), time.Now()
	select {
	case <-time.After(o.Duration):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	after, err := e.usage()
	if err != nil {
		return r, err
	}
	if _, err := e.call(request{Op: "heap", File: o.Heap}); err != nil && o.Heap != "" {
		return r, err
	}
	r = Result{
		Scenario: s, Elapsed: time.Since(begin), Load: cpu() - own,
		Forwarded: after.Packets - before.Packets, CPU: after.CPU - before.CPU,
		Memory: after.Memory, Subscribers: len(l.receivers),
	}
	l.judge(&r)
	if r.Frames == 0 {
		return r, errors.New("no frame arrived")
	}
	return r, nil
}

// WriteTo writes a table.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "scenario\tpackets/s\tengine CPU\tpackets per CPU-second\tCPU-s per million\tframe p50\tp99\tlost\tKiB per subscriber\tload CPU\t")
	for _, x := range r {
		seconds := x.Elapsed.Seconds()
		_, _ = fmt.Fprintf(t, "%s\t%.0f\t%.0f %%\t%.0f\t%.1f\t%s\t%s\t%d\t%d\t%.0f %%\t\n",
			x.Scenario.Name, float64(x.Forwarded)/seconds, 100*x.CPU.Seconds()/seconds, x.PacketsPerSecond(),
			x.CPU.Seconds()*1e6/float64(max(x.Forwarded, 1)), x.Median.Round(10*time.Microsecond), x.Worst.Round(10*time.Microsecond),
			x.Lost, x.Memory>>10/max(x.Subscribers, 1), 100*x.Load.Seconds()/seconds)
	}
	if err := t.Flush(); err != nil {
		return 0, err
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
