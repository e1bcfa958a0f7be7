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
