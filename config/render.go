package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// WriteYAML writes the effective configuration, with a remark where a value is
// not the default. Secrets are redacted.
func (l *Loaded) WriteYAML(w io.Writer) error {
	y := &yamlWriter{after: func(path string) string { return l.Origins[path] }}
	y.section(reflect.ValueOf(&l.Config).Elem(), "", "", l.own)
	_, err := io.WriteString(w, y.out.String())
	return err
}

// WriteJSON writes the effective configuration and the origins of its values for
// programs. Secrets are redacted.
func (l *Loaded) WriteJSON(w io.Writer) error {
	all := plain(reflect.ValueOf(&l.Config).Elem()).(map[string]any)
	list := make([]any, len(l.Dialects))
	for i, d := range l.Dialects {
		m := plain(reflect.ValueOf(&d).Elem()).(map[string]any)
		if own := l.own(d.Name); own.IsValid() {
			for _, f := range fieldsOf(own) {
				m[f.name] = shown(f)
			}
		}
		list[i] = m
	}
	all["dialects"] = list
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"development": l.Dev, "config": all, "origins": l.Origins})
}

// own returns the effective own section of a dialect.
func (l *Loaded) own(name string) reflect.Value {
	for _, s := range l.sections {
		if own := s.own(); s.Name == name && own.IsValid() {
			var p Problems
			for _, d := range l.Dialects {
				if d.Name == name {
					fill(own, d.Settings, name, &p)
				}
			}
			return own
		}
	}
	return reflect.Value{}
}

// WriteSample writes a configuration file with every key at its default, each
// with its comment. Lists that are empty by default have an example.
func WriteSample(w io.Writer, sections []Section) error {
	docs := reference()
	c := Default()
	for _, s := range sections {
		c.Dialects = append(c.Dialects, Dialect{Name: s.Name, Enabled: true})
	}
	y := &yamlWriter{above: func(path string) string { return docs[docKey(path)].text }}
	y.out.WriteString("# Configuration of Dragoman. Every key is here with its default; what is left out keeps it.\n" +
		"# A flag wins over an environment variable, that over this file: DRAGOMAN_HTTP_LISTEN, --http-listen.\n")
	own := func(name string) reflect.Value {
		for _, s := range sections {
			if s.Name == name {
				return s.own()
			}
		}
		return reflect.Value{}
	}
	y.section(reflect.ValueOf(&c).Elem(), "", "", own)
	_, err := io.WriteString(w, y.out.String())
	return err
}

// yamlWriter writes sections as YAML, with remarks.
type yamlWriter struct {
	out   strings.Builder
	above func(path string) string // a comment in lines of its own
	after func(path string) string // a remark at the end of the line
}

type ownSection func(name string) reflect.Value

func (y *yamlWriter) section(v reflect.Value, path, indent string, own ownSection) {
	for _, f := range fieldsOf(v) {
		at := join(path, f.name)
		if y.above != nil && indent == "" {
			y.out.WriteString("\n")
		}
		y.comment(at, indent)
		switch t := f.value.Type(); {
		case isSection(t):
			fmt.Fprintf(&y.out, "%s%s:\n", indent, f.name)
			y.section(f.value, at, indent+"  ", own)
		case isSections(t):
			y.list(f, at, indent, own)
		default:
			y.line(indent, f.name, show(shown(f)), at)
		}
	}
}

func (y *yamlWriter) list(f field, path, indent string, own ownSection) {
	if f.value.Len() == 0 {
		y.line(indent, f.name, "[]", path)
		if y.above != nil {
			y.example(f, path, indent)
		}
		return
	}
	fmt.Fprintf(&y.out, "%s%s:%s\n", indent, f.name, y.remark(path))
	for i := range f.value.Len() {
		item := f.value.Index(i)
		at := fmt.Sprintf("%s[%d]", path, i)
		var more reflect.Value
		if d, ok := item.Interface().(Dialect); ok {
			at = join("dialects", d.Name)
			more = own(d.Name)
		}
		part := yamlWriter{after: y.after}
		if i == 0 { // what all entries have is explained once
			part.above = y.above
		}
		part.section(item, at, indent+"    ", own)
		if more.IsValid() {
			part.above = y.above
			part.section(more, at, indent+"    ", own)
		}
		y.out.WriteString(dashed(part.out.String(), indent+"  "))
	}
}

// dashed puts the dash of a list entry before its first key; comments above it
// stay above.
func dashed(lines, indent string) string {
	var b strings.Builder
	done := false
	for line := range strings.Lines(lines) {
		inner := strings.TrimPrefix(line, indent+"  ")
		if !done && !strings.HasPrefix(inner, "#") {
			line, done = indent+"- "+inner, true
		}
		b.WriteString(line)
	}
	return b.String()
}

// example shows, commented out, what an entry of an empty list looks like.
func (y *yamlWriter) example(f field, path, indent string) {
	part := yamlWriter{above: func(at string) string { return y.above(strings.Replace(at, path, path+"[]", 1)) }}
	part.section(newItem(f.value.Type()), path, indent+"    ", nil)
	for line := range strings.Lines(dashed(part.out.String(), indent+"  ")) {
		y.out.WriteString("#" + line)
	}
}

func (y *yamlWriter) line(indent, name, value, path string) {
	fmt.Fprintf(&y.out, "%s%s: %s%s\n", indent, name, value, y.remark(path))
}

func (y *yamlWriter) remark(path string) string {
	if y.after != nil {
		if s := y.after(path); s != "" {
			return "  # " + s
		}
	}
	return ""
}

func (y *yamlWriter) comment(path, indent string) {
	if y.above == nil {
		return
	}
	text := y.above(path)
	for text != "" {
		cut := len(text)
		if cut > 100 {
			cut = strings.LastIndexByte(text[:100], ' ')
			if cut <= 0 {
				cut = len(text)
			}
		}
		fmt.Fprintf(&y.out, "%s# %s\n", indent, text[:cut])
		text = strings.TrimSpace(text[cut:])
	}
}
