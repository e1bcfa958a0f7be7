package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// goType is the Go name of a type: without the prefix of its module.
func goType(name string) string {
	for _, prefix := range []string{"Asn", "ROSE"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && rest != "tring" {
			name = rest
			break
		}
	}
	return strings.TrimSuffix(name, "Enum")
}

// hungarian is the prefix of a field's type.
var hungarian = regexp.MustCompile(`^(u8s|bin|seq|st|i|b|e)([A-Z])`)

// spelled are names that rules do not get right.
var spelled = map[string]string{
	"sdpMid": "SDPMid", "sdpMLineIndex": "SDPMLineIndex", "iceServers": "ICEServers", "iceCandidate": "ICECandidate", "urls": "URLs",
	"linked-ID": "LinkedID", "error-value": "ErrorValue", "authdata": "AuthData", "invokednull": "InvokedNull", "u8sEMail": "Mail", "eReason": "ReasonCode",
}

// goField is the Go name of a field: without the prefix of its type.
func goField(name string) string {
	if s, ok := spelled[name]; ok {
		return s
	}
	name = hungarian.ReplaceAllString(name, "$2")
	return strings.ToUpper(name[:1]) + name[1:]
}

// jsonName is the name of a field in JSON (reference 3.1).
func jsonName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// words are those that the values of enumerations are made of: they are written in
// capitals, without a gap.
const words = `INVALID ARGUMENT TOKEN FORBIDDEN CONFERENCE NOT FOUND CONFLICT ENDED TOO LARGE MEDIA SUPPORTED MANY
	PARTY SUBSCRIPTION PUBLISHING IMAGE MAIL ADDRESS MISSING DISPLAY NAME INTERNAL ERROR NEEDS CONNECTION UNAVAILABLE
	AUDIO VIDEO SCREEN ROLE USER MODERATOR QUALITY AUTO LOW MEDIUM HIGH REASON LEFT REMOVED TIMEOUT LOST
	MEETING SCHEDULED RUNNING CANCELLED DEFAULT HASH CHANGED ATTACHED`

// goValue is the Go name of a value of an enumeration.
func goValue(enum, name string) (string, error) {
	rest := hungarian.ReplaceAllString(name, "$2")
	if strings.ToUpper(rest) != rest {
		if strings.Contains(enum, "Capability") {
			return "Capability" + rest, nil
		}
		return rest, nil
	}
	known := strings.Fields(words)
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	split, ok := splitWords(rest, known)
	if !ok {
		return "", fmt.Errorf("%s is not made of words that are known", name)
	}
	return split, nil
}

func splitWords(s string, known []string) (string, bool) {
	if s == "" {
		return "", true
	}
	for _, w := range known {
		if rest, ok := strings.CutPrefix(s, w); ok {
			if tail, ok := splitWords(rest, known); ok {
				return w[:1] + strings.ToLower(w[1:]) + tail, true
			}
		}
	}
	return "", false
}

// sessionToken is the field that says whose party an argument is about.
const sessionToken = "u8sSessionToken"

// secrets are fields whose text is never shown.
var secrets = []string{"u8sToken", "u8sSessionToken", "credential", "authdata"}
