package main

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/e2e/demo"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Play a scripted mixed meeting and print who heard whom", Args: cobra.NoArgs,
		Long: "Starts a node of its own on free ports of this machine, lets scripted clients of every\n" +
			"dialect meet on it with synthetic audio and video, and prints who heard, saw and read whom.",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			server, err := anywhere(ctx)
			if err != nil {
				return err
			}
			defer func() {
				if closing := server.Close(); err == nil {
					err = closing
				}
			}()
			places := map[string]demo.Place{}
			for name, addr := range server.Ports().Dialects {
				places[name] = demo.Place{Addr: addr}
			}
			return demo.Play(ctx, c.OutOrStdout(), places)
		},
	}
}

// anywhere starts a node in development mode on free ports.
func anywhere(ctx context.Context) (*serve.Server, error) {
	const free = "127.0.0.1:0"
	cfg := config.Development()
	cfg.HTTP.Listen, cfg.Admin.Listen, cfg.Media.UDP, cfg.Media.TCP = free, free, free, free
	for _, s := range sections() {
		cfg.Dialects = append(cfg.Dialects, config.Dialect{Name: s.Name, Enabled: true, Listen: free})
	}
	server, err := serve.New(cfg, serve.Options{Log: slog.New(slog.DiscardHandler), Version: version})
	if err != nil {
		return nil, err
	}
	return server, server.Start(ctx)
}
