package transcript

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Difference is one place where a value is not what was wanted.
type Difference struct {
	Path      string // like $.members[1].name
	Want, Got string // as JSON, or in words
}

// absent stands for a value that is not there.
type absent struct{}

// matching compares one value with one pattern. It remembers what $cap says,
// even when the value turns out not to match.
type matching struct {
	vars  vars
	now   time.Time
	diffs []Difference
	tries *int // left for $unordered, so that no pattern takes for ever
}

const (
	maxTries = 20_000
	maxDiffs = 20
	maxShown = 300 // bytes of a value in a difference
)

// match returns how got differs from the pattern want.
func match(want, got any, v vars, now time.Time) []Difference {
	tries := maxTries
	m := &matching{vars: v, now: now, tries: &tries}
	m.value("$", want, got)
	return m.diffs
}

func (m *matching) differ(path, want string, got any) {
	if len(m.diffs) < maxDiffs {
		m.diffs = append(m.diffs, Difference{Path: path, Want: want, Got: show(got)})
	}
}

// show returns a value for a person to read.
func show(v any) string {
	if _, ok := v.(absent); ok {
		return "nothing"
	}
	b, err := encode(v)
	if err != nil {
		return err.Error()
	}
	return shorten(string(b))
}

func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:maxShown], len(s))
}

func (m *matching) value(path string, want, got any) {
	if p, ok := special(want); ok {
		m.pattern(path, p, got)
		return
	}
	if _, ok := got.(absent); ok {
		m.differ(path, show(want), got)
		return
	}
	switch want := want.(type) {
	case map[string]any:
		m.object(path, want, got)
	case []any:
		m.array(path, want, got)
	case string:
		text, err := m.vars.text(want)
		if err != nil {
			m.differ(path, err.Error(), got)
		} else if got != any(text) {
			m.differ(path, show(text), got)
		}
	case json.Number:
		if n, ok := got.(json.Number); !ok || !sameNumber(want, n) {
			m.differ(path, show(want), got)
		}
	default: // bool, nil
		if got != want {
			m.differ(path, show(want), got)
		}
	}
}

// sameNumber compares by value, and integers exactly.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, errX := a.Int64()
	y, errY := b.Int64()
	if errX == nil && errY == nil {
		return x == y
	}
	f, errF := a.Float64()
	g, errG := b.Float64()
	return errF == nil && errG == nil && f == g
}

func (m *matching) object(path string, want map[string]any, got any) {
	have, ok := got.(map[string]any)
	if !ok {
		m.differ(path, "an object", got)
		return
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if k == "$rest" {
			continue
		}
		g, ok := have[k]
		if !ok {
			g = absent{}
		}
		m.value(path+"."+k, want[k], g)
	}
	if want["$rest"] == true {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[k]; !ok {
			m.differ(path+"."+k, "nothing", have[k])
		}
	}
}

func (m *matching) array(path string, want []any, got any) {
	have, ok := got.([]any)
	if !ok {
		m.differ(path, "an array", got)
		return
	}
	for i := range max(len(want), len(have)) {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= len(have):
			m.differ(at, show(want[i]), absent{})
		case i >= len(want):
			m.differ(at, "nothing", have[i])
		default:
			m.value(at, want[i], have[i])
		}
	}
}

// A matcher compares with the argument of a $… key.
type matcher struct {
	check func(arg any) error
	match func(m *matching, path string, arg, got any)
}

func matchers() map[string]matcher {
	return map[string]matcher{
		"$any":       {isTrue, (*matching).any},
		"$absent":    {isTrue, (*matching).absent},
		"$cap":       {isText, (*matching).remember},
		"$ref":       {isText, (*matching).compare},
		"$re":        {isRegexp, (*matching).regexp},
		"$num":       {isRange, (*matching).number},
		"$time":      {isDuration, (*matching).time},
		"$json":      {checkPattern, (*matching).json},
		"$sdp":       {isObject, (*matching).sdp},
		"$unordered": {isArray, nil}, // with its $rest, see pattern
	}
}

func matcherNames() []string { return slices.Sorted(maps.Keys(matchers())) }

func (m *matching) pattern(path string, p map[string]any, got any) {
	before := len(m.diffs)
	all := matchers()
	// $cap comes last, so that what did not match is not remembered.
	for _, k := range slices.Sorted(maps.Keys(p)) {
		switch k {
		case "$cap", "$rest":
		case "$unordered":
			items, _ := p[k].([]any)
			m.unordered(path, items, got, p["$rest"] == true)
		default:
			all[k].match(m, path, p[k], got)
		}
	}
	if name, ok := p["$cap"]; ok && len(m.diffs) == before {
		m.remember(path, name, got)
	}
}

func (m *matching) any(path string, _, got any) {
	if _, ok := got.(absent); ok {
		m.differ(path, "anything", got)
	}
}

func (m *matching) absent(path string, _, got any) {
	if _, ok := got.(absent); !ok {
		m.differ(path, "nothing", got)
	}
}

func (m *matching) remember(path string, arg, got any) {
	if _, ok := got.(absent); ok {
		m.differ(path, "anything, to remember as "+plain(arg), got)
		return
	}
	m.vars[plain(arg)] = got
}

func (m *matching) compare(path string, arg, got any) {
	want, err := m.vars.get(plain(arg))
	if err != nil {
		m.differ(path, err.Error(), got)
		return
	}
	if !equal(want, got) {
		m.differ(path, fmt.Sprintf("%s, which is %s", plain(arg), show(want)), got)
	}
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		n, ok := b.(json.Number)
		return ok && sameNumber(a, n)
	case []any:
		l, ok := b.([]any)
		return ok && slices.EqualFunc(a, l, equal)
	case map[string]any:
		m, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, m, equal)
	}
	return a == b
}

func (m *matching) regexp(path string, arg, got any) {
	expr, err := m.vars.text(plain(arg))
	if err != nil {
		m.differ(path, err.Error(), got)
		return
	}
	re, err := compile(expr)
	if err != nil {
		m.differ(path, err.Error(), got)
		return
	}
	var text string
	switch got := got.(type) {
	case string, json.Number:
		text = plain(got)
	default:
		m.differ(path, "a text like "+expr, got)
		return
	}
	found := re.FindStringSubmatch(text)
	if found == nil {
		m.differ(path, "a text like "+expr, got)
		return
	}
	for i, name := range re.SubexpNames() {
		if name != "" {
			m.vars[name] = found[i]
		}
	}
}

func compile(expr string) (*regexp.Regexp, error) { return regexp.Compile(`\A(?:` + expr + `)\z`) }

func (m *matching) number(path string, arg, got any) {
	low, high, err := numRange(arg)
	n, ok := got.(json.Number)
	if err != nil || !ok {
		m.differ(path, "a number in "+show(arg), got)
		return
	}
	if f, err := n.Float64(); err != nil || f < low || f > high {
		m.differ(path, "a number in "+show(arg), got)
	}
}

func numRange(arg any) (low, high float64, err error) {
	ends, ok := arg.([]any)
	if !ok || len(ends) != 2 {
		return 0, 0, errors.New("$num wants [lowest, highest]")
	}
	low, high = math.Inf(-1), math.Inf(1)
	for i, end := range []*float64{&low, &high} {
		switch n := ends[i].(type) {
		case nil:
		case json.Number:
			if *end, err = n.Float64(); err != nil {
				return 0, 0, err
			}
		default:
			return 0, 0, errors.New("$num wants numbers")
		}
	}
	return low, high, nil
}

func (m *matching) time(path string, arg, got any) {
	near, err := time.ParseDuration(plain(arg))
	at, ok := moment(got)
	if err != nil || !ok || at.Sub(m.now).Abs() > near {
		m.differ(path, fmt.Sprintf("a time within %s of %s", plain(arg), m.now.Format(time.RFC3339Nano)), got)
	}
}

// moment reads a time: RFC 3339, or a number of seconds or milliseconds since
// 1970, which are told apart by their size.
func moment(v any) (time.Time, bool) {
	if s, ok := v.(string); ok {
		at, err := time.Parse(time.RFC3339, s)
		return at, err == nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > 1e15 {
		return time.Time{}, false
	}
	if math.Abs(f) < 1e11 {
		f *= 1000
	}
	return time.UnixMilli(int64(f)), true
}

func (m *matching) json(path string, arg, got any) {
	text, ok := got.(string)
	if !ok {
		m.differ(path, "a text that is JSON", got)
		return
	}
	v, err := decode([]byte(text))
	if err != nil {
		m.differ(path, "a text that is JSON", got)
		return
	}
	m.value(path+"($json)", arg, v)
}

func (m *matching) sdp(path string, arg, got any) {
	text, ok := got.(string)
	if !ok {
		m.differ(path, "a session description", got)
		return
	}
	meaning, err := Meaning(text)
	if err != nil {
		m.differ(path, "a session description ("+err.Error()+")", got)
		return
	}
	want, _ := arg.(map[string]any)
	want = maps.Clone(want)
	want["$rest"] = true
	m.object(path+"($sdp)", want, meaning)
}

// unordered pairs every wanted item with another one that it has.
func (m *matching) unordered(path string, want []any, got any, rest bool) {
	have, ok := got.([]any)
	if !ok {
		m.differ(path, "an array", got)
		return
	}
	if len(have) < len(want) || len(have) > len(want) && !rest {
		m.differ(path, fmt.Sprintf("%d items in any order: %s", len(want), show(want)), got)
		return
	}
	if m.pair(path, want, have, make([]bool, len(have))) {
		return
	}
	// Nothing fits as a whole: say which items fit nowhere, or else all.
	alone := false
	for i, w := range want {
		if !slices.ContainsFunc(have, func(g any) bool { return m.fits(path, w, g) != nil }) {
			alone = true
			m.differ(fmt.Sprintf("%s{%d}", path, i), show(w), got)
		}
	}
	if !alone {
		m.differ(path, "in any order: "+show(want), got)
	}
}

// fits tries a pattern and returns what is remembered then, or nil.
func (m *matching) fits(path string, want, got any) vars {
	if *m.tries == 0 {
		return nil
	}
	*m.tries--
	try := &matching{vars: maps.Clone(m.vars), now: m.now, tries: m.tries}
	if try.value(path, want, got); len(try.diffs) > 0 {
		return nil
	}
	return try.vars
}

func (m *matching) pair(path string, want, have []any, used []bool) bool {
	if len(want) == 0 {
		return true
	}
	for i, g := range have {
		if used[i] {
			continue
		}
		kept := m.fits(path, want[0], g)
		if kept == nil {
			continue
		}
		before := maps.Clone(m.vars)
		used[i] = true
		maps.Copy(m.vars, kept)
		if m.pair(path, want[1:], have, used) {
			return true
		}
		used[i] = false
		clear(m.vars)
		maps.Copy(m.vars, before)
	}
	return false
}
