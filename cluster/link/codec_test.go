package link_test

import (
	"bytes"
	"encoding"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/link"
)

// TestTableIsComplete: whatever bridge has of commands and events goes over links,
// but for the events of a session's own peers.
func TestTableIsComplete(t *testing.T) {
	has := map[string]bool{}
	for _, v := range link.Table() {
		has[reflect.TypeOf(v).String()] = true
	}
	declared := 0
	for name, method := range methods(t) {
		if method == "key" && strings.HasPrefix(name, "Peer") {
			if has["bridge."+name] {
				t.Errorf("%s goes over links", name)
			}
			continue
		}
		declared++
		if !has["bridge."+name] {
			t.Errorf("%s does not go over links", name)
		}
	}
	if declared < 60 {
		t.Errorf("only %d commands and events were found", declared)
	}
}

// methods finds the types of bridge that have a method apply or key.
func methods(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	pkgs, err := parser.ParseDir(token.NewFileSet(), "../../bridge", func(f fs.FileInfo) bool { //nolint:staticcheck // names are all that is wanted
		return !strings.HasSuffix(f.Name(), "_test.go")
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range pkgs["bridge"].Files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "apply" && fn.Name.Name != "key" {
				continue
			}
			if id, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
				found[id.Name] = fn.Name.Name
			}
		}
	}
	return found
}

// fill sets everything in a value that goes over links to something.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if u, ok := v.Addr().Interface().(encoding.BinaryUnmarshaler); ok {
		fillBinary(r, v, u)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			kind := v.Field(i).Kind()
			if v.Type().Field(i).IsExported() && kind != reflect.Chan && kind != reflect.Interface {
				fill(r, v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		n := 1 + r.IntN(2)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + r.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, depth+1)
			fill(r, value, depth+1)
			v.SetMapIndex(key, value)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth+1)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", r.IntN(1000)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(1 + r.IntN(1<<40)))
	case reflect.Uint8:
		v.SetUint(uint64(1 + r.IntN(200)))
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(1 + r.IntN(1<<15)))
	default:
		panic("nobody knows how to fill " + v.Type().String()) //nolint:forbidigo // a test that must be extended
	}
}

func fillBinary(r *rand.Rand, v reflect.Value, u encoding.BinaryUnmarshaler) {
	switch u := u.(type) {
	case *time.Time:
		*u = time.Unix(int64(r.IntN(1<<32)), int64(r.IntN(1e9))).UTC()
	case *netip.Addr:
		*u = netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(256))})
	case *netip.Prefix:
		*u = netip.MustParsePrefix("10.0.0.0/24")
	default:
		raw := make([]byte, 16)
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		if err := u.UnmarshalBinary(raw); err != nil {
			panic("nobody knows how to fill " + v.Type().String()) //nolint:forbidigo // a test that must be extended
		}
	}
}

// TestRoundTrip: everything comes out as it went in, full or empty; and a node that
// knows less skips what it does not know.
func TestRoundTrip(t *testing.T) {
	c, r := link.NewCodec(), rand.New(rand.NewPCG(1, 2))
	for _, empty := range link.Table() {
		full := reflect.New(reflect.TypeOf(empty)).Elem()
		fill(r, full, 0)
		for _, body := range []any{empty, full.Interface()} {
			want := &link.Envelope{Seat: 7, Number: 1 << 40, To: []uint32{1, 300, 70_000}, Version: 9, Body: body}
			b, err := c.Encode(want)
			if err != nil {
				t.Fatalf("%T: %v", body, err)
			}
			if have, err := c.Decode(b); err != nil || !reflect.DeepEqual(have, want) {
				t.Errorf("%T: have %+v, %v\nwant %+v", body, have, err, want)
			}
			for i := range len(b) - 1 {
				if _, err := c.Decode(b[:i]); err == nil {
					t.Errorf("%T was understood though cut after %d of %d bytes", body, i, len(b))
				}
			}
			if _, err := c.Decode(append(slices.Clone(b), 1)); err == nil {
				t.Errorf("%T was understood with something behind it", body)
			}
		}
	}
}

// TestErrors: codes and messages cross, causes do not.
func TestErrors(t *testing.T) {
	c := link.NewCodec()
	for _, code := range bridge.Codes() {
		b, err := c.Encode(&link.Envelope{Err: &bridge.Error{Code: code, Msg: "what a user is told", Node: "a-1", Err: errors.New("the secret cause")}})
		if err != nil || bytes.Contains(b, []byte("cause")) {
			t.Fatalf("%q, %v", b, err)
		}
		have, err := c.Decode(b)
		want := &bridge.Error{Code: code, Msg: "what a user is told", Node: "a-1"}
		if err != nil || !reflect.DeepEqual(have.Err, error(want)) {
			t.Errorf("have %v, %v, want %v", have.Err, err, want)
		}
	}
	b, _ := c.Encode(&link.Envelope{Err: errors.New("of nobody's")})
	if have, err := c.Decode(b); err != nil || bridge.CodeOf(have.Err) != bridge.Internal {
		t.Errorf("have %v, %v", have, err)
	}
	if _, err := c.Encode(&link.Envelope{Body: bridge.PeerNegotiate{}}); err == nil {
		t.Error("an event of a peer goes over links")
	}
	b, _ = c.Encode(&link.Envelope{Body: bridge.Enter{}})
	if _, err := c.Decode(bytes.Replace(b, []byte("Enter"), []byte("Eaten"), 1)); bridge.CodeOf(err) != bridge.NotSupported {
		t.Errorf("an unknown name: %v", err)
	}
	b[0]++
	if _, err := c.Decode(b); err == nil {
		t.Error("another version was understood")
	}
}

// TestSecretsCross: what does not print goes over links, or a reborn room would let
// everybody in.
func TestSecretsCross(t *testing.T) {
	c := link.NewCodec()
	want := bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: "m", bridge.Speaker: "s"}}
	b, err := c.Encode(&link.Envelope{Body: want})
	if err != nil {
		t.Fatal(err)
	}
	if have, err := c.Decode(b); err != nil || !reflect.DeepEqual(have.Body, want) {
		t.Errorf("have %v, %v", have, err)
	}
}

var update = flag.Bool("update", false, "write testdata/shapes.txt anew") //nolint:gochecknoglobals // a flag of the test

// TestShapes pins the numbers of fields: nodes of different versions talk to each
// other while a cluster is renewed node by node. Add fields at the end; for anything
// else count Proto.
func TestShapes(t *testing.T) {
	seen, lines := map[reflect.Type]bool{}, []string{}
	for _, v := range link.Table() {
		shapes(reflect.TypeOf(v), seen, &lines)
	}
	slices.Sort(lines)
	text := strings.Join(lines, "\n") + "\n"
	const path = "testdata/shapes.txt"
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("what goes over links has changed; if that is meant, run this test with -update. Have\n%s", text)
	}
}

func shapes(t reflect.Type, seen map[reflect.Type]bool, lines *[]string) {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		if t.Kind() == reflect.Map {
			shapes(t.Key(), seen, lines)
		}
		shapes(t.Elem(), seen, lines)
		return
	}
	if t.Kind() != reflect.Struct || seen[t] || t.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) {
		return
	}
	seen[t] = true
	fields := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		fields = append(fields, fmt.Sprintf("%d %s %s", i+1, f.Name, f.Type))
		if f.IsExported() {
			shapes(f.Type, seen, lines)
		}
	}
	*lines = append(*lines, fmt.Sprintf("%s: %s", t, strings.Join(fields, ", ")))
}

func FuzzDecode(f *testing.F) {
	c, r := link.NewCodec(), rand.New(rand.NewPCG(3, 4))
	for _, v := range link.Table() {
		full := reflect.New(reflect.TypeOf(v)).Elem()
		fill(r, full, 0)
		b, err := c.Encode(&link.Envelope{Seat: 1, Body: full.Interface()})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := c.Decode(b)
		if err != nil {
			return
		}
		again, err := c.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.Decode(again)
		if err != nil {
			t.Fatalf("what was written is not understood: %v", err)
		}
		if twice, err := c.Encode(back); err != nil || !bytes.Equal(twice, again) {
			t.Errorf("%q is not %q, %v", twice, again, err)
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	c := link.NewCodec()
	e := &link.Envelope{To: []uint32{1, 2, 3}, Version: 77, Body: bridge.Changed{P: bridge.Participant{
		ID: bridge.NewParticipantID(), Name: "Ann", Dialect: "ahoy", Joined: time.Now(), Attrs: map[string]string{"device": "x"},
	}, What: bridge.NameChanged}}
	size := 0
	for b.Loop() {
		raw, err := c.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Decode(raw); err != nil {
			b.Fatal(err)
		}
		size = len(raw)
	}
	b.ReportMetric(float64(size), "bytes")
}
