package pages

import (
	"math"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBlocks(t *testing.T) {
	const maps = `00400000-01000000 r-xp 00000000 fe:00 1                         /bin/dragoman
01000000-01200000 rw-p 00c00000 fe:00 1                         /bin/dragoman
c000100000-c000900000 rw-p 00000000 00:00 0                     [anon: Go: heap]
c000900000-c000d00000 rw-p 00000000 00:00 0 
c000d00000-c004000000 ---p 00000000 00:00 0 
c004000000-c004400000 rw-p 00000000 00:00 0 
nonsense
7f0000000000-7f0000600000 rw-p 00000000 00:00 0 `
	for _, x := range []struct {
		at, from uintptr
		n        int
	}{
		{0xc000100000, 0xc000200000, 5},
		{0xc000cfffff, 0xc000200000, 5},
		{0xc000d00000, 0, 0},
		{0xc004000001, 0xc004000000, 2},
		{0x7f0000000000, 0x7f0000000000, 3},
		{1, 0, 0},
	} {
		var want []uintptr
		for i := range x.n {
			want = append(want, x.from+uintptr(i)*blockSize)
		}
		if got := blocksOf(maps, x.at); !slices.Equal(got, want) {
			t.Errorf("%x: %x, want %x", x.at, got, want)
		}
	}
	if got := blocksOf("", 0); got != nil {
		t.Errorf("%x", got)
	}
}

// Where memory has a limit, a large page may take no more than what it stands for.
func TestDense(t *testing.T) {
	was := debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	if n := dense(); n != denseFrom {
		t.Errorf("%d pages without a limit", n)
	}
	debug.SetMemoryLimit(1 << 40)
	if n := dense(); n != full {
		t.Errorf("%d pages with a limit", n)
	}
}

// It ends when it is told to.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		quit, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			Keep(quit)
		}()
		time.Sleep(3 * every) // synctest
		close(quit)
		<-done
	})
}
