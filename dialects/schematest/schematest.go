// Package schematest checks frames against as much of JSON Schema (draft 2020-12)
// as the schemas of the dialects use. It is for tests only: a keyword that it does
// not know is an error, not passed over.
package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Schema is a schema, or a part of one.
type Schema struct {
	Ref        string             `json:"$ref"`
	Defs       map[string]*Schema `json:"$defs"`
	Title      string             `json:"title"`
	Text       string             `json:"description"`
	Version    string             `json:"$schema"`
	Type       any                `json:"type"` // a name, or several
	Const      any                `json:"const"`
	Enum       []any              `json:"enum"`
	Pattern    string             `json:"pattern"`
	Minimum    *float64           `json:"minimum"`
	MinLength  int                `json:"minLength"`
	MinItems   int                `json:"minItems"`
	Items      *Schema            `json:"items"`
	Properties map[string]*Schema `json:"properties"`
	Required   []string           `json:"required"`
	Closed     *bool              `json:"additionalProperties"`
	OneOf      []*Schema          `json:"oneOf"`
}

// Parse reads a schema.
func Parse(text []byte) (*Schema, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	s := new(Schema)
	return s, d.Decode(s)
}

// Check tells what is wrong with a frame.
func (s *Schema) Check(frame []byte) error {
	var v any
	if err := json.Unmarshal(frame, &v); err != nil {
		return err
	}
	return s.check(s, v, "$")
}

func (s *Schema) check(root *Schema, v any, at string) error {
	if s.Ref != "" {
		def := root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		if def == nil {
			return fmt.Errorf("%s: there is no definition %s", at, s.Ref)
		}
		return def.check(root, v, at)
	}
	if len(s.OneOf) > 0 {
		return s.checkOneOf(root, v, at)
	}
	switch {
	case s.Const != nil && v != s.Const:
		return fmt.Errorf("%s: %v is not %v", at, v, s.Const)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		return fmt.Errorf("%s: %v is none of %v", at, v, s.Enum)
	case !s.typed(v):
		return fmt.Errorf("%s: want %v, got %T", at, s.Type, v)
	}
	switch v := v.(type) {
	case string:
		return s.checkText(v, at)
	case float64:
		if s.Minimum != nil && v < *s.Minimum {
			return fmt.Errorf("%s: %v is less than %v", at, v, *s.Minimum)
		}
	case []any:
		return s.checkArray(root, v, at)
	case map[string]any:
		return s.checkObject(root, v, at)
	}
	return nil
}

func (s *Schema) checkOneOf(root *Schema, v any, at string) error {
	var all []error
	for _, o := range s.OneOf {
		if err := o.check(root, v, at); err != nil {
			all = append(all, err)
		}
	}
	if fits := len(s.OneOf) - len(all); fits != 1 {
		return fmt.Errorf("%s: fits %d of %d: %w", at, fits, len(s.OneOf), errors.Join(all...))
	}
	return nil
}

func (s *Schema) typed(v any) bool {
	names, several := s.Type.([]any)
	if !several {
		names = []any{s.Type}
	}
	if s.Type == nil || slices.Contains(names, typeOf(v)) {
		return true
	}
	n, ok := v.(float64)
	return ok && n == math.Trunc(n) && slices.Contains(names, any("integer"))
}

func typeOf(v any) any {
	switch v.(type) {
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

func (s *Schema) checkText(v, at string) error {
	if len(v) < s.MinLength {
		return fmt.Errorf("%s: %q is too short", at, v)
	}
	if s.Pattern == "" {
		return nil
	}
	ok, err := regexp.MatchString(s.Pattern, v)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %.80q does not match %s", at, v, s.Pattern)
	}
	return err
}

func (s *Schema) checkArray(root *Schema, v []any, at string) error {
	if len(v) < s.MinItems {
		return fmt.Errorf("%s: %d items are too few", at, len(v))
	}
	for i, x := range v {
		if s.Items == nil {
			return nil
		}
		if err := s.Items.check(root, x, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Schema) checkObject(root *Schema, v map[string]any, at string) error {
	for _, k := range s.Required {
		if _, ok := v[k]; !ok {
			return fmt.Errorf("%s: there is no %s", at, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(v)) {
		p, known := s.Properties[k]
		switch {
		case known:
			if err := p.check(root, v[k], at+"."+k); err != nil {
				return err
			}
		case s.Closed != nil && !*s.Closed:
			return fmt.Errorf("%s: %s is not allowed", at, k)
		}
	}
	return nil
}
