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
	sections := d.media
	limited, pending := false, false // whether the section has a limit, and still waits for it
	for line := range strings.Lines(text) {
		if pending && !strings.ContainsRune("ic", rune(line[0])) {
			b.WriteString(limit)
			pending = false
		}
		if line[0] == 'm' {
			limited = receivesVideo(sections[0], d.body)
			pending, sections = limited, sections[1:]
		}
		if limited && (strings.HasPrefix(line, "b=AS:") || strings.HasPrefix(line, "b=TIAS:")) {
			continue
		}
		b.WriteString(line)
	}
	if pending {
		b.WriteString(limit)
	}
	return b.String()
}

// receivesVideo reports whether the author of a section wants video in it.
func receivesVideo(s *section, session body) bool {
	return s.kind == "video" && !s.rejected() && s.direction(session).Receives()
}
