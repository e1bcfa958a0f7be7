package transcript

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func value(t testing.TB, text string) any {
	t.Helper()
	v, err := decode([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestMatch(t *testing.T) {
	for _, c := range []struct{ want, got, paths string }{
		{`null`, `null`, ""},
		{`null`, `0`, "$"},
		{`true`, `true`, ""},
		{`true`, `1`, "$"},
		{`1`, `1.0`, ""},
		{`1e2`, `100`, ""},
		{`9007199254740993`, `9007199254740992`, "$"},
		{`1`, `"1"`, "$"},
		{`"a"`, `"b"`, "$"},
		{`"a"`, `["a"]`, "$"},
		{`"${x}!"`, `"kept!"`, ""},
		{`"${none}"`, `""`, "$"},
		{`"$${x}"`, `"${x}"`, ""},
		{`{}`, `{}`, ""},
		{`{}`, `{"a":1}`, "$.a"},
		{`{"a":1}`, `{}`, "$.a"},
		{`{"a":1,"$rest":true}`, `{"a":1,"b":2}`, ""},
		{`{"$rest":true}`, `{"b":2}`, ""},
		{`{"$rest":true}`, `[]`, "$"},
		{`{"a":{"b":[1,{"c":2}]}}`, `{"a":{"b":[1,{"c":3}]}}`, "$.a.b[1].c"},
		{`[1,2]`, `[1]`, "$[1]"},
		{`[1]`, `[1,2]`, "$[1]"},
		{`[1]`, `{"0":1}`, "$"},
		{`{"a":{"$any":true}}`, `{"a":null}`, ""},
		{`{"a":{"$any":true}}`, `{}`, "$.a"},
		{`{"a":{"$absent":true}}`, `{}`, ""},
		{`{"a":{"$absent":true}}`, `{"a":null}`, "$.a"},
		{`{"a":{"$cap":"n"},"b":{"$ref":"n"}}`, `{"a":[1,{"x":2}],"b":[1.0,{"x":2}]}`, ""},
		{`{"a":{"$cap":"n"},"b":{"$ref":"n"}}`, `{"a":[1,{"x":2}],"b":[1,{"x":3}]}`, "$.b"},
		{`{"a":{"$cap":"n"}}`, `{}`, "$.a"},
		{`{"$ref":"none"}`, `1`, "$"},
		{`{"$ref":"odd"}`, `"${none}"`, ""},
		{`{"$re":"[0-9a-f]{4}"}`, `"00af"`, ""},
		{`{"$re":"[0-9a-f]{4}"}`, `"00af0"`, "$"},
		{`{"$re":"a|b"}`, `"ab"`, "$"},
		{`{"$re":"[0-9]+"}`, `17`, ""},
		{`{"$re":".*"}`, `null`, "$"},
		{`{"$re":".*"}`, `{}`, "$"},
		{`{"$re":"${x}-\\d"}`, `"kept-1"`, ""},
		{`[{"$re":"(?P<y>.)b"},{"$ref":"y"}]`, `["ab","a"]`, ""},
		{`{"$num":[0,5]}`, `5`, ""},
		{`{"$num":[0,5]}`, `5.01`, "$"},
		{`{"$num":[0,null]}`, `1e300`, ""},
		{`{"$num":[null,0]}`, `1`, "$"},
		{`{"$num":[0,5]}`, `"3"`, "$"},
		{`{"$time":"5s"}`, `"2026-01-01T12:00:04Z"`, ""},
		{`{"$time":"5s"}`, `"2026-01-01T13:00:04.5+01:00"`, ""},
		{`{"$time":"5s"}`, `"2026-01-01T12:00:06Z"`, "$"},
		{`{"$time":"5s"}`, `1767268798`, ""},
		{`{"$time":"5s"}`, `1767268798123`, ""},
		{`{"$time":"5s"}`, `1e300`, "$"},
		{`{"$time":"5s"}`, `true`, "$"},
		{`{"$json":{"chat":{"$cap":"j"}}}`, `"{\"chat\":1}"`, ""},
		{`{"$json":{"chat":1}}`, `"{\"chat\":2}"`, "$($json).chat"},
		{`{"$json":1}`, `"{"`, "$"},
		{`{"$json":1}`, `1`, "$"},
		{`{"$unordered":[1,2]}`, `[2,1]`, ""},
		{`{"$unordered":[1,1]}`, `[1,2]`, "$"},
		{`{"$unordered":[1,3]}`, `[1,2]`, "${1}"},
		{`{"$unordered":[1]}`, `[1,2]`, "$"},
		{`{"$unordered":[1],"$rest":true}`, `[2,1]`, ""},
		{`{"$unordered":[1,2,3],"$rest":true}`, `[2,1]`, "$"},
		{`{"$unordered":[]}`, `{}`, "$"},
		// The first item fits both, so the pairing has to try again.
		{`{"$unordered":[{"$any":true},1]}`, `[1,2]`, ""},
		{`[{"$unordered":[{"$cap":"u"},1]},{"$ref":"u"}]`, `[[1,2],2]`, ""},
		{`{"$cap":"n","$num":[0,1]}`, `2`, "$"},
		{`{"$sdp":{"audio":"sendrecv"}}`, `"no"`, "$"},
		{`{"$sdp":{"audio":"sendrecv"}}`, `7`, "$"},
		{`{"$sdp":{"audio":"none","streams":1}}`, `"v=0\r\n"`, "$($sdp).streams"},
	} {
		want := value(t, c.want)
		if err := checkPattern(want); err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		v := vars{"x": "kept", "odd": "${none}"}
		var paths []string
		for _, d := range match(want, value(t, c.got), v, noon) {
			paths = append(paths, d.Path)
		}
		if got := strings.Join(paths, " "); got != c.paths {
			t.Errorf("%s against %s: differs at %q, want %q", c.want, c.got, got, c.paths)
		}
	}
}

func TestCaptured(t *testing.T) {
	v := vars{}
	match(value(t, `{"a":{"$cap":"a"},"b":{"$cap":"b","$num":[0,1]},"c":{"$unordered":[{"k":{"$cap":"c"}},{"k":1}]}}`),
		value(t, `{"a":"x","b":2,"c":[{"k":1},{"k":2}]}`), v, noon)
	if got := fmt.Sprint(v); got != "map[a:x c:2]" {
		t.Errorf("remembered %s", got)
	}
}

// A set that could be paired in very many ways ends all the same.
func TestUnorderedIsBounded(t *testing.T) {
	const n = 200
	want := `{"$unordered":[` + strings.Repeat(`{"$any":true},`, n) + `1]}`
	got := `[` + strings.Repeat(`2,`, n) + `2]`
	if diffs := match(value(t, want), value(t, got), vars{}, noon); len(diffs) == 0 {
		t.Error("it matches")
	}
}

func TestDifferencesAreBounded(t *testing.T) {
	got := `[` + strings.Repeat(`2,`, 1000) + `"` + strings.Repeat("y", 10_000) + `"]`
	diffs := match([]any{}, value(t, got), vars{}, noon)
	if len(diffs) != maxDiffs {
		t.Errorf("%d differences", len(diffs))
	}
	if s := show(value(t, got)); len(s) > maxShown+40 {
		t.Errorf("%d bytes are shown", len(s))
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(`{"a":{"$cap":"x"},"$rest":true}`, `{"a":1,"b":2}`)
	f.Add(`{"$unordered":[{"$any":true},{"$ref":"x"},{"$re":"a+"}]}`, `[1,"kept","aa"]`)
	f.Add(`{"$sdp":{"audio":"recvonly"}}`, `"v=0\r\nm=audio 9 RTP/AVP 0\r\na=recvonly\r\n"`)
	f.Add(`[{"$time":"1s"},{"$num":[0,null]},{"$json":{"$any":true}},"${x}"]`, `[1767268800,1,"{}","kept"]`)
	f.Fuzz(func(t *testing.T, want, got string) {
		w, err := decode([]byte(want))
		if err != nil || checkPattern(w) != nil {
			return
		}
		g, err := decode([]byte(got))
		if err != nil {
			return
		}
		match(w, g, vars{"x": "kept"}, noon)
		// A value without matchers matches itself.
		if _, made := special(g); !made && !strings.Contains(got, "$") && !strings.Contains(got, `\u0024`) {
			if diffs := match(g, g, vars{}, noon); len(diffs) > 0 {
				t.Errorf("%s differs from itself: %v", got, diffs)
			}
		}
	})
}
