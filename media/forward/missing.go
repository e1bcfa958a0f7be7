package forward

import "time"

// missing are the packets of a layer that have not come, to be asked for with
// NACKs (RFC 4585, 6.2.1).
type missing struct {
	list [maxMissing]gap // oldest first
	n    int
}

// gap is one packet that has not come.
type gap struct {
	seq   uint64
	since int64
	asked int64 // last time
	tries int
}

const (
	maxMissing = 256
	maxTries   = 10
	reorder    = int64(5 * time.Millisecond)  // what comes that late was not lost
	retry      = int64(40 * time.Millisecond) // and twice, three times … that for each try
)

// add notes a range of packets. It reports false if they are too many to be
// repaired.
func (m *missing) add(from, to uint64, now int64) bool {
	if to-from > uint64(maxMissing-m.n) {
		m.n = 0
		return false
	}
	for seq := from; seq < to; seq++ {
		m.list[m.n] = gap{seq: seq, since: now}
		m.n++
	}
	return true
}

// remove forgets a packet that came after all, and reports whether it had been
// asked for.
func (m *missing) remove(seq uint64) (asked bool) {
	for i := range m.list[:m.n] {
		if m.list[i].seq == seq {
			asked = m.list[i].tries > 0
			copy(m.list[i:], m.list[i+1:m.n])
			m.n--
			return asked
		}
	}
	return false
}

// due appends the sequence numbers that should be asked for now, and forgets
// those that were asked for often enough or that nobody waits for any more. It
// reports how many it forgot.
func (m *missing) due(now int64, oldest uint64, out []uint16) (_ []uint16, lost int) {
	keep := 0
	for i := range m.list[:m.n] {
		g := m.list[i]
		if g.tries >= maxTries || g.seq < oldest {
			lost++
			continue
		}
		wait := reorder
		if g.tries > 0 {
			wait = retry * int64(g.tries)
		}
		if now-max(g.asked, g.since) >= wait {
			g.asked = now
			g.tries++
			out = append(out, uint16(g.seq))
		}
		m.list[keep] = g
		keep++
	}
	m.n = keep
	return out, lost
}
