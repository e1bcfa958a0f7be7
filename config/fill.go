package config

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"dragoman/bridge"
)

// Section returns what decodes the own section of one dialect into a struct that
// holds its defaults. Keys that the struct does not have are errors.
func (c *Config) Section(name string) func(any) error {
	var settings map[string]any
	for _, d := range c.Dialects {
		if d.Name == name {
			settings = d.Settings
		}
	}
	return func(target any) error {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
			return fmt.Errorf("a section is decoded into a pointer to a struct, not into %T", target)
		}
		var p Problems
		fill(v.Elem(), settings, "dialects."+name, &p)
		return p.orNil()
	}
}

// fill sets the fields of a struct from a map with the names of keys.
func fill(to reflect.Value, from map[string]any, path string, p *Problems) {
	fields := fieldsOf(to)
	for _, key := range slices.Sorted(maps.Keys(from)) {
		at := join(path, key)
		if f, isFile := find(fields, key); f == nil {
			p.addf(at, "unknown key%s", didYouMean(key, namesOf(fields)))
		} else if isFile {
			p.add(at, assignSecretFile(f.value, fmt.Sprint(from[key])))
		} else {
			fillField(f.value, from[key], at, p)
		}
	}
}

func fillField(to reflect.Value, from any, path string, p *Problems) {
	switch {
	case from == nil:
		to.SetZero()
	case isSection(to.Type()):
		if m, ok := from.(map[string]any); ok {
			fill(to, m, path, p)
		} else {
			p.addf(path, "has keys of its own, not a value")
		}
	case isSections(to.Type()):
		fillList(to, from, path, p)
	default:
		p.add(path, assign(to, from))
	}
}

func fillList(to reflect.Value, from any, path string, p *Problems) {
	items, ok := from.([]any)
	if !ok {
		p.addf(path, "is a list: begin each entry with a dash")
		return
	}
	list := reflect.MakeSlice(to.Type(), len(items), len(items))
	for i, item := range items {
		list.Index(i).Set(newItem(to.Type()))
		fillField(list.Index(i), item, fmt.Sprintf("%s[%d]", path, i), p)
	}
	to.Set(list)
}

// find returns the field of a key. Every secret has a second key that names a
// file with it.
func find(fields []field, key string) (f *field, isFile bool) {
	for i := range fields {
		if fields[i].name == key {
			return &fields[i], false
		}
	}
	secret, isFile := strings.CutSuffix(key, "_file")
	for i := range fields {
		if isFile && fields[i].name == secret && fields[i].value.Type() == secretType {
			return &fields[i], true
		}
	}
	return nil, false
}

func namesOf(fields []field) []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
		if f.value.Type() == secretType {
			names = append(names, f.name+"_file")
		}
	}
	return names
}

// MaxSecret is the largest secret that a file may hold, in bytes.
const MaxSecret = 4096

func assignSecretFile(to reflect.Value, name string) error {
	if name == "" {
		return nil
	}
	if to.String() != "" {
		return fmt.Errorf("the secret is given twice: here and as %s", "the key without _file")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || len(text) > MaxSecret {
		return fmt.Errorf("%s holds no secret: it has to have 1 to %d bytes", name, MaxSecret)
	}
	to.Set(reflect.ValueOf(bridge.Secret(text)))
	return nil
}
