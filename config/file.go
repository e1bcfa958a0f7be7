package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// MaxFile is the largest configuration file that is read, in bytes.
const MaxFile = 1 << 20

// document is a configuration file that was read and whose keys are known.
type document struct {
	name   string
	values map[string]any // nested as the keys are; each dialect under its name
	lines  map[string]int // of each key, by path
	listed []string       // dialects in the file; nil: it has no such list
}

func (d *document) where(path string) string {
	if d == nil {
		return ""
	}
	for path != "" {
		if line := d.lines[path]; line > 0 {
			return fmt.Sprintf("%s:%d", d.name, line)
		}
		// A key that is missing is told at the thing it is missing in.
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return d.name
}

// reader turns nodes into values and notes where they were.
type reader struct {
	doc      *document
	sections []Section
	all      []string // every key there is, for suggestions
	problems Problems
}

// parse reads a file. Every key must be one of the struct's, or of a dialect's
// own section.
func parse(name string, data []byte, root reflect.Value, sections []Section) (*document, error) {
	r := &reader{doc: &document{name: name, values: map[string]any{}, lines: map[string]int{}}, sections: sections}
	for _, l := range leaves(root, "") {
		r.all = append(r.all, l.path)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, MaxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := dec.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return r.doc, nil
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document: remove the line ---", name)
	}
	if top := node.Content[0]; !isNull(top) {
		r.section(top, fieldsOf(root), "", r.doc.values)
	}
	return r.doc, r.problems.orNil()
}

func (r *reader) addf(n *yaml.Node, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		Path: path, Where: fmt.Sprintf("%s:%d", r.doc.name, n.Line), Text: fmt.Sprintf(format, args...),
	})
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// section reads a mapping with the keys of fields.
func (r *reader) section(n *yaml.Node, fields []field, path string, into map[string]any) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.addf(n, path, "has keys of its own: write them below it, indented")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		if _, twice := into[key.Value]; twice {
			r.addf(key, at, "is there twice, first in line %d", r.doc.lines[at])
			continue
		}
		f, isFile := find(fields, key.Value)
		if f == nil {
			r.addf(key, "", "unknown key %q%s", at, r.suggest(key.Value, fields))
			continue
		}
		r.doc.lines[at] = key.Line
		switch {
		case f.value.Type() == dialectsType:
			into[key.Value] = r.dialects(value, at)
		case isFile:
			into[key.Value] = r.scalar(value, at)
		default:
			into[key.Value] = r.field(value, f.value, at)
		}
	}
}

// suggest prefers a key of the same section, then one of the same name elsewhere.
func (r *reader) suggest(written string, fields []field) string {
	if s := didYouMean(written, namesOf(fields)); s != "" {
		return s
	}
	for _, path := range r.all {
		if strings.HasSuffix(path, "."+written) {
			return fmt.Sprintf("; did you mean %q?", path)
		}
	}
	return ""
}

func (r *reader) field(n *yaml.Node, v reflect.Value, path string) any {
	switch {
	case isSection(v.Type()):
		m := map[string]any{}
		r.section(n, fieldsOf(v), path, m)
		return m
	case isSections(v.Type()):
		item := fieldsOf(reflect.New(v.Type().Elem()).Elem())
		return r.list(n, path, func(n *yaml.Node, path string) any {
			m := map[string]any{}
			r.section(n, item, path, m)
			return m
		})
	case v.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		return r.list(n, path, r.scalar)
	}
	return r.scalar(n, path)
}

func (r *reader) list(n *yaml.Node, path string, item func(*yaml.Node, string) any) []any {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.addf(n, path, "is a list: begin each entry with a dash")
		return nil
	}
	out := make([]any, 0, len(n.Content))
	for i, c := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.doc.lines[at] = c.Line
		out = append(out, item(c, at))
	}
	return out
}

// scalar returns the text as it was written, so that a PIN of 0123 stays one.
func (r *reader) scalar(n *yaml.Node, path string) any {
	switch {
	case isNull(n):
		return nil
	case n.Kind == yaml.ScalarNode:
		return n.Value
	case n.Kind == yaml.AliasNode:
		r.addf(n, path, "aliases are not understood: write the value")
	default:
		r.addf(n, path, "is one value, not a list and not a section")
	}
	return nil
}

// dialects reads the list of dialects into a map by name.
func (r *reader) dialects(n *yaml.Node, path string) map[string]any {
	out := map[string]any{}
	r.doc.listed = []string{}
	for i, c := range n.Content {
		if n.Kind != yaml.SequenceNode {
			break
		}
		name := scalarAt(c, "name")
		at := slices.IndexFunc(r.sections, func(s Section) bool { return s.Name == name })
		switch {
		case name == "":
			r.addf(c, fmt.Sprintf("%s[%d]", path, i), "has no name: begin the entry with name:")
			continue
		case at < 0:
			r.addf(c, "", "unknown dialect %q%s", name, didYouMean(name, sectionNames(r.sections)))
			continue
		case out[name] != nil:
			r.addf(c, join(path, name), "is there twice")
			continue
		}
		fields := fieldsOf(reflect.ValueOf(&Dialect{}).Elem())
		if own := r.sections[at].own(); own.IsValid() {
			fields = append(fields, fieldsOf(own)...)
		}
		m := map[string]any{}
		r.doc.lines[join(path, name)] = c.Line
		r.section(c, fields, join(path, name), m)
		out[name] = m
		r.doc.listed = append(r.doc.listed, name)
	}
	if n.Kind != yaml.SequenceNode && !isNull(n) {
		r.addf(n, path, "is a list: begin each entry with - name:")
	}
	return out
}

func scalarAt(n *yaml.Node, key string) string {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1].Value
		}
	}
	return ""
}
