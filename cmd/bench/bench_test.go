package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if ran, err := Engine(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestRun(t *testing.T) {
	r, err := Run(t.Context(), Options{
		Scenarios: []Scenario{
			{Name: "one to three", Publishers: 1, Subscribers: 3},
			{Name: "meeting of three", Publishers: 3, Meeting: true},
		},
		Duration: time.Second,
		Bitrate:  300_000,
		Progress: func(s string) { t.Log(s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, subscribers := range []int{3, 3} {
		x := r[i]
		if x.Subscribers != subscribers || x.Forwarded < 200 || x.CPU <= 0 || x.PacketsPerSecond() <= 0 ||
			x.Frames < 60 || x.Damaged > 0 || x.Median <= 0 || x.Worst < x.Median || x.Memory < 1<<20 {
			t.Errorf("%+v", x)
		}
	}
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines != 3 || !strings.Contains(b.String(), "one to three") {
		t.Errorf("table:\n%s", b.String())
	}
	t.Logf("\n%s", b.String())
}

func TestEngineIsNotAskedFor(t *testing.T) {
	if ran, err := Engine(); ran || err != nil {
		t.Error(ran, err)
	}
}
