package rose_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"dragoman/dialects/asn/rose"
)

// vector is a message of testdata/vectors.json, in both encodings.
type vector struct {
	OperationID   int64
	OperationName string
	Kind          string
	Form          string
	Type          string
	JSON          json.RawMessage
	BER           string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (v vector) String() string { return v.OperationName + " " + v.Kind + " " + v.Form }

// payload returns a new value for what the message carries, and that.
func (v vector) payload(t testing.TB, m *rose.Message) (rose.Any, rose.Value) {
	op, ok := rose.Lookup(v.OperationID, v.OperationName)
	switch {
	case v.Kind == "error":
		return m.Error.Error, new(rose.RequestError)
	case v.Kind == "reject":
		return rose.Any{}, nil
	case !ok:
		t.Fatalf("%v: no such operation", v)
	case m.Invoke != nil:
		return m.Invoke.Argument, op.Argument()
	}
	return m.Result.Result.Result, op.Result()
}

// put replaces what the message carries.
func put(m *rose.Message, v rose.Value) {
	switch {
	case m.Invoke != nil:
		m.Invoke.Argument = rose.Any{Value: v}
	case m.Result != nil:
		m.Result.Result.Result = rose.Any{Value: v}
	case m.Error != nil:
		m.Error.Error = rose.Any{Value: v}
	}
}

// TestVectors: every message is read from both encodings with the same content, and
// written in both as it was.
func TestVectors(t *testing.T) {
	all := vectors(t)
	if len(all) != 55 {
		t.Fatalf("%d vectors", len(all))
	}
	for _, v := range all {
		t.Run(v.String(), func(t *testing.T) {
			wire, err := hex.DecodeString(v.BER)
			if err != nil {
				t.Fatal(err)
			}
			texts := map[rose.Encoding][]byte{rose.JSON: v.JSON, rose.BER: wire}
			var payloads []rose.Value
			for from, data := range texts {
				if e, ok := rose.Detect(data); e != from || !ok {
					t.Errorf("%v is taken for %v", from, e)
				}
				m, err := from.Decode(data)
				if err != nil {
					t.Fatalf("%v: %v", from, err)
				}
				any, value := v.payload(t, m)
				if value != nil {
					if err := any.Into(value); err != nil {
						t.Fatalf("%v: %v", from, err)
					}
					if got := rose.TypeName(value); got != v.Type {
						t.Errorf("a %s, want %s", got, v.Type)
					}
					payloads = append(payloads, value)
					put(m, value)
				}
				if got := hex.EncodeToString(rose.BER.Encode(m)); got != v.BER {
					t.Errorf("%v becomes BER\n%s, want\n%s", from, got, v.BER)
				}
				if got, want := object(t, rose.JSON.Encode(m)), object(t, v.JSON); !reflect.DeepEqual(got, want) {
					t.Errorf("%v becomes JSON\n%v, want\n%v", from, got, want)
				}
			}
			if len(payloads) == 2 && !reflect.DeepEqual(payloads[0], payloads[1]) {
				t.Errorf("the content differs:\n%+v\n%+v", payloads[0], payloads[1])
			}
		})
	}
}

// object reads JSON with base64 made comparable: the vectors have no padding.
func object(t testing.TB, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	var unpad func(v any) any
	unpad = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				if s, ok := x.(string); ok && (k == "binImageData" || k == "authdata") {
					v[k] = strings.TrimRight(s, "=")
					continue
				}
				v[k] = unpad(x)
			}
		case []any:
			for i := range v {
				v[i] = unpad(v[i])
			}
		}
		return v
	}
	return unpad(v)
}

// TestOperations: the table is the module's.
func TestOperations(t *testing.T) {
	var methods, events int
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		seen[v.OperationName] = true
	}
	for _, o := range rose.Operations() {
		if o.Event() {
			events++
		} else {
			methods++
		}
		if !seen[o.Name] {
			t.Errorf("no vector has %s", o.Name)
		}
	}
	if methods != 15 || events != 8 {
		t.Errorf("%d methods and %d events", methods, events)
	}
	for _, c := range []struct {
		id   int64
		name string
		want string
	}{
		{3501, "", "asnJoinConference"},
		{3501, "asnLeaveConference", "asnJoinConference"},
		{0, "asnLeaveConference", "asnLeaveConference"},
		{9, "asnSDPOffer", "asnSDPOffer"},
		{9, "asn", ""},
		{0, "", ""},
	} {
		if o, ok := rose.Lookup(c.id, c.name); o.Name != c.want || ok != (c.want != "") {
			t.Errorf("%d %q is %q", c.id, c.name, o.Name)
		}
	}
}
