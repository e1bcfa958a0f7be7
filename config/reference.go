package config

import (
	_ "embed"
	"fmt"
	"io"
	"reflect"
	"strings"

	"dragoman/cluster/livekit"
)

// reference.txt holds the comments of the fields that can be configured, a line
// per key. It is made from the sources by "go test ./config -update"; the test
// fails when it is not what the sources say.
//
//go:embed reference.txt
var referenceText string

// doc is what is said about one key.
type doc struct{ text string }

// short is the first sentence, for one line of help.
func (d doc) short() string {
	if first, _, more := strings.Cut(d.text, ". "); more {
		return first
	}
	return strings.TrimSuffix(d.text, ".")
}

func reference() map[string]doc {
	out := map[string]doc{}
	for line := range strings.Lines(referenceText) {
		if key, text, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			out[key] = doc{text}
		}
	}
	return out
}

// docKey is the key under which a path is explained: what all dialects share is
// explained once, and so are the entries of a list.
func docKey(path string) string {
	parts := strings.Split(path, ".")
	if len(parts) > 2 && parts[0] == "dialects" && common(parts[2]) {
		parts = append([]string{"dialects[]"}, parts[2:]...)
	}
	return strings.Join(parts, ".")
}

// common reports whether a key is one that every dialect has.
func common(name string) bool {
	f, _ := find(fieldsOf(reflect.ValueOf(&Dialect{}).Elem()), name)
	return f != nil
}

// A Key is one key of the reference.
type Key struct {
	Path, Env, Flag string // Env and Flag are empty for what only a file can say
	Type            string
	Default         string // with a file
	Development     string // without; empty: the same
	Text            string
}

// Keys lists every key in the order of the file. What all dialects share comes
// once, as dialects[].
func Keys(sections []Section) []Key {
	l := &lister{docs: reference(), sections: sections}
	production, dev := Default(), Development()
	l.section(reflect.ValueOf(&production).Elem(), reflect.ValueOf(&dev).Elem(), "")
	return l.keys
}

type lister struct {
	docs     map[string]doc
	sections []Section
	keys     []Key
}

func (l *lister) section(v, dev reflect.Value, path string) {
	devFields := fieldsOf(dev)
	for i, f := range fieldsOf(v) {
		at := join(path, f.name)
		switch t := f.value.Type(); {
		case isSection(t):
			l.section(f.value, devFields[i].value, at)
		case isSections(t):
			l.keys = append(l.keys, Key{Path: at, Type: "list", Text: l.docs[at].text})
			item := newItem(t)
			l.section(item, item, at+"[]")
			if t == dialectsType {
				l.own()
			}
		default:
			l.keys = append(l.keys, l.key(at, f.value, devFields[i].value))
		}
	}
}

func (l *lister) own() {
	for _, s := range l.sections {
		if own := s.own(); own.IsValid() {
			l.section(own, own, join("dialects", s.Name))
		}
	}
}

// newItem returns an entry of a list of sections as it is when nothing is said.
func newItem(list reflect.Type) reflect.Value {
	item := reflect.New(list.Elem()).Elem()
	switch list {
	case dialectsType:
		item.Set(reflect.ValueOf(Dialect{Enabled: true}))
	case liveKitType:
		item.Set(reflect.ValueOf(livekit.DefaultSettings()))
	}
	return item
}

var liveKitType = reflect.TypeFor[[]livekit.Settings]()

func (l *lister) key(path string, v, dev reflect.Value) Key {
	k := Key{Path: path, Type: typeName(v.Type()), Default: show(plain(v)), Text: l.docs[path].text}
	if d := show(plain(dev)); d != k.Default {
		k.Development = d
	}
	if inner, ok := strings.CutPrefix(path, "dialects[]."); ok && inner != "name" {
		path = "dialects.<name>." + inner
	}
	if !strings.Contains(path, "[]") {
		k.Env, k.Flag = EnvName(path), "--"+FlagName(path)
	}
	if v.Type() == secretType {
		k.Text += " Or " + path[strings.LastIndex(path, ".")+1:] + "_file: a file with it."
		if k.Flag != "" {
			k.Flag += "-file"
		}
	}
	return k
}

func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == secretType:
		return "secret"
	case t == reflect.TypeFor[Size]():
		return "size"
	case t.Kind() == reflect.Slice:
		return "list"
	case isText(t):
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	}
	return "number"
}

// show writes a value as a file would have it.
func show(v any) string {
	switch p := v.(type) {
	case []any:
		items := make([]string, len(p))
		for i, item := range p {
			items[i] = fmt.Sprintf("%q", fmt.Sprint(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		if p == "" || strings.ContainsAny(p, ":#{}[],&*?|<>=!%@`\"' ") {
			return fmt.Sprintf("%q", p)
		}
		return p
	default:
		return fmt.Sprint(p)
	}
}

// WriteReference writes the reference text, in Markdown.
func WriteReference(w io.Writer, sections []Section) error {
	var b strings.Builder
	b.WriteString("# Configuration\n\nA flag wins over an environment variable, that over the file, that over the default.\n" +
		"Durations are written as `10s`, sizes as `64KiB`, lists in variables and flags with commas.\n" +
		"A secret may also be in a file: the key with `_file` at its end names it.\n")
	last := ""
	for _, k := range Keys(sections) {
		head, _, _ := strings.Cut(k.Path, ".")
		if head = strings.TrimSuffix(head, "[]"); head != last {
			last = head
			fmt.Fprintf(&b, "\n## %s\n\n", head)
		}
		fmt.Fprintf(&b, "- `%s` (%s", k.Path, k.Type)
		if k.Default != "" && k.Type != "secret" {
			fmt.Fprintf(&b, ", default `%s`", k.Default)
		}
		if k.Development != "" {
			fmt.Fprintf(&b, ", in development mode `%s`", k.Development)
		}
		fmt.Fprintf(&b, "): %s", k.Text)
		if k.Env != "" {
			fmt.Fprintf(&b, " `%s`", k.Env)
		}
		if k.Flag != "" {
			fmt.Fprintf(&b, " `%s`", k.Flag)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
