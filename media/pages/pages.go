// Package pages makes large memory pages of the heap.
//
// An engine has the state of each connection in a hundred places, and packets of sound
// come to another connection each time. With small pages a tenth of what they cost is to
// find out where in memory those places are (the TLB has room for a few thousand pages).
// Go leaves the choice to the system, and most systems use large pages only where they
// are asked to.
package pages

import (
	"errors"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const (
	pageSize  = 4 << 10
	blockSize = 2 << 20 // a large page
	// denseFrom is how many pages of a block have to be in memory, so that a large page in
	// their place takes at most a third more. Go gives back what it does not use in pieces.
	denseFrom = full * 3 / 4
	full      = blockSize / pageSize
	// most is how many blocks are looked at in one pass. A block that has to be copied
	// takes half a millisecond, one that is as it should be a few microseconds.
	most  = 128
	every = 5 * time.Second
)

// errNever says that this system has no such pages, or is not to use them.
var errNever = errors.New("no large pages")

// Keep enlarges the pages of the heap as it grows, until quit is closed.
func Keep(quit <-chan struct{}) {
	t := time.NewTicker(every)
	defer t.Stop()
	for p := (pass{}); ; {
		select {
		case <-quit:
			return
		case <-t.C:
		}
		if _, err := p.run(); errors.Is(err, errNever) {
			return
		} // after anything else, the next pass goes on
	}
}

// pass goes over the heap piece by piece.
type pass struct{ next uintptr }

// run looks at some blocks, beginning with the one after those that it has looked at last,
// and returns how many of them are large pages now.
func (p *pass) run() (large int, err error) {
	blocks, err := heap()
	if err != nil {
		return 0, err
	}
	from, dense := 0, dense()
	for from < len(blocks) && blocks[from] < p.next {
		from++
	}
	for i := range min(most, len(blocks)) {
		at := blocks[(from+i)%len(blocks)]
		p.next = at + blockSize
		ok, err := enlarge(at, dense)
		if err != nil {
			return large, err
		}
		if ok {
			large++
		}
	}
	return large, nil
}

// dense returns how many pages of a block have to be in memory. Go counts what it has
// given back as gone, so that where memory has a limit nothing may be put in its place.
func dense() int {
	if debug.SetMemoryLimit(-1) < math.MaxInt64 {
		return full
	}
	return denseFrom
}

// blocksOf returns the blocks of the heap, of which at is an address: it is the memory
// without a gap around that, as /proc/self/maps (proc_pid_maps(5)) has it.
func blocksOf(maps string, at uintptr) []uintptr {
	var blocks []uintptr
	var first, last uintptr
	for line := range strings.Lines(maps) {
		span, rest, _ := strings.Cut(line, " ")
		a, b, _ := strings.Cut(span, "-")
		from, errFrom := strconv.ParseUint(a, 16, 64)
		to, errTo := strconv.ParseUint(b, 16, 64)
		if errFrom != nil || errTo != nil || !strings.HasPrefix(rest, "rw-p") || uintptr(from) != last {
			if first <= at && at < last {
				break
			}
			first, last = uintptr(from), uintptr(from)
		}
		if errFrom == nil && errTo == nil && strings.HasPrefix(rest, "rw-p") {
			last = uintptr(to)
		}
	}
	if at < first || at >= last {
		return nil
	}
	for at := (first + blockSize - 1) &^ (blockSize - 1); at+blockSize <= last; at += blockSize {
		blocks = append(blocks, at)
	}
	return blocks
}
