package media

import (
	"strings"

	"dragoman/media/sdp"
)

// digestible makes a lifted description fit for Pion: what the peer does not
// want is left out, and what Pion would guess at is said.
func (p *peer) digestible(text string, d sdp.Summary) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		layered := strings.HasPrefix(line, "a=rid:") || strings.HasPrefix(line, "a=simulcast:")
		if !layered || p.cfg.Simulcast {
			b.WriteString(line)
		}
	}
	// With one m-line and no SSRC in it, Pion adds a transceiver for each SSRC that
	// comes; with a line that it cannot read, it leaves that alone. Packets are told
	// apart by us.
	if len(d.Media) == 1 && len(d.Media[0].SSRCs) == 0 {
		b.WriteString("a=ssrc:none\r\n")
	}
	return b.String()
}
