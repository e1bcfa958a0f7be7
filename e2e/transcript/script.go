package transcript

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Bounds of a transcript that is read.
const (
	MaxLine  = 1 << 20 // bytes of a line
	MaxSteps = 10_000  // steps of a script
)

// Version is the version of the format, the value of "transcript" in a header.
const Version = 1

// Script is a transcript that was read and checked.
type Script struct {
	Header
	Steps []Step
}

// Header is the first line of a transcript.
type Header struct {
	Version int      `json:"transcript"`
	Dialect string   `json:"dialect"`
	Title   string   `json:"title"`
	Needs   []string `json:"needs"` // what the world must be able to: "media", "nodes"
}

// Step is one line after the header. Which fields mean something depends on Do
// and Dir; Read refuses the others.
type Step struct {
	Line int     `json:"-"` // in the file, from 1
	Who  string  `json:"who,omitempty"`
	Do   string  `json:"do,omitempty"`
	Dir  string  `json:"dir,omitempty"`
	T    float64 `json:"t,omitempty"` // ms, for the reader only
	Note string  `json:"note,omitempty"`

	Msg      Value    `json:"msg,omitzero"`
	Text     Value    `json:"text,omitzero"`
	Binary   []byte   `json:"binary,omitempty"`
	AnyOrder []Value  `json:"any_order,omitempty"`
	Repeat   int      `json:"repeat,omitempty"`
	Within   Duration `json:"within,omitempty"`
	For      Duration `json:"for,omitempty"`

	Method       string            `json:"method,omitempty"`
	Path         string            `json:"path,omitempty"`
	Query        map[string]string `json:"query,omitempty"`
	Host         string            `json:"host,omitempty"`
	Headers      map[string]string `json:"headers,omitempty"`
	Body         Value             `json:"body,omitzero"`
	Expect       *Expect           `json:"expect,omitempty"`
	Subprotocols []string          `json:"subprotocols,omitempty"`
	Protocol     string            `json:"protocol,omitempty"`

	Code   int   `json:"code,omitempty"`
	Reason Value `json:"reason,omitzero"`
	Abrupt bool  `json:"abrupt,omitempty"`

	Publish string   `json:"publish,omitempty"` // "camera", "screen"
	Hears   []string `json:"hears,omitempty"`
	Sees    []string `json:"sees,omitempty"`
	Silent  []string `json:"silent,omitempty"`

	Cut   []string `json:"cut,omitempty"`
	Heal  bool     `json:"heal,omitempty"`
	Stop  string   `json:"stop,omitempty"`
	Drain string   `json:"drain,omitempty"`
}

// Expect is what an HTTP answer must be.
type Expect struct {
	Status  int              `json:"status,omitempty"` // 0: any
	Headers map[string]Value `json:"headers,omitempty"`
	Body    Value            `json:"body,omitzero"` // of the decoded JSON
	Text    Value            `json:"text,omitzero"` // of the text
}

// Value is a JSON value that may be absent. Numbers are json.Number.
type Value struct {
	Set bool
	V   any
}

// IsZero reports whether the value is absent.
func (v Value) IsZero() bool { return !v.Set }

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(data []byte) error {
	x, err := decode(data)
	*v = Value{Set: err == nil, V: x}
	return err
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return encode(v.V) }

// Duration is a time.Duration that is written like "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Negative durations are
// refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = errors.New("negative duration")
	}
	*d = Duration(v)
	return err
}

func (d Duration) or(otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return time.Duration(d)
}

// kind returns the name under which the step is in the table of kinds.
func (s *Step) kind() string {
	switch {
	case s.Do == "" && s.Dir == ">":
		return "send"
	case s.Do == "" && s.Dir == "<":
		return "hear"
	case s.Dir == "" && s.Do != "send" && s.Do != "hear":
		return s.Do
	}
	return ""
}

// fields are the keys that a step of each kind may have beside "t" and "note".
// The first ones, up to the "|", are mandatory.
var fields = map[string]string{
	"dial":    "who do | path query host headers subprotocols protocol expect",
	"close":   "who do | code abrupt",
	"closed":  "who do | code reason within",
	"send":    "who dir | msg text binary repeat",
	"hear":    "who dir | msg text binary any_order within",
	"nothing": "who do | for",
	"ignore":  "who do",
	"stall":   "who do",
	"http":    "do path | who method query host headers body text expect",
	"wait":    "do for",
	"media":   "who do | publish hears sees silent within",
	"node":    "do | cut heal stop drain",
}

// Read reads a transcript and checks it, so that what Play finds later is the
// server's fault. Errors name the line.
func Read(r io.Reader) (*Script, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxLine)
	s := new(Script)
	at := 0
	for lines.Scan() {
		at++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := s.add(at, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", at+1, err)
	}
	if s.Version == 0 {
		return nil, errors.New("line 1: there is no header")
	}
	return s, nil
}

func (s *Script) add(at int, line []byte) error {
	if s.Version == 0 {
		if err := strict(line, &s.Header); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		if s.Version != Version {
			return fmt.Errorf("header: transcript version %d, want %d", s.Version, Version)
		}
		return nil
	}
	if len(s.Steps) == MaxSteps {
		return fmt.Errorf("more than %d steps", MaxSteps)
	}
	step := Step{Line: at}
	if err := strict(line, &step); err != nil {
		return err
	}
	if err := step.check(line); err != nil {
		return err
	}
	s.Steps = append(s.Steps, step)
	return nil
}

// check says what is wrong with the form of a step.
func (s *Step) check(line []byte) error {
	allowed, ok := fields[s.kind()]
	if !ok {
		return fmt.Errorf("no such step: do %q, dir %q", s.Do, s.Dir)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(line, &keys); err != nil {
		return err
	}
	must, may, _ := strings.Cut(allowed, "|")
	for _, k := range strings.Fields(must) {
		switch string(keys[k]) {
		case "", "null", `""`, `"0s"`:
			return fmt.Errorf("%s without %q", s.kind(), k)
		}
		delete(keys, k)
	}
	for k := range keys {
		if k != "t" && k != "note" && !slices.Contains(strings.Fields(may), k) {
			return fmt.Errorf("%s cannot have %q", s.kind(), k)
		}
	}
	if s.kind() == "send" || s.kind() == "hear" {
		if n := s.payloads(); n != 1 {
			return fmt.Errorf("a frame has one payload, this one has %d", n)
		}
	}
	return s.checkValues()
}

func (s *Step) payloads() (n int) {
	for _, has := range []bool{s.Msg.Set, s.Text.Set, len(s.Binary) > 0, len(s.AnyOrder) > 0} {
		if has {
			n++
		}
	}
	return n
}

// checkValues finds unknown matchers, bad regular expressions and the like.
func (s *Step) checkValues() error {
	check := checkPattern
	if s.kind() == "send" {
		check = checkSent
	}
	values := append([]Value{s.Msg, s.Text, s.Reason}, s.AnyOrder...)
	if s.kind() == "http" {
		values = []Value{}
		if err := errors.Join(checkSent(s.Body.V), checkSent(s.Text.V)); err != nil {
			return err
		}
	}
	if s.Expect != nil {
		values = append(values, s.Expect.Body, s.Expect.Text)
		for _, h := range s.Expect.Headers {
			values = append(values, h)
		}
	}
	for _, v := range values {
		if err := check(v.V); err != nil {
			return err
		}
	}
	return nil
}

// strict decodes one JSON value without unknown keys and with nothing behind it.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the value")
	}
	return nil
}

// Write writes the script as a transcript that Read reads.
func (s *Script) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(s.Header); err != nil {
		return err
	}
	for i := range s.Steps {
		if err := e.Encode(&s.Steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}
