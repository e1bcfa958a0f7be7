package transcript

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	pause   = 5 * time.Second // gaps of this length become steps
	nearNow = time.Hour       // what a server calls a time is near the clock
)

// Script makes a transcript of what was recorded: ids of the server's that occur
// again are remembered and compared, other random texts, times and addresses
// become matchers, session descriptions are kept by meaning, and secrets are
// replaced. A person then trims it.
func (r *Recording) Script() *Script {
	r.mu.Lock()
	log := append([]recorded(nil), r.log...)
	r.mu.Unlock()
	d := &distiller{
		said: map[string]bool{}, told: map[string]bool{}, seen: map[string]int{}, given: map[string]string{}, secrets: map[string]string{},
		kept: map[string]bool{}, start: r.start,
	}
	for i := range log {
		d.learn(&log[i])
	}
	s := &Script{Header: Header{Version: Version, Dialect: r.dialect, Title: r.title, Needs: []string{}}}
	last := r.start
	for i := range log[:curtain(log)] {
		e := &log[i]
		gap := e.at.Sub(last)
		last = e.at
		if gap >= pause && !e.server {
			s.Steps = append(s.Steps, Step{Do: "wait", For: Duration(gap.Round(time.Second))})
		}
		step := d.step(e)
		if gap >= pause && e.server {
			step.Within = Duration(2 * gap.Round(time.Second))
		}
		s.Steps = append(s.Steps, step)
	}
	return s
}

// curtain returns where the recording ends: before clients that go together at
// the end, when nobody says anything any more. Who of them is still told that
// the others go is a matter of luck.
func curtain(log []recorded) int {
	const together = 100 * time.Millisecond
	end, next := len(log), time.Time{}
	for i := len(log) - 1; i >= 0; i-- {
		switch e := &log[i]; {
		case e.server:
		case e.step.Do != "close":
			return end
		default:
			if !next.IsZero() && next.Sub(e.at) < together {
				end = i
			}
			next = e.at
		}
	}
	return end
}

// distiller knows the whole recording when it makes steps of it.
type distiller struct {
	start   time.Time
	said    map[string]bool   // texts and numbers that clients have said before any server
	told    map[string]bool   // those that a server has said before any client
	seen    map[string]int    // random texts of servers: how often they occur, and in what
	given   map[string]string // the names of those that occur again
	secrets map[string]string // what stands for the secrets of clients
	kept    map[string]bool   // names whose $cap was written
}

// learn collects what the second pass has to know.
func (d *distiller) learn(e *recorded) {
	client, server := e.data, e.answer
	if e.kind != 0 && e.server {
		client, server = nil, e.data
	}
	for k, v := range e.step.Query {
		d.learnSaid(k, v)
	}
	d.learnInside(e.step.Path)
	walk(client, d.learnSaid)
	walk(server, func(key string, leaf any) {
		text := plain(leaf)
		if d.said[text] {
			return
		}
		d.told[text] = true
		if s, ok := leaf.(string); ok && (random(s) || secret(key) && s != "") {
			if d.seen[s] == 0 {
				d.learnInside(s)
			}
			d.seen[s]++
		}
	})
}

func (d *distiller) learnSaid(key string, leaf any) {
	text := plain(leaf)
	if d.seen[text] > 0 {
		d.seen[text]++
		return
	}
	if d.told[text] {
		return
	}
	d.learnInside(text)
	if secret(key) && text != "" && d.secrets[text] == "" {
		d.secrets[text] = fmt.Sprintf("secret-%d", len(d.secrets)+1)
	}
	d.said[text] = true
}

// learnInside counts ids that are part of another text.
func (d *distiller) learnInside(text string) {
	for id := range d.seen {
		if len(id) < len(text) && strings.Contains(text, id) {
			d.seen[id]++
		}
	}
}

// walk calls f for every leaf of a JSON text, with the key that it stands under.
func walk(data []byte, f func(key string, leaf any)) {
	v, err := decode(data)
	if err != nil {
		return
	}
	var into func(key string, v any)
	into = func(key string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				into(key, x)
			}
		case map[string]any:
			for k, x := range v {
				into(k, x)
			}
		case string, json.Number:
			f(key, v)
		}
	}
	into("", v)
}

// secret reports whether what stands under a key is not to be written down.
func secret(key string) bool {
	switch key = strings.ToLower(key); key {
	case "pin", "sid", "nonce", "credential", "token", "t", "secret", "authorization", "jwt", "ticket":
		return true
	}
	return strings.Contains(key, "password") || strings.HasSuffix(key, "token") || strings.HasSuffix(key, "secret")
}

// random reports whether a text looks like one that a machine has drawn.
func random(s string) bool {
	if len(s) < 10 || strings.ContainsAny(s, " \t\r\n/?{}<>\"") {
		return false
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		return false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	digits := 0
	for _, c := range s {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return digits*12 >= len(s) || digits > 0 && len(s) >= 16
}

func (d *distiller) step(e *recorded) Step {
	s := e.step
	s.T = math.Round(float64(e.at.Sub(d.start).Microseconds())) / 1000
	s.Path = d.insert(s.Path)
	for k, v := range s.Query {
		s.Query[k] = d.insert(v)
	}
	switch {
	case e.kind == websocket.BinaryMessage:
		s.Binary = e.data
	case e.kind != 0:
		v, err := decode(e.data)
		switch {
		case err != nil && e.server:
			s.Text = Value{true, d.heard("", string(e.data), e.at)}
		case err != nil:
			s.Text = Value{true, d.insert(string(e.data))}
		default:
			s.Msg = Value{true, d.value("", v, e.at, e.server)}
		}
	case s.Do == "http":
		d.request(&s, e)
	}
	return s
}

func (d *distiller) request(s *Step, e *recorded) {
	if v, err := decode(e.data); err == nil {
		s.Body = Value{true, d.value("", v, e.at, false)}
	} else if len(e.data) > 0 {
		s.Text = Value{true, d.insert(string(e.data))}
	}
	s.Expect = &Expect{Status: e.status}
	if v, err := decode(e.answer); err == nil && strings.Contains(e.ctype, "json") {
		s.Expect.Body = Value{true, d.value("", v, e.at, true)}
	}
}

// value rewrites a value: what was heard becomes a pattern, what was said
// something to send.
func (d *distiller) value(key string, v any, at time.Time, heard bool) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = d.value(key, x, at, heard)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) { // as they are matched: $cap before $ref
			out[k] = d.value(k, v[k], at, heard)
		}
		return out
	case string:
		if heard {
			return d.heard(key, v, at)
		}
		return d.sent(v)
	case json.Number:
		if near, ok := moment(v); heard && ok && !d.said[v.String()] && near.Sub(at).Abs() < nearNow {
			return matcherOf("$time", "5s")
		}
	}
	return v
}

func matcherOf(name string, arg any) map[string]any { return map[string]any{name: arg} }

// heard makes a pattern of a text of the server's.
func (d *distiller) heard(key, s string, at time.Time) any {
	if d.said[s] {
		return d.insert(s)
	}
	if n := d.seen[s]; n > 1 {
		return d.capture(s)
	} else if secret(key) && s != "" {
		return matcherOf("$any", true)
	}
	if m, err := Meaning(s); err == nil {
		return matcherOf("$sdp", excerpt(m))
	}
	if near, err := time.Parse(time.RFC3339, s); err == nil && near.Sub(at).Abs() < nearNow {
		return matcherOf("$time", "5s")
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return matcherOf("$re", "[0-9a-fA-F.:]+")
	}
	if strings.HasPrefix(strings.TrimPrefix(s, "a="), "candidate:") {
		return matcherOf("$re", `(?s)(a=)?candidate:.*`)
	}
	if inside := d.insert(s); inside != s {
		return inside
	}
	if random(s) {
		return matcherOf("$re", shape(s))
	}
	return s
}

// capture remembers an id where it occurs first, and compares it later.
func (d *distiller) capture(s string) any {
	name, ok := d.given[s]
	if !ok {
		name = fmt.Sprintf("id%d", len(d.given)+1)
		d.given[s] = name
	}
	if d.kept[name] {
		return matcherOf("$ref", name)
	}
	d.kept[name] = true
	return matcherOf("$cap", name)
}

// sent makes of a text of a client's what is sent in its place.
func (d *distiller) sent(s string) any {
	if name, ok := d.given[s]; ok {
		return matcherOf("$ref", name)
	}
	if m, err := Meaning(s); err == nil {
		wish := excerpt(m)
		if wish["type"] != "offer" {
			wish["type"] = "answer"
		}
		for k, v := range wish {
			if v == "none" {
				delete(wish, k)
			}
		}
		if _, ok := wish["application"]; ok {
			wish["application"] = "yes"
		}
		delete(wish, "codecs")
		return matcherOf("$sdp", wish)
	}
	return d.insert(s)
}

// insert replaces ids, and what is secret, inside a text.
func (d *distiller) insert(s string) string {
	if to, ok := d.secrets[s]; ok {
		return to
	}
	s = strings.ReplaceAll(s, "${", "$${")
	ids := slices.SortedFunc(maps.Keys(d.given), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, id := range ids { // the longest first: one may be part of another
		s = strings.ReplaceAll(s, id, "${"+d.given[id]+"}")
	}
	return s
}

// excerpt is what one usually wants to say about a session description.
func excerpt(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, k := range []string{"type", "audio", "video", "application", "codecs"} {
		out[k] = m[k]
	}
	if m["escaped"] == true {
		out["escaped"] = true
	}
	return out
}

// shape returns a regular expression for texts of the same kind and length.
func shape(s string) string {
	if regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(s) {
		return "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
	}
	for _, class := range []string{"[0-9]", "[0-9a-f]", "[0-9A-F]", "[0-9a-zA-Z]", "[0-9a-zA-Z_=-]"} {
		if regexp.MustCompile(`^` + class + `+$`).MatchString(s) {
			return fmt.Sprintf("%s{%d}", class, len(s))
		}
	}
	return ".+"
}
