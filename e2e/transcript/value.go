package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxFill is the longest text that $fill makes.
const maxFill = 16 << 20

// decode returns a JSON value whose numbers are json.Number.
func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the value")
	}
	return v, nil
}

// encode returns the JSON text of a value, without escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// special returns the keys of a matcher: an object that has members, all of
// which begin with $, and not just $rest.
func special(v any) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, false
	}
	for k := range m {
		if !strings.HasPrefix(k, "$") {
			return nil, false
		}
	}
	_, rest := m["$rest"]
	return m, !rest || len(m) > 1
}

// vars are what a script has remembered.
type vars map[string]any

// text replaces every ${x} in a text.
func (v vars) text(s string) (string, error) {
	var b strings.Builder
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if at > 0 && s[at-1] == '$' {
			b.WriteString(s[:at-1])
			b.WriteString("${")
			s = s[at+2:]
			continue
		}
		b.WriteString(s[:at])
		name, tail, ok := strings.Cut(s[at+2:], "}")
		if !ok {
			return "", fmt.Errorf("%q has no end", s[at:])
		}
		value, err := v.get(name)
		if err != nil {
			return "", err
		}
		b.WriteString(plain(value))
		s = tail
	}
}

func (v vars) get(name string) (any, error) {
	value, ok := v[name]
	if !ok {
		return nil, fmt.Errorf("nothing was remembered as %q", name)
	}
	return value, nil
}

// plain returns a value as it stands inside a text.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, err := encode(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// A maker makes what a $… in a sent value stands for.
type maker func(p *player, who string, arg any) (any, error)

func makers() map[string]maker {
	return map[string]maker{
		"$ref": func(p *player, _ string, arg any) (any, error) {
			return p.vars.get(plain(arg))
		},
		"$fill": func(_ *player, _ string, arg any) (any, error) {
			n, err := fillSize(arg)
			return strings.Repeat("x", n), err
		},
		"$json": func(p *player, who string, arg any) (any, error) {
			v, err := p.render(who, arg)
			if err != nil {
				return nil, err
			}
			b, err := encode(v)
			return string(b), err
		},
		"$sdp": (*player).describe,
	}
}

func fillSize(arg any) (int, error) {
	n, ok := arg.(json.Number)
	if !ok {
		return 0, errors.New("$fill wants a number of bytes")
	}
	size, err := n.Int64()
	if err != nil || size < 0 || size > maxFill {
		return 0, fmt.Errorf("$fill wants 0 to %d bytes", maxFill)
	}
	return int(size), nil
}

// render makes what is sent of what the script says.
func (p *player) render(who string, v any) (any, error) {
	if m, ok := special(v); ok && len(m) == 1 {
		for k, arg := range m {
			if make, ok := makers()[k]; ok {
				return make(p, who, arg)
			}
		}
	}
	switch v := v.(type) {
	case string:
		return p.vars.text(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			y, err := p.render(who, x)
			if err != nil {
				return nil, err
			}
			out[i] = y
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			y, err := p.render(who, x)
			if err != nil {
				return nil, err
			}
			out[k] = y
		}
		return out, nil
	}
	return v, nil
}

// checkSent refuses a matcher in what is sent; objects with unknown $ keys are
// taken as they are, they may belong to the protocol.
func checkSent(v any) error {
	if m, ok := special(v); ok && len(m) == 1 {
		for k, arg := range m {
			switch _, made := makers()[k]; {
			case k == "$fill":
				_, err := fillSize(arg)
				return err
			case k == "$sdp":
				_, err := wishOf(arg)
				return err
			case k == "$json":
				return checkSent(arg)
			case made:
				return nil
			case slices.Contains(matcherNames(), k):
				return fmt.Errorf("%s cannot be sent", k)
			}
		}
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := checkSent(x); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, x := range v {
			if err := checkSent(x); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
	}
	return nil
}
