package media

import (
	"sync"

	"dragoman/bridge"
)

// mailbox tells events to a session, in order and without a lock held, from
// whatever goroutine finds out first. There is nobody to wait for: whoever comes
// while another one is telling leaves its event there.
type mailbox struct {
	notify func(bridge.Event)

	mu      sync.Mutex
	idle    sync.Cond // nobody is telling
	queue   []bridge.Event
	telling bool
	closed  bool
}

func newMailbox(notify func(bridge.Event)) *mailbox {
	b := &mailbox{notify: notify}
	b.idle.L = &b.mu
	return b
}

// leave puts an event into the mailbox. Somebody must flush it afterwards, when
// no lock is held any more.
func (b *mailbox) leave(e bridge.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.queue = append(b.queue, e)
	}
}

// post tells an event.
func (b *mailbox) post(e bridge.Event) {
	b.leave(e)
	b.flush()
}

// flush tells what is in the mailbox.
func (b *mailbox) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.telling {
		return
	}
	b.telling = true
	for len(b.queue) > 0 {
		next := b.queue[0]
		b.queue = b.queue[1:]
		b.mu.Unlock()
		b.notify(next)
		b.mu.Lock()
	}
	b.telling = false
	b.idle.Broadcast()
}

// close drops what is not told yet, and returns when nothing is being told any
// more.
func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.queue = true, nil
	for b.telling {
		b.idle.Wait()
	}
}
