package bench

import (
	"context"
	"errors"
	"slices"
	"time"
)

// soak lets subscribers come and go, one after the other, and looks at what the engine's
// process has in memory.
func (l *load) soak(ctx context.Context, s Scenario, o Options) (r Result, err error) {
	e, ok := l.subject.(*process)
	if !ok {
		return r, errors.New("joins and leaves are measured of our own engine only")
	}
	r.Scenario, r.Subscribers = s, 1
	before, err := e.usage()
	if err != nil {
		return r, err
	}
	begin, watcher := time.Now(), l.clients[0]
	for n := range s.Joins {
		join := time.Now()
		p, err := e.subscribe(ctx, watcher, 0, -1)
		if err != nil {
			return r, err
		}
		if err := p.WaitPackets(ctx, "", "audio", 1); err != nil {
			return r, err
		}
		r.Received++
		l.joins = append(l.joins, time.Since(join))
		if err := errors.Join(e.leave(), p.Close()); err != nil {
			return r, err
		}
		if n == s.Joins/10 {
			u, err := e.usage()
			if err != nil {
				return r, err
			}
			r.Before = u.Memory
			o.Progress("  a tenth has come and gone")
		}
	}
	after, err := e.usage()
	if err != nil {
		return r, err
	}
	slices.Sort(l.joins)
	r.CPU, r.Memory, r.Elapsed, r.Join = after.CPU-before.CPU, after.Memory, time.Since(begin), l.joins[len(l.joins)/2]
	return r, nil
}
