package rose_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"dragoman/dialects/asn/rose"
)

// fuzz: what is read can be written, and is the same when it is read again, in
// either encoding.
func fuzz(t *testing.T, e rose.Encoding, data []byte) {
	m, err := e.Decode(data)
	if err != nil {
		return
	}
	if m.Invoke == nil {
		again, err := e.Decode(e.Encode(m))
		if err != nil || !bytes.Equal(e.Encode(again), e.Encode(m)) {
			t.Fatalf("%x is read again as %+v, %v", data, again, err)
		}
		return
	}
	op, ok := rose.Lookup(number(m.Invoke.OperationID), name(m.Invoke.OperationName))
	if !ok {
		return
	}
	v := op.Argument()
	if m.Invoke.Argument.Into(v) != nil {
		return
	}
	_ = rose.Check(v)
	for _, other := range []rose.Encoding{rose.JSON, rose.BER} {
		first, second := op.Argument(), op.Argument()
		if err := other.Unmarshal(other.Marshal(v), first); err != nil {
			t.Fatalf("%v: what was written cannot be read: %v\n%x", other, err, other.Marshal(v))
		}
		if err := other.Unmarshal(other.Marshal(first), second); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v: %+v became %+v, %v", other, first, second, err)
		}
	}
}

func number(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func name(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func FuzzDecodeJSON(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.JSON))
	}
	f.Add([]byte(`[{"invoke":{"invokeID":123456789,"operationID":0,"operationName":"asnListScheduledMeetings","argument":{"stFrom":47485.5}}}]`))
	f.Fuzz(func(t *testing.T, data []byte) { fuzz(t, rose.JSON, data) })
}

func FuzzDecodeBER(f *testing.F) {
	for _, v := range vectors(f) {
		data, err := hex.DecodeString(v.BER)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { fuzz(t, rose.BER, data) })
}
