package ahoy_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

//go:embed schema/server.json
var schemaText []byte

// schema is as much of JSON Schema (draft 2020-12) as schema/server.json uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Defs       map[string]*schema `json:"$defs"`
	Title      string             `json:"title"`
	Text       string             `json:"description"`
	Version    string             `json:"$schema"`
	Type       any                `json:"type"`
	Const      any                `json:"const"`
	Enum       []any              `json:"enum"`
	Pattern    string             `json:"pattern"`
	Minimum    *float64           `json:"minimum"`
	MinLength  int                `json:"minLength"`
	MinItems   int                `json:"minItems"`
	Items      *schema            `json:"items"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Closed     *bool              `json:"additionalProperties"`
	OneOf      []*schema          `json:"oneOf"`
}

// parseSchema reads the schema; a test that uses it fails when it is broken.
var parseSchema = sync.OnceValues(func() (*schema, error) {
	d := json.NewDecoder(bytes.NewReader(schemaText))
	d.DisallowUnknownFields() // what this checker does not know it must not pass over
	s := new(schema)
	return s, d.Decode(s)
})

// checkSchema checks a frame.
func checkSchema(frame []byte) error {
	s, err := parseSchema()
	if err != nil {
		return fmt.Errorf("schema/server.json: %w", err)
	}
	return s.check(frame)
}

// check checks a frame.
func (s *schema) check(frame []byte) error {
	var v any
	if err := json.Unmarshal(frame, &v); err != nil {
		return err
	}
	return s.valid(s, v, "")
}

func (s *schema) valid(root *schema, v any, at string) error {
	if s.Ref != "" {
		def := root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		if def == nil {
			return fmt.Errorf("%s: no definition %s", at, s.Ref)
		}
		return def.valid(root, v, at)
	}
	if len(s.OneOf) > 0 {
		return s.oneOf(root, v, at)
	}
	if s.Const != nil && v != s.Const {
		return fmt.Errorf("%s: %v is not %v", at, v, s.Const)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s: %v is none of %v", at, v, s.Enum)
	}
	if err := s.typed(v, at); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		return s.text(v, at)
	case float64:
		if s.Minimum != nil && v < *s.Minimum {
			return fmt.Errorf("%s: %v is less than %v", at, v, *s.Minimum)
		}
	case []any:
		return s.array(root, v, at)
	case map[string]any:
		return s.object(root, v, at)
	}
	return nil
}

func (s *schema) oneOf(root *schema, v any, at string) error {
	var all []error
	fits := 0
	for _, o := range s.OneOf {
		if err := o.valid(root, v, at); err != nil {
			all = append(all, err)
		} else {
			fits++
		}
	}
	if fits != 1 {
		return fmt.Errorf("%s: fits %d of %d: %w", at, fits, len(s.OneOf), errors.Join(all...))
	}
	return nil
}

func (s *schema) typed(v any, at string) error {
	if s.Type == nil {
		return nil
	}
	is := map[string]bool{}
	switch v := v.(type) {
	case nil:
		is["null"] = true
	case bool:
		is["boolean"] = true
	case float64:
		is["number"], is["integer"] = true, v == float64(int64(v))
	case string:
		is["string"] = true
	case []any:
		is["array"] = true
	case map[string]any:
		is["object"] = true
	}
	names, several := s.Type.([]any)
	if !several {
		names = []any{s.Type}
	}
	for _, n := range names {
		if is[n.(string)] {
			return nil
		}
	}
	return fmt.Errorf("%s: want %v, got %T", at, s.Type, v)
}

func (s *schema) text(v, at string) error {
	if len(v) < s.MinLength {
		return fmt.Errorf("%s: %q is too short", at, v)
	}
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
		return fmt.Errorf("%s: %.80q does not match %s", at, v, s.Pattern)
	}
	return nil
}

func (s *schema) array(root *schema, v []any, at string) error {
	if len(v) < s.MinItems {
		return fmt.Errorf("%s: %d items are too few", at, len(v))
	}
	for i, x := range v {
		if s.Items == nil {
			break
		}
		if err := s.Items.valid(root, x, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) object(root *schema, v map[string]any, at string) error {
	for _, k := range s.Required {
		if _, ok := v[k]; !ok {
			return fmt.Errorf("%s: no %s", at, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(v)) {
		p, known := s.Properties[k]
		switch {
		case known:
			if err := p.valid(root, v[k], at+"."+k); err != nil {
				return err
			}
		case s.Closed != nil && !*s.Closed:
			return fmt.Errorf("%s: there is no %s", at, k)
		}
	}
	return nil
}

func TestSchemaRefuses(t *testing.T) {
	const id = `"8e6ba9db9deb96bb23c70788f1b9a7634245aecf1160787ca571ab12dde07b78"`
	for name, frame := range map[string]string{
		"no type":                        `{"status":200,"reason":"OK"}`,
		"an unknown type":                `{"messageType":"CONFERENCE_WAVE_indication"}`,
		"a type with a blank":            `{"messageType":"CONFERENCE_KICK indication","timeout":0}`,
		"a flag for timeout":             `{"messageType":"CONFERENCE_KICK_indication","timeout":true}`,
		"another timeout":                `{"messageType":"CONFERENCE_KICK_indication","timeout":2}`,
		"a transaction of an indication": `{"messageType":"CONFERENCE_LOCK_indication","locked":true,"transactionID":"x"}`,
		"a number for a flag":            `{"messageType":"CONFERENCE_LOCK_indication","locked":1}`,
		"a response without status":      `{"messageType":"MEDIA_response","reason":"OK","transactionID":"x"}`,
		"a short memberID":               `{"messageType":"MEDIA_event","member":{"name":"","memberID":"8e6b"},"event":"audio_muted"}`,
		"an unknown event":               `{"messageType":"MEDIA_event","member":{"name":"","memberID":` + id + `},"event":"waves"}`,
		"null for a name":                `{"messageType":"MEDIA_event","member":{"name":null,"memberID":` + id + `},"event":"audio_muted"}`,
		"speaking is missing":            `{"messageType":"MEDIA_indication","member":{"name":"","memberID":` + id + `},"audio":{"available":true,"muted":false},"video":{"available":true,"muted":false}}`,
		"a percent sign in SDP":          `{"messageType":"SDP_request","transactionID":` + id + `,"member":{"name":"","memberID":` + id + `},"sdp":"v=0\r\ns=%20"}`,
		"a member without ip":            `{"messageType":"CONFERENCE_JOIN_indication","member":{"name":"","memberID":` + id + `,"moderator":false,"speaker":true,"webrtc":true,"audio":{"available":false,"muted":true,"speaking":false},"video":{"available":false,"muted":true}}}`,
		"members null":                   `{"messageType":"CONFERENCE_JOIN_response","status":200,"reason":"OK","remainingSeconds":-1,"locked":false,"conferenceID":"r","conferenceName":"r","description":"","speakerID":` + id + `,"memberID":` + id + `,"moderator":true,"speaker":true,"webrtc":true,"members":null}`,
	} {
		if checkSchema([]byte(frame)) == nil {
			t.Errorf("%s: the schema allows %s", name, frame)
		}
	}
}
