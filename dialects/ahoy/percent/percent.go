// Package percent is escape and unescape of JavaScript (ECMA-262, annex B.2.1),
// which old Ahoy clients apply to session descriptions. It is not the escaping of
// URLs or forms: a plus sign is a plus sign, and what is no valid escape stays as
// it is.
package percent

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// plain are the characters that Escape leaves alone.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@*_+-./"

// Escape writes %XX for a code point below 256 that is not plain, and %uXXXX for
// each UTF-16 unit of the others.
func Escape(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		switch {
		case u < 128 && strings.IndexByte(plain, byte(u)) >= 0:
			b.WriteByte(byte(u))
		case u < 256:
			b.WriteByte('%')
			hex(&b, u, 2)
		default:
			b.WriteString("%u")
			hex(&b, u, 4)
		}
	}
	return b.String()
}

func hex(b *strings.Builder, u uint16, digits int) {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b.WriteByte("0123456789ABCDEF"[u>>shift&0xf])
	}
}

// Unescape is the inverse of Escape. Anything that is not %XX or %uXXXX is taken
// as it is; half a surrogate pair becomes U+FFFD.
func Unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	units := make([]uint16, 0, len(s))
	for rest := s; rest != ""; {
		if u, n := escaped(rest); n > 0 {
			units, rest = append(units, u), rest[n:]
			continue
		}
		next := strings.IndexByte(rest[1:], '%') + 1
		if next == 0 {
			next = len(rest)
		}
		units, rest = append(units, utf16.Encode([]rune(rest[:next]))...), rest[next:]
	}
	return string(utf16.Decode(units))
}

// escaped reads the escape that s begins with; n is 0 when it begins with none.
func escaped(s string) (unit uint16, n int) {
	switch {
	case len(s) >= 6 && s[0] == '%' && s[1] == 'u':
		if u, ok := digits(s[2:6]); ok {
			return u, 6
		}
	case len(s) >= 3 && s[0] == '%':
		if u, ok := digits(s[1:3]); ok {
			return u, 3
		}
	}
	return 0, 0
}

func digits(s string) (u uint16, ok bool) {
	n, err := strconv.ParseUint(s, 16, 16)
	return uint16(n), err == nil && !strings.ContainsAny(s, "_+")
}
