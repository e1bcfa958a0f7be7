package media

import (
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	good := Default()
	good.UDP, good.TCP = ":7000", "[::1]:0"
	good.Advertise = []string{"203.0.113.7", "203.0.113.7:17000", "203.0.113.7:17000/10.0.0.1", "2001:db8::1", "[2001:db8::1]:7/::1"}
	good.Engine = "portable"
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	tests := map[string]func(*Config){
		"udp":         func(c *Config) { c.UDP = "" },
		"udp: \"here": func(c *Config) { c.UDP = "here:7000" },
		"tcp":         func(c *Config) { c.TCP = "127.0.0.1" },
		"tcp: \":x":   func(c *Config) { c.TCP = ":x" },
		"max_bitrate": func(c *Config) { c.MaxBitrate = 1000 },
		"engine":      func(c *Config) { c.Engine = "fast" },
		"public":      func(c *Config) { c.Advertise = []string{"public"} },
		"1.2.3.4:0":   func(c *Config) { c.Advertise = []string{"1.2.3.4:0"} },
		"local":       func(c *Config) { c.Advertise = []string{"1.2.3.4/x"} },
	}
	for want, change := range tests {
		c := Default()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := New(c); err == nil {
			t.Errorf("%s: an engine with this", want)
		}
	}
}

func TestAdvertised(t *testing.T) {
	const (
		udp4  = "1 1 udp 2130706431 10.0.0.1 7000 typ host ufrag x"
		other = "2 1 udp 2130706431 10.0.0.2 7000 typ host"
		udp6  = "3 1 udp 2130706431 fd00::1 7000 typ host"
		tcp   = "4 1 tcp 1671430143 10.0.0.1 7000 typ host tcptype passive"
		rtcp  = "1 2 udp 2130706431 10.0.0.1 7000 typ host"
	)
	tests := []struct {
		name, candidate string
		list            []string
		want            []string
	}{
		{"nothing", udp4, nil, []string{udp4}},
		{"component 2", rtcp, nil, nil},
		{"public", udp4, []string{"203.0.113.7"}, []string{"1 1 udp 2130706431 203.0.113.7 7000 typ host ufrag x"}},
		{"port", tcp, []string{"203.0.113.7:443"}, []string{"4 1 tcp 1671430143 203.0.113.7 443 typ host tcptype passive"}},
		{"mine", udp4, []string{"203.0.113.7/10.0.0.1", "203.0.113.8/10.0.0.2"}, []string{"1 1 udp 2130706431 203.0.113.7 7000 typ host ufrag x"}},
		{"the other's", other, []string{"203.0.113.7/10.0.0.1"}, nil},
		{"other family", udp6, []string{"203.0.113.7"}, nil},
		{"same family", udp6, []string{"203.0.113.7", "2001:db8::1"}, []string{"3 1 udp 2130706431 2001:db8::1 7000 typ host"}},
	}
	for _, tt := range tests {
		list, err := parseAdvertise(tt.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := advertised(tt.candidate, list); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
