package k3k

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"dragoman/bridge"
)

// Shared documents of a room, for what only this dialect knows.
const (
	docTimer = Name + "/timer"
	docPoll  = Name + "/poll"
)

// How often a change of a document is tried while others change it, too, and after
// what time.
const (
	attempts  = 20
	retryTime = 20 * time.Millisecond
)

// load takes in a document of the snapshot.
func (t *seat) load(d bridge.Doc) {
	switch d.Key {
	case docTimer:
		t.timer = readTimer(d)
		t.timer.run(t)
	case docPoll:
		t.poll = readPoll(d)
		t.poll.run(t)
	}
}

// docChanged tells what has become of a timer or a poll.
func (t *seat) docChanged(_ context.Context, e bridge.DocChanged) error {
	switch e.Doc.Key {
	case docTimer:
		return t.timerChanged(readTimer(e.Doc))
	case docPoll:
		return t.pollChanged(readPoll(e.Doc))
	}
	return nil
}

// put stores a document.
func (t *seat) put(ctx context.Context, key string, v any, version uint64) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.session.Do(ctx, bridge.PutDoc{Key: key, Value: data, IfVersion: version})
}

// insist does something to a document. Where somebody else was faster, it is done
// again when that has been told.
func (t *seat) insist(ctx context.Context, namespace string, left int, do func(context.Context) error) error {
	err := do(ctx)
	if bridge.CodeOf(err) != bridge.Exists || left == 0 {
		return err
	}
	t.s.c.After(retryTime, func(ctx context.Context) error {
		if t.s.seat != t {
			return nil
		}
		return t.s.settle(namespace, t.insist(ctx, namespace, left-1, do))
	})
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
