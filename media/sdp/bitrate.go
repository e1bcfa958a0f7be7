package sdp

import (
	"fmt"
	"strings"
)

// Bitrate limits what the other side sends as video: each video section in which
// the author of text receives gets b=AS in kbit/s and b=TIAS in bit/s (RFC 8866,
// 5.8, RFC 3890) in place of those that it has, before its attributes as the
// order of RFC 8866 wants it. Everything else stays as it is, byte for byte. No
// limit, or less, changes nothing.
func Bitrate(text string, bps int) string {
	d, err := parse(text)
	if err != nil || bps <= 0 {
		return text
	}
	limit := fmt.Sprintf("b=AS:%d\r\nb=TIAS:%d\r\n", max(1, bps/1000), bps)
	var b strings.Builder
	media, pending := -1, false // the section, and whether it waits for its limit
	limited := func() bool {
		return media >= 0 && d.media[media].kind == "video" && !d.media[media].rejected() &&
			d.media[media].direction(d.body).Receives()
	}
	for line := range strings.Lines(text) {
		head := line[0] == 'm' || line[0] == 'i' || line[0] == 'c'
		if pending && !head || pending && line[0] == 'm' {
			b.WriteString(limit)
			pending = false
		}
		if line[0] == 'm' {
			media++
			pending = limited()
		}
		if limited() && (strings.HasPrefix(line, "b=AS:") || strings.HasPrefix(line, "b=TIAS:")) {
			continue
		}
		b.WriteString(line)
	}
	if pending {
		b.WriteString(limit)
	}
	return b.String()
}
