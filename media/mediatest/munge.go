package mediatest

import "strings"

// MungeSpreed does to a description what the Spreed web client does
// (spreed.md 12.1): it deletes the first rtx rtpmap line and the first apt fmtp
// line and leaves their payload type in the m= line.
func MungeSpreed(text string) string {
	var out []string
	var rtx, apt bool
	for line := range strings.SplitSeq(text, "\r\n") {
		if !rtx && strings.HasPrefix(line, "a=rtpmap:") && strings.Contains(line, " rtx/") {
			rtx = true
			continue
		}
		if !apt && strings.HasPrefix(line, "a=fmtp:") && strings.Contains(line, " apt=") {
			apt = true
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\r\n")
}

// MungeLayers leaves the SSRCs out of m-lines with layers, as Chromium does; then
// only packets say where they belong.
func MungeLayers(text string) string {
	sections := strings.Split(text, "\r\nm=")
	for i, s := range sections {
		if !strings.Contains(s, "\r\na=simulcast:") {
			continue
		}
		var out []string
		for line := range strings.SplitSeq(s, "\r\n") {
			if !strings.HasPrefix(line, "a=ssrc") {
				out = append(out, line)
			}
		}
		sections[i] = strings.Join(out, "\r\n")
	}
	return strings.Join(sections, "\r\nm=")
}

// silentNACK leaves out that sound can be repeated, as Chromium does: it never says so, but
// repeats sound and asks for it if the other side does.
func silentNACK(text string) string {
	sections := strings.Split(text, "\r\nm=")
	for i, s := range sections {
		if !strings.HasPrefix(s, "audio") {
			continue
		}
		var out []string
		for line := range strings.SplitSeq(s, "\r\n") {
			if !strings.HasPrefix(line, "a=rtcp-fb:") || !strings.HasSuffix(line, " nack") {
				out = append(out, line)
			}
		}
		sections[i] = strings.Join(out, "\r\n")
	}
	return strings.Join(sections, "\r\nm=")
}

// withoutCandidates removes candidates.
func withoutCandidates(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\r\n") {
		if !strings.HasPrefix(line, "a=candidate:") && line != "a=end-of-candidates" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\r\n")
}
