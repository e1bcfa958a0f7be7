package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"dragoman/bridge"
	"dragoman/cluster/clustertest"
	"dragoman/e2e/driver"
	"dragoman/media/mediatest"
)

// childEnv makes this test binary a client process: what a test kills.
const childEnv = "DRAGOMAN_E2E_CLIENT"

// child is what such a process does.
type child struct {
	Dialect, Addr, Path, Room, Name string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(beChild(text))
	}
	if text := os.Getenv(serverEnv); text != "" {
		os.Exit(beServer(text))
	}
	flag.Parse()
	// Parallel tests wait for deadlines of a minute; they need no CPU of their own.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(mediatest.Stuck),
		goleak.IgnoreAnyFunction(clustertest.LastProbe))
}

// beChild joins, publishes, says so, and stays until it is killed.
func beChild(text string) int {
	err := func() error {
		var c child
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return err
		}
		d, ok := driver.Lookup(c.Dialect)
		if !ok {
			return fmt.Errorf("no dialect %q", c.Dialect)
		}
		p := d.New(driver.Options{Addr: c.Addr, Path: c.Path, Name: c.Name})
		defer p.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Join(ctx, c.Room, bridge.NoRole); err != nil {
			return err
		}
		if err := p.Publish(ctx, bridge.Camera); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(os.Stdout, "in"); err != nil {
			return err
		}
		_, err := os.Stdin.Read(make([]byte, 1)) // the parent holds it open
		return err
	}()
	fmt.Fprintln(os.Stderr, err)
	return 1
}
