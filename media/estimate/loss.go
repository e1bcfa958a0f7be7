package estimate

import "time"

const (
	sample     = 64          // packets that a loss rate is taken of, at least …
	sampleTime = time.Second // … and of how long, unless there are very many
	blatant    = 0.2         // more loss than this needs no second sample
)

// losses finds out how much is lost of what is numbered. A sample that has lost more
// than a tenth is congestion if the one before has, too: chance alone does that now
// and then.
type losses struct {
	counted, lost int
	bytes         int
	left          span
	part          float64 // of the last sample that is complete
}

// add takes what became of a packet.
func (l *losses) add(left time.Duration, size int, received bool) {
	l.left.add(left, l.counted == 0)
	l.counted++
	l.bytes += size
	if !received {
		l.lost++
	}
}

// judge returns, if there is congestion, what was sent in bit/s and the part that was
// lost; otherwise sent is 0, and part is what was lost lately.
func (l *losses) judge() (sent, part float64) {
	enough := l.counted >= sample && l.left.last-l.left.first >= sampleTime || l.counted >= 4*sample
	if !enough {
		return 0, l.part
	}
	sent, part = l.left.rate(l.bytes), float64(l.lost)/float64(l.counted)
	before := l.part
	*l = losses{part: part}
	if part > blatant || part > lossy && before > lossy {
		return sent, part
	}
	return 0, part
}
