package livekit

import "testing"

// TestAccount: what has gone over a peering is counted once, and never taken back.
func TestAccount(t *testing.T) {
	c := &counts{}
	was := traffic{}
	for _, is := range []traffic{
		{packetsIn: 1, packetsOut: 2, bytesIn: 30, bytesOut: 40, resubscribed: 5},
		{packetsIn: 1, packetsOut: 2, bytesIn: 30, bytesOut: 40, resubscribed: 5}, // nothing new
		{packetsIn: 4, packetsOut: 1, bytesIn: 20, bytesOut: 70, resubscribed: 5}, // some of it is less
	} {
		c.account(was, is)
		was = is
	}
	c.account(traffic{}, traffic{bytesIn: 100}) // another peering
	s := c.stats()
	if s.PacketsIn != 4 || s.PacketsOut != 2 || s.BytesIn != 130 || s.BytesOut != 70 || s.Resubscribed != 5 {
		t.Errorf("%+v", s)
	}
}
