package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
)

// Size is a number of bytes. It is written as 64KiB, 1MiB, 2GiB, or as a plain
// number.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the size with the largest unit that it is a multiple of.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && u.bytes > 1 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	t, factor := strings.TrimSpace(string(text)), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(t, u.name); ok {
			t, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size: write 64KiB, 1MiB or a number of bytes", text)
	}
	*s = Size(n * factor)
	return nil
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[bridge.Secret]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isText reports whether values of t are written as one text.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// assign puts what a file, the environment or a flag says into a scalar or a
// list of scalars. Text is understood as any type; numbers and booleans only as
// what they are.
func assign(to reflect.Value, from any) error {
	if from == nil {
		to.SetZero()
		return nil
	}
	text, textual := from.(string)
	switch {
	case to.Kind() == reflect.Slice:
		return assignList(to, from)
	case isText(to.Type()):
		if !textual {
			text = fmt.Sprint(from)
		}
		return to.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case to.Type() == durationType:
		return assignDuration(to, text, from)
	}
	switch to.Kind() {
	case reflect.String:
		return assignString(to, from)
	case reflect.Bool:
		return assignBool(to, from)
	default:
		return assignNumber(to, from)
	}
}

func assignDuration(to reflect.Value, text string, from any) error {
	if from == 0 || text == "0" {
		to.SetInt(0)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write 10s, 5m or 1h30m", fmt.Sprint(from))
	}
	to.SetInt(int64(d))
	return nil
}

func assignString(to reflect.Value, from any) error {
	switch from.(type) {
	case string, int, int64, uint64, float64:
		to.SetString(fmt.Sprint(from))
		return nil
	}
	return fmt.Errorf("%v is not a text: put it in quotes", from)
}

func assignBool(to reflect.Value, from any) error {
	switch v := from.(type) {
	case bool:
		to.SetBool(v)
		return nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			to.SetBool(b)
			return nil
		}
	}
	return fmt.Errorf("%q is neither true nor false", fmt.Sprint(from))
}

func assignNumber(to reflect.Value, from any) error {
	if _, ok := from.(bool); ok {
		return fmt.Errorf("%v is not a number", from)
	}
	text := strings.TrimSpace(fmt.Sprint(from))
	switch to.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, to.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		to.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, to.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0 up", text)
		}
		to.SetUint(n)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, to.Type().Bits())
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%q is not a number", text)
		}
		to.SetFloat(f)
	default:
		return fmt.Errorf("values of type %s cannot be configured", to.Type())
	}
	return nil
}

func assignList(to reflect.Value, from any) error {
	var items []any
	switch v := from.(type) {
	case []any:
		items = v
	case []string:
		for _, s := range v {
			items = append(items, s)
		}
	case string: // from the environment or a flag
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				items = append(items, s)
			}
		}
	default:
		return fmt.Errorf("%v is not a list", from)
	}
	list := reflect.MakeSlice(to.Type(), len(items), len(items))
	for i, item := range items {
		if err := assign(list.Index(i), item); err != nil {
			return err
		}
	}
	to.Set(list)
	return nil
}

// plain is the reverse of assign: the value as YAML and JSON write it. Secrets
// become "redacted".
func plain(v reflect.Value) any {
	switch {
	case v.Type() == durationType:
		return shortDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		m := map[string]any{}
		for _, f := range fieldsOf(v) {
			m[f.name] = shown(f)
		}
		return m
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(v.Int())
	}
	return v.Interface()
}

// shown is plain for a field, but for what its name says is a secret though its
// type does not.
func shown(f field) any {
	v := plain(f.value)
	switch f.name {
	case "secret", "password", "codes", "pin":
		if list, ok := v.([]any); ok {
			for i := range list {
				list[i] = redacted
			}
		} else if v != "" {
			return redacted
		}
	}
	return v
}

// shortDuration writes 30m instead of 30m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
