package percent_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"dragoman/dialects/ahoy/percent"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"v=0\r\no=- 1 2":              "v%3D0%0D%0Ao%3D-%201%202",
		"a=ice-pwd:q+/x":              "a%3Dice-pwd%3Aq+/x",
		"ü":                           "%FC",
		"ł€":                          "%u0142%u20AC",
		"😀":                           "%uD83D%uDE00",
		"ABCXYZabcxyz0189@*_+-./":     "ABCXYZabcxyz0189@*_+-./",
		"100%":                        "100%25",
		"~!'()":                       "%7E%21%27%28%29",
		strings.Repeat("=", 3) + "\n": "%3D%3D%3D%0A",
	} {
		if got := percent.Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
		if got := percent.Unescape(want); got != in {
			t.Errorf("Unescape(%q) = %q, want %q", want, got, in)
		}
	}
}

func TestUnescapeTakesWhatIsNoEscape(t *testing.T) {
	for in, want := range map[string]string{
		"a+b":          "a+b", // a form decoder would make a blank of it
		"100%":         "100%",
		"%":            "%",
		"%4":           "%4",
		"%zz%41":       "%zzA",
		"%u004":        "%u004",
		"%u00zz":       "%u00zz",
		"%u0041":       "A",
		"%U0041":       "%U0041",
		"%fc":          "ü",
		"%C3%BC":       "Ã¼", // code points, not UTF-8
		"%uD83D":       "\uFFFD",
		"%uD83D%uDE00": "😀",
		"x%%41":        "x%A",
		"%`0":          "%`0",
		"%\x10\x11":    "%\x10\x11", // digits but for one bit
		"%+1%_1%-1":    "%+1%_1%-1", // what number parsers may take
	} {
		if got := percent.Unescape(in); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add("v%3D0%0D%0Aa%3Dice-pwd%3Aq+/x%u20AC")
	f.Add("%%u%4")
	f.Fuzz(func(t *testing.T, s string) {
		if got := percent.Unescape(s); len(got) > 3*len(s) {
			t.Errorf("%d bytes became %d", len(s), len(got))
		}
		if utf8.ValidString(s) {
			if got := percent.Unescape(percent.Escape(s)); got != s {
				t.Errorf("%q came back as %q", s, got)
			}
		}
	})
}
