package config

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// field is one field of a struct that can be configured.
type field struct {
	name  string // in snake_case
	value reflect.Value
}

// fieldsOf lists the fields of a struct that can be configured: exported ones of
// types that a file can hold. Functions, channels, interfaces, maps and pointers
// are left out; packages have them in their Config structs for other reasons.
func fieldsOf(s reflect.Value) []field {
	var out []field
	for i := range s.NumField() {
		f := s.Type().Field(i)
		name := f.Tag.Get("yaml")
		if name == "" {
			name = f.Tag.Get("mapstructure")
		}
		if name == "-" || !f.IsExported() || !configurable(f.Type) {
			continue
		}
		if name == "" {
			name = snake(f.Name)
		}
		out = append(out, field{name: name, value: s.Field(i)})
	}
	return out
}

func configurable(t reflect.Type) bool {
	if isText(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Slice:
		return configurable(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && configurable(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Func, reflect.Chan, reflect.Interface, reflect.Map, reflect.Pointer,
		reflect.Array, reflect.Complex64, reflect.Complex128, reflect.Uintptr, reflect.UnsafePointer:
		return false
	}
	return true
}

// isSection reports whether t has keys of its own.
func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

// isSections reports whether t is a list of things with keys of their own.
func isSections(t reflect.Type) bool { return t.Kind() == reflect.Slice && isSection(t.Elem()) }

// leaf is one key that has a value.
type leaf struct {
	path  string
	value reflect.Value
}

// leaves lists the keys below a struct, in the order of its fields. Lists of
// sections are leaves: only a file can say them. The list of dialects is not
// among them: each dialect is a section under its name.
func leaves(s reflect.Value, under string) []leaf {
	var out []leaf
	for _, f := range fieldsOf(s) {
		path := join(under, f.name)
		switch {
		case f.value.Type() == dialectsType:
		case isSection(f.value.Type()):
			out = append(out, leaves(f.value, path)...)
		default:
			out = append(out, leaf{path, f.value})
		}
	}
	return out
}

var dialectsType = reflect.TypeFor[[]Dialect]()

func join(under, name string) string {
	if under == "" {
		return name
	}
	return under + "." + name
}

// EnvName is the environment variable of a key.
func EnvName(path string) string {
	return "DRAGOMAN_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// FlagName is the flag of a key, without the dashes.
func FlagName(path string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(path) }

// snake turns the name of a field into the name of its key: TrustedProxies to
// trusted_proxies, PublicURL to public_url.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// nearest returns the name that is most like what was written, or "".
func nearest(written string, names []string) string {
	best, bestDistance := "", max(2, len(written)/3)+1
	for _, n := range names {
		d := distance(written, n)
		if len(n) > 2 && (strings.HasPrefix(n, written) || strings.HasPrefix(written, n)) {
			d = 1
		}
		if d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

func didYouMean(written string, names []string) string {
	if n := nearest(written, names); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}
