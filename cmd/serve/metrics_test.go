package serve

import (
	"bufio"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"dragoman/cluster/livekit"
)

func TestMetricsAreWellNamed(t *testing.T) {
	c := free()
	c.Mail.Server, c.Mail.From = "127.0.0.1:1", "bridge@example.org"
	away := livekit.DefaultSettings()
	away.Name, away.URL, away.Key, away.Secret = "main", "ws://127.0.0.1:1", "key", "a secret of the server"
	c.LiveKit = []livekit.Settings{away}
	s := start(t, c)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(s))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	closedSets := []string{"dialect", "reason", "result", "state", "version"}
	if len(families) < 20 {
		t.Errorf("only %d metrics", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "dragoman_") {
			t.Errorf("%s is not called dragoman_…", f.GetName())
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(closedSets, l.GetName()) {
					t.Errorf("%s has the label %s, which may have any number of values", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestMetricsCountAndNameNobody(t *testing.T) {
	s := start(t, free())
	p := s.Ports()
	join(t, "ws://"+p.HTTP+"/ahoy/", "a-room-of-our-own", "Wolfeschlegelstein")
	wait(t, "the connection that made the room is closed", func() bool { return s.connections() == 1 })
	r, err := plain.Get("http://" + p.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	want := map[string]bool{
		`dragoman_rooms 1`:                                       false,
		`dragoman_participants 1`:                                false,
		`dragoman_connections{dialect="ahoy"} 1`:                 false,
		`dragoman_connections{dialect="spreed"} 0`:               false,
		`dragoman_connections_total{dialect="ahoy"} 2`:           false,
		`dragoman_store_failed_total 0`:                          false,
		`dragoman_draining 0`:                                    false,
		`dragoman_build_info{version="test"} 1`:                  false,
		`dragoman_media_dropped_packets_total{reason="stale"} 0`: false,
	}
	number := regexp.MustCompile(`\b127\.0\.0\.1\b`)
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		line := lines.Text()
		if _, ok := want[line]; ok {
			want[line] = true
		}
		if strings.Contains(line, "a-room-of") || strings.Contains(line, "Wolfe") || number.MatchString(line) {
			t.Errorf("somebody is named: %s", line)
		}
	}
	for line, seen := range want {
		if !seen {
			t.Errorf("no line %s", line)
		}
	}
}
