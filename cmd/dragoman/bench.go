package main

import (
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"dragoman/cmd/bench"
)

func benchCommand() *cobra.Command {
	var (
		options bench.Options
		output  string
		names   []string
		known   []string
	)
	scenarios := append(bench.Scenarios(), bench.Soak())
	for _, s := range scenarios {
		known = append(known, s.Name)
	}
	c := &cobra.Command{
		Use: "bench", Short: "Measure what forwarding costs on this machine", Args: cobra.NoArgs,
		Long: "Starts the media engine in a process of its own, sends real media through it over loopback,\n" +
			"and prints how many packets one second of CPU forwards. Compare figures of one run, not of\n" +
			"two machines.\n\nScenarios: " + strings.Join(known, "; ") + ".",
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range names {
				at := slices.Index(known, name)
				if at < 0 {
					return usageError{fmt.Errorf("there is no scenario %q: %s", name, strings.Join(known, "; "))}
				}
				options.Scenarios = append(options.Scenarios, scenarios[at])
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			options.Progress = func(line string) { c.PrintErrln(line) }
			report, err := bench.Run(ctx, options)
			if err != nil {
				return err
			}
			if output == "table" {
				_, err = report.WriteTo(c.OutOrStdout())
				return err
			}
			return show(c, output, report, nil)
		},
	}
	f := c.Flags()
	f.DurationVar(&options.Duration, "duration", 0, "how long each scenario is measured (default 10s)")
	f.IntVar(&options.Bitrate, "bitrate", 0, "of each camera, in bit/s (default 1500000)")
	f.StringVar(&options.LiveKit, "livekit", "", "binary of a LiveKit server to compare with")
	f.IntVar(&options.Rounds, "rounds", 0, "how often everything is measured, for medians (default 1)")
	f.StringVar(&options.Profile, "profile", "", "file for a CPU profile of the engine")
	f.StringVar(&options.Heap, "heap", "", "file for a heap profile of the engine, at the end")
	f.StringVar(&options.Engine, "engine", "", "media.engine: auto or portable (default auto)")
	f.StringArrayVar(&names, "scenario", nil, "one scenario by name; may be given again (default all but the last)")
	outputFlag(c, &output)
	return c
}
