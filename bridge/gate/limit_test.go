package gate

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// No more hashes are computed at a time than there are CPUs, and all get their turn.
func TestHashesWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, held := make(limit, 2), make(chan struct{})
		var running, done atomic.Int32
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				l.run(func() {
					running.Add(1)
					<-held
					running.Add(-1)
				})
				done.Add(1)
			})
		}
		synctest.Wait()
		if n := running.Load(); n != 2 {
			t.Errorf("%d are running", n)
		}
		held <- struct{}{}
		synctest.Wait()
		if n, d := running.Load(), done.Load(); n != 2 || d != 1 {
			t.Errorf("%d are running, %d are done", n, d)
		}
		close(held)
		all.Wait()
		if d := done.Load(); d != 5 {
			t.Errorf("%d are done", d)
		}
	})
	if cap(cpus) < 1 {
		t.Error("nobody may run")
	}
}
