package config

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dragoman/dialects/all"
)

var update = flag.Bool("update", false, "write reference.txt from the sources")

// TestReferenceIsCurrent holds reference.txt to what the comments of the fields
// say, and every field to having a comment.
func TestReferenceIsCurrent(t *testing.T) {
	s := &scanner{t: t, structs: map[string]*ast.StructType{}, about: map[string]string{}}
	s.parse(".")
	s.parse("../media")
	s.parse("../bridge/notify")
	s.parse("../cluster")
	s.parse("../cluster/relay")
	s.parse("../cluster/livekit")
	s.walk(reflect.TypeFor[Config](), "")
	for _, e := range all.List() {
		s.parse("../dialects/" + e.New().Name())
		s.walk(reflect.TypeOf(e.Config), "dialects."+e.New().Name())
	}
	got := s.out.String()
	if *update {
		if err := os.WriteFile("reference.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != referenceText {
		t.Error("reference.txt is not what the comments say: run go test ./config -run TestReferenceIsCurrent -update")
	}
}

type scanner struct {
	t       *testing.T
	structs map[string]*ast.StructType // by package and name
	about   map[string]string          // what the comment of a struct says it is
	out     strings.Builder
}

func (s *scanner) parse(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no sources in %s: %v", dir, err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range f.Decls {
			if decl, ok := d.(*ast.GenDecl); ok && decl.Tok == token.TYPE {
				s.types(f.Name.Name, decl)
			}
		}
	}
}

func (s *scanner) types(pkg string, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		spec := spec.(*ast.TypeSpec)
		if st, ok := spec.Type.(*ast.StructType); ok {
			s.structs[pkg+"."+spec.Name.Name] = st
			s.about[pkg+"."+spec.Name.Name] = about(spec.Name.Name, decl.Doc.Text())
		}
	}
}

// about turns "HTTP is the shared listener." into "The shared listener.", and
// "ICELite lets clients in." into "Lets clients in."
func about(name, comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	rest, ok := strings.CutPrefix(text, name+" ")
	verb, object, _ := strings.Cut(rest, " ")
	switch {
	case !ok:
		return text
	case verb == "is" || verb == "are" || verb == "says":
		rest = object
	case !strings.HasSuffix(verb, "s"): // "Title of the page"
		return text
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

func (s *scanner) walk(t reflect.Type, path string) {
	st := s.structs[t.String()]
	if st == nil {
		s.t.Fatalf("no source for %s", t)
	}
	comments := map[string]string{}
	for _, f := range st.Fields.List {
		for _, name := range f.Names {
			comments[name.Name] = about(name.Name, f.Doc.Text()+" "+f.Comment.Text())
		}
	}
	v := reflect.New(t).Elem()
	for _, f := range fieldsOf(v) {
		at := join(path, f.name)
		var goName string
		for i := range t.NumField() {
			if v.Field(i).Addr().Interface() == f.value.Addr().Interface() && t.Field(i).Type == f.value.Type() {
				goName = t.Field(i).Name
			}
		}
		ft := f.value.Type()
		text := comments[goName]
		if text == "" && isSection(ft) {
			text = s.about[ft.String()]
		} else if text == "" && isSections(ft) {
			text = s.about[ft.Elem().String()]
		}
		if text != "" {
			s.out.WriteString(at + "\t" + text + "\n")
		} else {
			s.t.Errorf("%s.%s has no comment", t, goName)
		}
		switch {
		case isSection(ft):
			s.walk(ft, at)
		case isSections(ft):
			s.walk(ft.Elem(), at+"[]")
		}
	}
}
