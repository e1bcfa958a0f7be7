package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"dragoman/bridge"
)

// Section is what this package has to know of a dialect.
type Section struct {
	Name   string
	Listen string // its own listener in development mode
	Config any    // a struct with the defaults of its own section, or a pointer to one; nil: it has none
}

// own returns a fresh, settable copy of the section's defaults.
func (s Section) own() reflect.Value {
	if s.Config == nil {
		return reflect.Value{}
	}
	from := reflect.Indirect(reflect.ValueOf(s.Config))
	to := reflect.New(from.Type()).Elem()
	to.Set(from)
	return to
}

func sectionNames(sections []Section) []string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.Name
	}
	return names
}

// Options says where a configuration comes from. The environment is the
// process's own.
type Options struct {
	File     string         // empty: none
	Dev      *bool          // nil: without a file
	Insecure bool           // see Config.Insecure
	Flags    *pflag.FlagSet // with the flags that AddFlags made; may be nil
	Sections []Section      // the dialects there are
}

// Loaded is a configuration and where it came from.
type Loaded struct {
	Config
	// Origins says of each key that is not a default where its value came from:
	// "dragoman.yaml:12", "DRAGOMAN_HTTP_LISTEN" or "--http-listen".
	Origins map[string]string
	// Unused are DRAGOMAN_ variables that mean nothing. They are no error: where
	// services find each other by variables, some carry any service's name.
	Unused []string

	sections []Section
	in       *layers
}

// Explain says where in the configuration the cause of an error is that a dialect
// found in its own section: "dialect ahoy: room.max_member: …". Other errors are
// returned as they are.
func (l *Loaded) Explain(err error) error {
	if err == nil {
		return nil
	}
	rest, ok := strings.CutPrefix(err.Error(), "dialect ")
	name, text, found := strings.Cut(rest, ": ")
	if _, ours := errors.AsType[Problems](err); ours || !ok || !found || !slices.Contains(sectionNames(l.sections), name) {
		return err
	}
	path := join("dialects", name)
	if key, why, ok := strings.Cut(text, ": "); ok && !strings.ContainsAny(key, " \"") {
		path, text = join(path, key), why
	}
	return Problems{{Path: path, Where: l.in.where(path), Text: text}}
}

// Load reads a configuration and checks it. An error that is a Problems says
// everything that is wrong; Loaded is returned with it as far as it got.
func Load(o Options) (*Loaded, error) {
	l := &Loaded{Config: Default(), Origins: map[string]string{}, sections: o.Sections}
	if o.Dev != nil && *o.Dev || o.Dev == nil && o.File == "" {
		l.Config = Development()
	}
	l.Insecure = o.Insecure
	for _, s := range o.Sections {
		d := Dialect{Name: s.Name, Enabled: true}
		if l.Dev {
			d.Listen = s.Listen
		}
		l.Dialects = append(l.Dialects, d)
	}
	in := &layers{viper: viper.New(), flags: o.Flags, origins: l.Origins}
	l.in = in
	if o.File != "" {
		data, err := os.ReadFile(o.File)
		if err != nil {
			return l, fmt.Errorf("configuration: %w", err)
		}
		in.doc, err = parse(o.File, data, reflect.ValueOf(&l.Config).Elem(), o.Sections)
		if err != nil {
			return l, err
		}
		if err := in.viper.MergeConfigMap(in.doc.values); err != nil {
			return l, fmt.Errorf("configuration: %w", err)
		}
	}
	in.read(l)
	l.Unused = in.unused()
	if err := l.Validate(); err != nil {
		in.problems.add("", err)
	}
	for i, p := range in.problems {
		if p.Where == "" {
			in.problems[i].Where = in.where(p.Path)
		}
	}
	return l, in.problems.orNil()
}

// layers is flag over environment over file over default, kept by viper. It is
// seeded with the defaults: viper ignores variables of keys that it never heard
// of.
type layers struct {
	viper    *viper.Viper
	doc      *document
	flags    *pflag.FlagSet
	origins  map[string]string
	known    []string // environment variables
	problems Problems
}

func (in *layers) read(l *Loaded) {
	for _, one := range leaves(reflect.ValueOf(&l.Config).Elem(), "") {
		in.leaf(one, nil)
	}
	for i := range l.Dialects {
		d := &l.Dialects[i]
		path := join("dialects", d.Name)
		if in.doc != nil && in.doc.listed != nil {
			d.Enabled = slices.Contains(in.doc.listed, d.Name)
		}
		for _, one := range leaves(reflect.ValueOf(d).Elem(), path) {
			if one.path != path+".name" {
				in.leaf(one, nil)
			}
		}
		if own := l.sections[i].own(); own.IsValid() {
			d.Settings = map[string]any{}
			for _, one := range leaves(own, path) {
				in.leaf(one, func(value any) { put(d.Settings, strings.TrimPrefix(one.path, path+"."), value) })
			}
		}
	}
}

// leaf settles the value of one key. keep is told the values that are not
// defaults.
func (in *layers) leaf(one leaf, keep func(any)) {
	in.viper.SetDefault(one.path, plain(one.value))
	if !isSections(one.value.Type()) {
		in.bind(one.path, one.value.Type() != secretType)
	}
	if one.value.Type() == secretType {
		in.bind(one.path+"_file", true)
	}
	from := in.origin(one.path)
	if from != "" {
		in.origins[one.path] = from
		value := in.viper.Get(one.path)
		fillField(one.value, value, one.path, &in.problems)
		if keep != nil {
			keep(value)
		}
	}
	if one.value.Type() == secretType {
		in.secretFile(one, keep)
	}
}

func (in *layers) secretFile(one leaf, keep func(any)) {
	path := one.path + "_file"
	from := in.origin(path)
	if from == "" {
		return
	}
	in.origins[one.path] = from
	if err := assignSecretFile(one.value, in.viper.GetString(path)); err != nil {
		in.problems = append(in.problems, Problem{Path: path, Where: from, Text: err.Error()})
		return
	}
	if keep != nil {
		keep(bridge.Secret(one.value.String()))
	}
}

func (in *layers) bind(path string, flag bool) {
	env := EnvName(path)
	in.known = append(in.known, env)
	// Errors of both are about missing arguments only.
	_ = in.viper.BindEnv(path, env)
	if flag && in.flags != nil {
		if f := in.flags.Lookup(FlagName(path)); f != nil {
			_ = in.viper.BindPFlag(path, f)
		}
	}
}

// origin says where the value of a key comes from; empty: it is the default.
func (in *layers) origin(path string) string {
	if in.flags != nil {
		if f := in.flags.Lookup(FlagName(path)); f != nil && f.Changed {
			return "--" + f.Name
		}
	}
	if env := EnvName(path); slices.Contains(in.known, env) && os.Getenv(env) != "" {
		return env
	}
	if in.doc != nil && in.doc.lines[path] > 0 {
		return in.doc.where(path)
	}
	return ""
}

// where finds the nearest thing above a path that was said somewhere.
func (in *layers) where(path string) string {
	for at := path; at != ""; {
		if from := in.origins[at]; from != "" && at != path {
			// A list is one value; the file knows its entries better.
			if line := in.doc.where(path); line != "" {
				return line
			}
			return from
		} else if from != "" {
			return from
		}
		cut := strings.LastIndexAny(at, ".[")
		if cut < 0 {
			break
		}
		at = at[:cut]
	}
	if in.doc != nil {
		return in.doc.where(path)
	}
	return ""
}

// OtherVariables are those that mean something to the commands, not to the
// configuration.
func OtherVariables() []string {
	return []string{"CONFIG", "DEV", "INSECURE", "PORTS_FILE", "ADMIN_URL", "ADMIN_KEY", "ADMIN_KEY_FILE"}
}

func (in *layers) unused() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		short, ours := strings.CutPrefix(name, "DRAGOMAN_")
		if ours && !slices.Contains(in.known, name) && !slices.Contains(OtherVariables(), short) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// put stores a value under a dotted path.
func put(m map[string]any, path string, value any) {
	for {
		head, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			m[head] = value
			return
		}
		next, ok := m[head].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[head] = next
		}
		m, path = next, rest
	}
}
