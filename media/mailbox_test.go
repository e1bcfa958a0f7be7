package media

import (
	"sync"
	"testing"

	"dragoman/bridge"
)

// Events of many goroutines are told one at a time, each goroutine's in their
// order, and none after close.
func TestMailbox(t *testing.T) {
	var got []bridge.PeerMessage
	var closed, telling bool
	var mu sync.Mutex
	b := newMailbox(func(e bridge.Event) {
		mu.Lock()
		defer mu.Unlock()
		if telling || closed {
			t.Error("told twice at once, or after close")
		}
		got = append(got, e.(bridge.PeerMessage))
	})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				b.post(bridge.PeerMessage{Label: string(rune('a' + i)), Data: []byte{byte(n >> 8), byte(n)}})
			}
		})
	}
	wg.Wait()
	b.flush()
	next := map[string]int{}
	for _, m := range got {
		if n := int(m.Data[0])<<8 | int(m.Data[1]); n != next[m.Label] {
			t.Fatalf("%s: %d after %d", m.Label, n, next[m.Label])
		}
		next[m.Label]++
	}
	if len(got) != 2000 {
		t.Errorf("%d events", len(got))
	}
	b.leave(bridge.PeerMessage{})
	b.close()
	closed = true
	b.post(bridge.PeerMessage{})
	b.flush()
}

// What is told may lead to more that is to be told.
func TestMailboxTellsFromWithin(t *testing.T) {
	var b *mailbox
	n := 0
	b = newMailbox(func(bridge.Event) {
		if n++; n < 10 {
			b.post(bridge.PeerMessage{})
		}
	})
	b.post(bridge.PeerMessage{})
	if n != 10 {
		t.Errorf("%d events", n)
	}
}
