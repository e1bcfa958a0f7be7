package driver

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Columns are what a Table is about, in the order in which it is printed.
func Columns() []string { return []string{"audio", "video", "screen", "chat", "mute", "leave"} }

// Table says which dialect got what of which. Its methods may be called from any
// goroutine; the zero value is useful.
type Table struct {
	mu  sync.Mutex
	got map[entry]bool // false: one of both has no way to do or to show it
}

// entry is one fact: that a listener got something of a speaker.
type entry struct{ column, listener, speaker string }

// Got notes that a listener has received something.
func (t *Table) Got(column, listener, speaker string) { t.note(column, listener, speaker, true) }

// Unable notes that one of both dialects has no such thing.
func (t *Table) Unable(column, listener, speaker string) { t.note(column, listener, speaker, false) }

func (t *Table) note(column, listener, speaker string, got bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.got == nil {
		t.got = map[entry]bool{}
	}
	t.got[entry{column, listener, speaker}] = got
}

// Count returns how many pairs of dialects got something, and how many cannot.
func (t *Table) Count(column string) (got, unable int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e, ok := range t.got {
		switch {
		case e.column == column && ok:
			got++
		case e.column == column:
			unable++
		}
	}
	return got, unable
}

// String returns a row per listener, a column per speaker. In each cell is a letter
// for what was got, "-" for what one of both cannot, and "!" for what is missing;
// below, how many pairs got it.
func (t *Table) String() string {
	dialects := t.dialects()
	const width = 10
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", width, "got from")
	for _, d := range dialects {
		fmt.Fprintf(&b, "%-*s", width, d)
	}
	for _, l := range dialects {
		fmt.Fprintf(&b, "\n%-*s", width, l)
		for _, s := range dialects {
			fmt.Fprintf(&b, "%-*s", width, t.cell(l, s))
		}
	}
	for _, c := range Columns() {
		got, unable := t.Count(c)
		fmt.Fprintf(&b, "\n%s  %-6s  %d of %d", letter(c), c, got, len(dialects)*len(dialects)-unable)
		if unable > 0 {
			fmt.Fprintf(&b, "; %d cannot", unable)
		}
	}
	return b.String()
}

func (t *Table) dialects() (all []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e := range t.got {
		all = append(all, e.listener, e.speaker)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (t *Table) cell(listener, speaker string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, c := range Columns() {
		switch got, known := t.got[entry{c, listener, speaker}]; {
		case got:
			b.WriteString(letter(c))
		case known:
			b.WriteString("-")
		default:
			b.WriteString("!")
		}
	}
	return b.String()
}

func letter(column string) string { return strings.ToUpper(column[:1]) }
