package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A typ is a type of the modules, or a part of one that has no name.
type typ struct {
	name   string
	doc    []string
	kind   string // SEQUENCE, CHOICE, LIST, ENUMERATED, or a basic type; REF: see of
	of     string // of a list, or what is referred to
	fields []member
}

// member is a field of a SEQUENCE, an alternative of a CHOICE, or a value of an
// ENUMERATED.
type member struct {
	name     string
	doc      []string
	tag      int // -1: none of its own
	explicit bool
	of       string // name of its type
	optional bool
	value    int64
}

// operation is an OPERATION. Without a result it is an event.
type operation struct {
	name, argument, result string
	id                     int64
}

// module is what is read of all files.
type module struct {
	types      []*typ
	byName     map[string]*typ
	operations []operation
}

// tokens of ASN.1, as far as it is used here; comments are kept for documentation.
var tokens = regexp.MustCompile(`--[^\n]*|::=|\.\.\.|[{}\[\](),]|[A-Za-z0-9_-]+|\S`)

// parser reads one file.
type parser struct {
	m        *module
	all      []string
	explicit bool // what tags are where nothing is said
	doc      []string
}

// parse reads modules, in the order of their dependence.
func parse(texts ...string) (*module, error) {
	m := &module{byName: map[string]*typ{}}
	for _, text := range texts {
		p := &parser{m: m, all: tokens.FindAllString(text, -1)}
		if err := p.file(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// peek returns the next token, and notes the comments before it.
func (p *parser) peek() string {
	for len(p.all) > 0 && strings.HasPrefix(p.all[0], "--") {
		p.doc = append(p.doc, strings.TrimSpace(strings.TrimPrefix(p.all[0], "--")))
		p.all = p.all[1:]
	}
	if len(p.all) == 0 {
		return ""
	}
	return p.all[0]
}

func (p *parser) next() string {
	t := p.peek()
	if t != "" {
		p.all = p.all[1:]
	}
	return t
}

// comments returns the comments since the last call. Only the lines after a ruler
// (====) are of what follows.
func (p *parser) comments() []string {
	doc := p.doc
	p.doc = nil
	for i, line := range doc {
		if strings.HasPrefix(line, "===") {
			return (&parser{doc: doc[i+1:]}).comments()
		}
	}
	return doc
}

func (p *parser) expect(want ...string) error {
	for _, w := range want {
		if got := p.next(); got != w {
			return fmt.Errorf("want %q, got %q before %q", w, got, strings.Join(p.all[:min(8, len(p.all))], " "))
		}
	}
	return nil
}

// take takes the next token if it is that one.
func (p *parser) take(want string) bool {
	if p.peek() != want {
		return false
	}
	p.next()
	return true
}

// file reads a module: head, imports, definitions.
func (p *parser) file() error {
	for t := p.next(); t != "BEGIN"; t = p.next() {
		switch t {
		case "":
			return fmt.Errorf("there is no BEGIN")
		case "EXPLICIT":
			p.explicit = true
		}
	}
	if p.take("IMPORTS") {
		for t := p.next(); t != ";" && t != ""; t = p.next() {
		}
	}
	p.comments()
	for !p.take("END") {
		name := p.next()
		if name == "" {
			return fmt.Errorf("there is no END")
		}
		if err := p.definition(name, p.comments()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *parser) definition(name string, doc []string) error {
	if p.take("OPERATION") {
		return p.operation(name)
	}
	if err := p.expect("::="); err != nil {
		return err
	}
	t := &typ{name: name, doc: doc}
	if p.m.byName[name] != nil {
		return fmt.Errorf("defined twice")
	}
	p.m.types = append(p.m.types, t)
	p.m.byName[name] = t
	return p.body(t)
}

// body reads a type.
func (p *parser) body(t *typ) error {
	switch t.kind = p.next(); t.kind {
	case "SEQUENCE":
		if p.take("OF") {
			t.kind = "LIST"
			var err error
			t.of, err = p.reference()
			return err
		}
		return p.members(t)
	case "CHOICE", "ENUMERATED":
		return p.members(t)
	case "OCTET":
		t.kind = "OCTETS"
		return p.expect("STRING")
	case "BOOLEAN", "INTEGER", "UTF8String", "REAL", "NULL", "ANY":
		return nil
	}
	t.kind, t.of = "REF", t.kind
	return nil
}

// reference reads the name of a type. One without a name is given one.
func (p *parser) reference() (string, error) {
	switch t := p.peek(); t {
	case "OCTET":
		p.next()
		return "OCTETS", p.expect("STRING")
	case "SEQUENCE", "CHOICE", "ENUMERATED":
		return "", fmt.Errorf("a %s without a name is not supported", t)
	}
	return p.next(), nil
}

func (p *parser) members(t *typ) error {
	if err := p.expect("{"); err != nil {
		return err
	}
	for !p.take("}") {
		if p.take("...") || p.take(",") {
			continue
		}
		name := p.next()
		f := member{name: name, doc: p.comments(), tag: -1, explicit: p.explicit}
		if err := p.member(t, &f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.fields = append(t.fields, f)
	}
	return nil
}

func (p *parser) member(t *typ, f *member) (err error) {
	if t.kind == "ENUMERATED" {
		if err := p.expect("("); err != nil {
			return err
		}
		if f.value, err = strconv.ParseInt(p.next(), 10, 64); err != nil {
			return err
		}
		return p.expect(")")
	}
	if p.take("[") {
		if f.tag, err = strconv.Atoi(p.next()); err != nil {
			return err
		}
		if err := p.expect("]"); err != nil {
			return err
		}
		if p.take("IMPLICIT") {
			f.explicit = false
		}
	}
	if p.peek() == "CHOICE" { // of a type that nothing here uses
		inner := &typ{name: t.name + "Choice"}
		p.m.types = append(p.m.types, inner)
		p.m.byName[inner.name] = inner
		f.of = inner.name
		return p.body(inner)
	}
	if f.of, err = p.reference(); err != nil {
		return err
	}
	f.optional = p.take("OPTIONAL")
	return nil
}

func (p *parser) operation(name string) error {
	o := operation{name: name}
	if err := p.expect("ARGUMENT"); err != nil {
		return err
	}
	p.next() // its name
	o.argument = p.next()
	if p.take("RESULT") {
		p.next()
		o.result = p.next()
		if err := p.expect("ERRORS", "{", "AsnRequestError", "}"); err != nil {
			return err
		}
	}
	if err := p.expect("::="); err != nil {
		return err
	}
	id, err := strconv.ParseInt(p.next(), 10, 64)
	o.id = id
	p.m.operations = append(p.m.operations, o)
	return err
}
