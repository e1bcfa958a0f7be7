// Package browser starts real headless Chromium browsers for tests: each one a
// process of its own with a fresh profile, fake devices, and permission to use
// them.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Find returns the path of Chromium, or an error that says what is missing.
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("chromium is missing: apt-get install chromium")
}

// Browser is one Chromium with one tab.
type Browser struct {
	name string
	ctx  context.Context // of the tab
	ends []context.CancelFunc

	mu      sync.Mutex
	console []string // the last lines
}

const maxConsole = 2000 // lines

// Start starts a browser whose name is in its files. It has to be closed.
func Start(ctx context.Context, name string) (*Browser, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		return nil, err
	}
	b := &Browser{name: name, ends: []context.CancelFunc{func() { os.RemoveAll(profile) }}} //nolint:errcheck // a temporary folder
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(time.Minute),
	}, flags()...)
	alloc, end := chromedp.NewExecAllocator(ctx, options...)
	b.ends = append(b.ends, end)
	tab, end := chromedp.NewContext(alloc, chromedp.WithErrorf(b.linef), chromedp.WithLogf(b.linef))
	b.ends = append(b.ends, end)
	b.ctx = tab
	if err := chromedp.Listen(tab, b.listen); err != nil { // and it starts
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

// flags make a browser that can be tested: fake devices, candidates of loopback
// with their real addresses, and nothing that calls home.
func flags() []chromedp.ExecAllocatorOption {
	all := map[string]any{
		"headless":                            "new",
		"no-sandbox":                          true,
		"disable-gpu":                         true,
		"disable-quic":                        true,
		"no-first-run":                        true,
		"no-default-browser-check":            true,
		"disable-background-networking":       true,
		"disable-component-update":            true,
		"disable-sync":                        true,
		"disable-dev-shm-usage":               true,
		"disable-background-timer-throttling": true,
		"disable-renderer-backgrounding":      true,
		"use-fake-device-for-media-stream":    "fps=8", // five browsers encode and decode it on two cores
		"use-fake-ui-for-media-stream":        true,
		"auto-select-desktop-capture-source":  "Entire screen",
		"autoplay-policy":                     "no-user-gesture-required",
		"allow-loopback-in-peer-connection":   true,
		"disable-features":                    "WebRtcHideLocalIpsWithMdns,MediaRouter,OptimizationHints",
	}
	var options []chromedp.ExecAllocatorOption
	for name, value := range all {
		options = append(options, chromedp.Flag(name, value))
	}
	return options
}

func (b *Browser) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			text := string(a.Value)
			if text == "" {
				text = a.Description
			}
			words = append(words, text)
		}
		b.linef("console %s: %s", e.Type, strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		b.linef("exception: %s", exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		b.linef("log %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventWebSocketFrameSent:
		b.linef("> %s", e.Response.PayloadData)
	case *network.EventWebSocketFrameReceived:
		b.linef("< %s", e.Response.PayloadData)
	}
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

func (b *Browser) linef(format string, args ...any) {
	line := time.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.console) == maxConsole {
		b.console = b.console[1:]
	}
	b.console = append(b.console, line)
}

// Console returns what the page has said, and the frames of its WebSockets.
func (b *Browser) Console() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.console, "\n")
}

// Open goes to a page and waits until it is loaded.
func (b *Browser) Open(ctx context.Context, url string) error {
	_, err := run(ctx, b, chromedp.Navigate(url))
	return err
}

// Eval evaluates an expression, which may be a promise, and decodes its value.
func Eval[T any](ctx context.Context, b *Browser, expression string) (T, error) {
	return run(ctx, b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Wait waits until an expression is true.
func (b *Browser) Wait(ctx context.Context, expression string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := Eval[bool](ctx, b, "!!("+expression+")")
		if err == nil && ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", expression, errors.Join(ctx.Err(), err))
		}
	}
}

// run runs an action in the tab, until ctx ends.
func run[T any](ctx context.Context, b *Browser, a chromedp.Action[T]) (T, error) {
	tab, cancel := context.WithCancel(b.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return chromedp.Run(tab, a)
}

// Save writes a screenshot and the console to a folder; when is part of their
// names.
func (b *Browser) Save(ctx context.Context, dir, when string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := os.WriteFile(filepath.Join(dir, b.name+"-"+when+".log"), []byte(b.Console()), 0o600)
	picture, shot := run(ctx, b, chromedp.CaptureScreenshot())
	if shot != nil {
		return errors.Join(err, shot)
	}
	return errors.Join(err, os.WriteFile(filepath.Join(dir, b.name+"-"+when+".png"), picture, 0o600))
}

// Close ends the browser and removes its profile.
func (b *Browser) Close() {
	for i := len(b.ends) - 1; i >= 0; i-- {
		b.ends[i]()
	}
}
