package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"dragoman/e2e/stage"
	"dragoman/e2e/transcript"
)

func recordCommand() *cobra.Command {
	var listen, upstream, out, dialect, title string
	c := &cobra.Command{
		Use: "record", Short: "Stand between clients and a server and write a transcript", Args: cobra.NoArgs,
		Long: "Listens for clients, passes everything on to a server, the old one or a node of ours, and\n" +
			"writes what they say to each other as a transcript when it is interrupted. Ids that\n" +
			"occur again become captures, times and session descriptions matchers, and secrets are\n" +
			"replaced: look through the file all the same before you give it away.",
		Example: "  dragoman record --listen 127.0.0.1:9000 --upstream wss://old.example --dialect ahoy --out lock.jsonl",
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9000", "where clients connect")
	f.StringVar(&upstream, "upstream", "", "the server: http, https, ws or wss")
	f.StringVar(&out, "out", "", "file to write; it must not exist")
	f.StringVar(&dialect, "dialect", "", "what they speak, for the header of the file")
	f.StringVar(&title, "title", "recorded", "what the file is about, for its header")
	require(c, "upstream", "out", "dialect")
	c.RunE = func(c *cobra.Command, _ []string) error {
		world, err := transcript.Remote(upstream)
		if err != nil {
			return usageError{err}
		}
		file, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		rec := transcript.NewRecording(dialect, title)
		if err := between(c, listen, upstream, rec.Proxy(world)); err != nil {
			return errors.Join(err, file.Close(), os.Remove(out))
		}
		script := rec.Script()
		if err := errors.Join(script.Write(file), file.Close()); err != nil {
			return err
		}
		c.PrintErrf("%d steps in %s\n", len(script.Steps), out)
		if n := rec.Lost(); n > 0 {
			c.PrintErrf("%d frames did not fit and are missing\n", n)
		}
		return nil
	}
	return c
}

// between runs a proxy until it is interrupted.
func between(c *cobra.Command, listen, upstream string, h http.Handler) error {
	ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	c.PrintErrf("clients connect to %s, everything goes to %s; Ctrl-C ends the recording\n", l.Addr(), upstream)
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		err = server.Close()
		<-served
	}
	return err
}

func replayCommand() *cobra.Command {
	var (
		target  string
		timeout time.Duration
	)
	c := &cobra.Command{
		Use: "replay FILE…", Short: "Play transcripts against a server and print differences", Args: cobra.MinimumNArgs(1),
		Long: "Plays each transcript against a running server, with real media where the transcript asks\n" +
			"for it, and says where the server did something else. Waits take their time: what passes\n" +
			"in memory in an instant may take hours here.",
		Example: "  dragoman replay dialects/ahoy/testdata/lock.jsonl --target ws://127.0.0.1:8082",
	}
	c.Flags().StringVar(&target, "target", "", "the server: http, https, ws or wss, with a path to put before the scripts' own")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long one file may take")
	require(c, "target")
	c.RunE = func(c *cobra.Command, files []string) error {
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		failed := 0
		for _, name := range files {
			script, err := transcript.Load(name)
			if err != nil {
				return err
			}
			begin := time.Now()
			if err := replay(ctx, script, target, timeout); err != nil {
				failed++
				c.Printf("differs  %s: %v\n", name, err)
			} else {
				c.Printf("as said  %s (%s)\n", name, time.Since(begin).Round(time.Millisecond))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d transcripts differ", failed, len(files))
		}
		return nil
	}
	return c
}

func replay(ctx context.Context, script *transcript.Script, target string, timeout time.Duration) error {
	world, err := transcript.Remote(target)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	media := stage.New(world)
	return errors.Join(transcript.Play(ctx, script, media), media.Close())
}
