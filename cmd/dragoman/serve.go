package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/dialects/all"
	"dragoman/media"
)

// source says which configuration a command is about.
type source struct {
	file     string
	dev      bool
	insecure bool
	flags    *pflag.FlagSet
}

// sourceFlags adds the flags that every command with a configuration has, and one
// for each key.
func sourceFlags(c *cobra.Command) *source {
	s := &source{flags: c.Flags()}
	c.Flags().StringVarP(&s.file, "config", "c", os.Getenv("DRAGOMAN_CONFIG"), "configuration file (DRAGOMAN_CONFIG); none: development mode")
	c.Flags().BoolVar(&s.dev, "dev", false, "development mode: loopback only, anybody may enter (DRAGOMAN_DEV)")
	c.Flags().BoolVar(&s.insecure, "insecure", false, "let development mode listen on other addresses (DRAGOMAN_INSECURE)")
	config.AddFlags(c.Flags(), sections())
	return s
}

// sections are the dialects as the configuration has to know them.
func sections() []config.Section {
	var out []config.Section
	for _, e := range all.List() {
		out = append(out, config.Section{Name: e.New().Name(), Listen: e.Listen, Config: e.Config})
	}
	return out
}

func (s *source) load() (*config.Loaded, error) {
	o := config.Options{File: s.file, Insecure: s.insecure, Flags: s.flags, Sections: sections()}
	switch dev, said := os.LookupEnv("DRAGOMAN_DEV"); {
	case s.flags.Changed("dev"):
		o.Dev = &s.dev
	case said:
		on, err := strconv.ParseBool(dev)
		if err != nil {
			return nil, config.Problems{{Where: "DRAGOMAN_DEV", Text: "is neither true nor false"}}
		}
		o.Dev = &on
	}
	if on, _ := strconv.ParseBool(os.Getenv("DRAGOMAN_INSECURE")); on && !s.flags.Changed("insecure") {
		o.Insecure = true
	}
	return config.Load(o)
}

func serveCommand() *cobra.Command {
	var portsFile string
	c := &cobra.Command{
		Use: "serve", Short: "Run a node", Args: cobra.NoArgs,
		Long: "Runs a node. Without a configuration file it is in development mode: everything on\n" +
			"loopback, and whoever is on this machine may enter any room.\n\n" +
			"The first signal (SIGINT, SIGTERM) drains: no new clients, the meetings that are\n" +
			"running go on for drain.timeout; in a cluster its rooms go on on other nodes. The second\n" +
			"one stops. SIGHUP reads the keys of the cluster again.",
	}
	src := sourceFlags(c)
	c.Flags().StringVar(&portsFile, "ports-file", os.Getenv("DRAGOMAN_PORTS_FILE"), "write the addresses that were taken to this file, as JSON (DRAGOMAN_PORTS_FILE)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := src.load()
		if err != nil {
			return err
		}
		log := newLog(loaded.Log, c.ErrOrStderr())
		for _, name := range loaded.Unused {
			log.Warn("this variable means nothing", "name", name)
		}
		tune(loaded.Runtime)
		server, err := serve.New(loaded.Config, serve.Options{Log: log, Version: version})
		if err != nil {
			return loaded.Explain(err)
		}
		return stay(c, server, loaded.Config, portsFile, log)
	}
	return c
}

// stay runs a server until it is told to go.
func stay(c *cobra.Command, server *serve.Server, cfg config.Config, portsFile string, log *slog.Logger) error {
	signals, again := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(signals)
	defer signal.Stop(again)
	ctx, drain := context.WithCancel(c.Context())
	defer drain()
	if err := server.Start(ctx); err != nil {
		return err
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		for acts := []func(){drain, server.Hurry}; len(acts) > 0; {
			select {
			case <-signals:
				acts[0]()
				acts = acts[1:]
			case <-again:
				if err := server.Rekey(); err != nil {
					log.Error("the keys of the cluster are as before", "err", err)
				}
			case <-over:
				return
			}
		}
	}()
	if portsFile != "" {
		if err := server.Ports().WriteFile(portsFile); err != nil {
			_ = server.Close() // the file is what the caller waits for
			return err
		}
		defer os.Remove(portsFile) //nolint:errcheck // it says where nobody listens any more
	}
	if cfg.Dev || isTerminal(c.OutOrStdout()) {
		if err := server.Greet(c.OutOrStdout()); err != nil {
			_ = server.Close()
			return err
		}
	}
	return server.Wait(ctx)
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func newLog(c config.Log, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: levels[c.Level]}
	if c.Format == "json" || c.Format == "auto" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// tune sets what holds for the whole process.
func tune(r config.Runtime) {
	if r.Gomemlimit > 0 {
		debug.SetMemoryLimit(int64(r.Gomemlimit))
	}
	media.Tune(r.Gogc)
}
