package client

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Entry is something that happened to the client. The kinds:
//
//	self closed                       the connection
//	welcome room error                the room
//	joined left status                somebody; Text of left is soft or hard
//	chat whisper typing               talk; Text is what was said
//	sent delivered seen               how a message of ours fares; Text is its Mid
//	conference                        Text is its id
//	offer answer bye                  calls; Text of bye is the reason
//	ringing call lost                 somebody calls; a call is connected; its transport failed
//	talking                           Text is true or false
//	screen screen-gone                a screen of somebody
//	viewer viewer-gone                somebody looks at ours
//	channel                           any other document of a data channel
//	dropped                           events of peers that came too fast
type Entry struct {
	Kind string
	From string // session id; empty: the server
	Name string // what From calls itself, as far as it is known
	Text string
	Doc  json.RawMessage // the document, where there is one
}

// String returns the entry on one line.
func (e Entry) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %q", e.Kind, e.Name, e.Text))
}

// keptEntries is how many entries are kept; older ones are forgotten.
const keptEntries = 10_000

// log holds what happened, and who waits for something to happen. It belongs to
// the loop.
type log struct {
	entries []Entry
	waiting map[chan Entry]func(Entry) bool
}

func newLog() log { return log{waiting: map[chan Entry]func(Entry) bool{}} }

func (l *log) add(e Entry) {
	if len(l.entries) == keptEntries {
		l.entries = append(l.entries[:0], l.entries[keptEntries/2:]...)
	}
	l.entries = append(l.entries, e)
	for ch, wanted := range l.waiting {
		if wanted(e) {
			delete(l.waiting, ch)
			ch <- e // has room for one
		}
	}
}

func (l *log) end() {
	for ch := range l.waiting {
		close(ch)
	}
}

// note logs an entry.
func (c *Client) note(e Entry) {
	if e.Name == "" && e.From != "" {
		e.Name = c.nameOf(e.From)
	}
	c.log.add(e)
}

// Log returns what happened so far.
func (c *Client) Log(ctx context.Context) (entries []Entry, err error) {
	err = c.do(ctx, func() { entries = append(entries, c.log.entries...) })
	return entries, err
}

// Wait waits until something has happened for which wanted holds, or returns at
// once when it has happened already. wanted must not call the client.
func (c *Client) Wait(ctx context.Context, wanted func(Entry) bool) (Entry, error) {
	ch := make(chan Entry, 1)
	var found bool
	var e Entry
	err := c.do(ctx, func() {
		for _, e = range c.log.entries {
			if wanted(e) {
				found = true
				return
			}
		}
		c.log.waiting[ch] = wanted
	})
	if err != nil || found {
		return e, err
	}
	var ok bool
	select {
	case e, ok = <-ch:
		if !ok {
			return e, ErrClosed
		}
		return e, nil
	case <-ctx.Done():
		_ = c.do(context.WithoutCancel(ctx), func() { delete(c.log.waiting, ch) })
		return e, ctx.Err()
	}
}

// Saw waits for an entry of a kind that comes from somebody of that name and has
// that text. Empty name and text match any.
func (c *Client) Saw(ctx context.Context, kind, name, text string) (Entry, error) {
	e, err := c.Wait(ctx, func(e Entry) bool {
		return e.Kind == kind && (name == "" || e.Name == name) && (text == "" || e.Text == text)
	})
	if err != nil {
		err = fmt.Errorf("wait for %s from %q with %q: %w", kind, name, text, err)
	}
	return e, err
}
