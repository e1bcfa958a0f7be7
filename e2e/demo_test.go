package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"dragoman/e2e/demo"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

func TestDemo(t *testing.T) {
	n := node.Start(t, node.Options{})
	places := map[string]demo.Place{}
	for _, d := range driver.Dialects() {
		addr, path := n.Place(d.Name)
		places[d.Name] = demo.Place{Addr: addr, Path: path}
	}
	var out bytes.Buffer
	if err := demo.Play(t.Context(), &out, places); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, d := range driver.Dialects() {
		if want := " joins with " + d.Name + "\n"; strings.Count(out.String(), want) != 2 {
			t.Errorf("not twice %q in\n%s", want, &out)
		}
	}
	n2 := len(driver.Dialects()) * len(driver.Dialects())
	for _, c := range driver.Columns() {
		able := n2
		for _, s := range driver.Dialects() {
			for _, l := range driver.Dialects() {
				if c == "chat" && (s.NoChat || l.NoChat) || c == "screen" && s.NoScreen {
					able--
				}
			}
		}
		if want := fmt.Sprintf("%-6s  %d of %d", c, able, able); !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	t.Logf("\n%s", &out)
	for _, want := range []string{"Anna joins with ahoy", "sound+picture", "and all read it", "shares a screen, and all see it", "Anna leaves"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	places["ahoy"] = demo.Place{Addr: "127.0.0.1:1"}
	if err := demo.Play(t.Context(), &out, places); err == nil || !strings.Contains(err.Error(), "joins") {
		t.Errorf("without a server: %v", err)
	}
}
