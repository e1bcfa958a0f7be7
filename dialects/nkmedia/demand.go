package nkmedia

import (
	"context"
	"time"
)

// demands are the requests of ours that are not answered, by tid. Each has what takes
// its deadline back.
type demands struct {
	open   map[int]func()
	last   int       // tid
	spoke  time.Time // when the client's last frame was dealt with
	answer time.Time // the same of its last answer
}

// Bounds of requests of ours.
const (
	maxDemands = 2000                   // that may be unanswered
	leeway     = 250 * time.Millisecond // within which a deadline is judged
	maxLooks   = int(answerTime / leeway)
)

// demand sends a request of ours, which has to be answered in time (reference 3.3).
func (s *speaker) demand(cmd string, data any) error {
	if len(s.demands.open) >= maxDemands {
		return hangup("too slow")
	}
	s.demands.last++
	n := s.demands.last
	s.expect(n, answerTime)
	return s.write(demand{core, cmd, data, n})
}

// expect gives the client time to answer. An answer stands behind all that the client
// has sent before, and that may be what takes us long: so it is late only when we
// are not, and when the client has nothing to say, or has gone on for as long again
// without any answer.
func (s *speaker) expect(n int, d time.Duration) {
	looks := 0
	var arm func(d time.Duration)
	arm = func(d time.Duration) {
		due := time.Now().Add(d)
		s.demands.open[n] = s.c.After(d, func(context.Context) error {
			now := time.Now()
			switch {
			case now.Sub(due) >= leeway, now.Sub(s.demands.answer) < leeway:
			case now.Sub(s.demands.spoke) < leeway && looks < maxLooks:
				looks++
			default:
				return hangup("no answer")
			}
			arm(leeway)
			return nil
		})
	}
	arm(d)
}

// answered takes the client's answer to a request of ours, whatever it says.
func (s *speaker) answered(n int) {
	if stop := s.demands.open[n]; stop != nil {
		stop()
		delete(s.demands.open, n)
		s.demands.answer = time.Now()
	}
}

// acked gives the client more time.
func (s *speaker) acked(n int) {
	if stop := s.demands.open[n]; stop != nil {
		stop()
		s.expect(n, ackedTime)
	}
}
