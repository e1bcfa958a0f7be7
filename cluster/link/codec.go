package link

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"

	"dragoman/bridge"
)

// Codec writes values as bytes and reads them back. A struct is its fields that are
// not zero, each as its number, its length and its value, and a 0 at the end: so
// fields may be added behind the others, and are skipped by who does not know them.
// Numbers are those of the declaration, from 1; testdata/shapes.txt pins them.
// Channels, functions and interfaces are not written.
//
// It is made of a table of all that goes over links and never changed.
type Codec struct {
	types map[string]reflect.Type
	names map[reflect.Type]string
	plans map[reflect.Type]*plan
}

// plan is what is known of a type beforehand.
type plan struct {
	binary bool // it writes itself
	fields []field
}

type field struct {
	index  int
	number uint64
}

// NewCodec makes a codec of the table of this package.
func NewCodec() *Codec {
	c := &Codec{types: map[string]reflect.Type{}, names: map[reflect.Type]string{}, plans: map[reflect.Type]*plan{}}
	for _, v := range table() {
		t := reflect.TypeOf(v)
		c.types[t.Name()], c.names[t] = t, t.Name()
		c.learn(t)
	}
	c.learn(reflect.TypeFor[head]())
	return c
}

var (
	marshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()   //nolint:gochecknoglobals // types do not change
	unmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]() //nolint:gochecknoglobals // types do not change
)

// learn makes the plans of a type and all that it is made of.
func (c *Codec) learn(t reflect.Type) {
	if c.plans[t] != nil {
		return
	}
	p := &plan{}
	c.plans[t] = p
	if t.Implements(marshaler) && reflect.PointerTo(t).Implements(unmarshaler) {
		p.binary = true
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		c.learn(t.Elem())
	case reflect.Map:
		c.learn(t.Key())
		c.learn(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			switch kind := f.Type.Kind(); {
			case !f.IsExported(), kind == reflect.Chan, kind == reflect.Func, kind == reflect.Interface:
			default:
				p.fields = append(p.fields, field{index: i, number: uint64(i) + 1})
				c.learn(f.Type)
			}
		}
	}
}

// append writes a value.
func (c *Codec) append(b []byte, v reflect.Value) ([]byte, error) {
	p := c.plans[v.Type()]
	if p == nil {
		return nil, fmt.Errorf("nobody knows how to write %s", v.Type())
	}
	if p.binary {
		raw, err := v.Interface().(encoding.BinaryMarshaler).MarshalBinary()
		return appendBytes(b, raw), err
	}
	switch v.Kind() {
	case reflect.Struct:
		return c.appendStruct(b, p, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return appendBytes(b, v.Bytes()), nil
		}
		return c.appendList(b, v)
	case reflect.Map:
		return c.appendMap(b, v)
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0), nil
		}
		return c.append(append(b, 1), v.Elem())
	}
	return appendScalar(b, v)
}

func appendScalar(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint()), nil
	case reflect.Float64:
		return binary.AppendUvarint(b, math.Float64bits(v.Float())), nil
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...), nil
	}
	return nil, fmt.Errorf("nobody knows how to write %s", v.Type())
}

func appendBytes(b, raw []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(raw))), raw...)
}

func (c *Codec) appendStruct(b []byte, p *plan, v reflect.Value) (_ []byte, err error) {
	for _, f := range p.fields {
		value := v.Field(f.index)
		if value.IsZero() {
			continue
		}
		b = binary.AppendUvarint(b, f.number)
		at := len(b)
		if b, err = c.append(b, value); err != nil {
			return nil, err
		}
		// The length goes in front of what was written.
		var size [binary.MaxVarintLen64]byte
		n := binary.PutUvarint(size[:], uint64(len(b)-at))
		b = slices.Insert(b, at, size[:n]...)
	}
	return append(b, 0), nil
}

func (c *Codec) appendList(b []byte, v reflect.Value) (_ []byte, err error) {
	b = binary.AppendUvarint(b, uint64(v.Len()))
	for i := range v.Len() {
		if b, err = c.append(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendMap writes the pairs in the order of the bytes of their keys.
func (c *Codec) appendMap(b []byte, v reflect.Value) ([]byte, error) {
	type pair struct {
		key   []byte
		value reflect.Value
	}
	pairs := make([]pair, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := c.append(nil, it.Key())
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{key, it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	b = binary.AppendUvarint(b, uint64(len(pairs)))
	for _, p := range pairs {
		var err error
		if b, err = c.append(append(b, p.key...), p.value); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// reader takes values from bytes. After the first error it has nothing more.
type reader struct {
	c   *Codec
	b   []byte
	err error
}

func errGarbled(what string) error {
	return bridge.Errorf(bridge.BadRequest, "a message between nodes is garbled: %s", what)
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = errGarbled(what)
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.fail("a number")
		return 0
	}
	r.b = r.b[k:]
	return n
}

// count takes how many things follow, each of which has at least a byte.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail("a length")
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	raw := r.b[:n]
	r.b = r.b[n:]
	return raw
}

// value takes a value into v, which can be set.
func (r *reader) value(v reflect.Value) {
	p := r.c.plans[v.Type()]
	switch {
	case r.err != nil:
		return
	case p == nil:
		r.fail("a type")
		return
	case p.binary:
		if err := v.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(r.bytes()); err != nil && r.err == nil {
			r.fail(v.Type().Name())
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.structure(p, v)
	case reflect.Slice:
		r.slice(v)
	case reflect.Map:
		r.mapping(v)
	case reflect.Pointer:
		if r.uvarint() != 0 && r.err == nil {
			v.Set(reflect.New(v.Type().Elem()))
			r.value(v.Elem())
		}
	default:
		r.scalar(v)
	}
}

func (r *reader) scalar(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.uvarint() != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, k := binary.Varint(r.b)
		if k <= 0 || v.OverflowInt(n) {
			r.fail("a number")
			return
		}
		r.b = r.b[k:]
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n := r.uvarint()
		if v.OverflowUint(n) {
			r.fail("a number")
			return
		}
		v.SetUint(n)
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(r.uvarint()))
	case reflect.String:
		v.SetString(string(r.bytes()))
	default:
		r.fail("a type")
	}
}

func (r *reader) structure(p *plan, v reflect.Value) {
	for last := uint64(0); r.err == nil; {
		number := r.uvarint()
		if number == 0 {
			return
		}
		raw := r.bytes()
		if r.err == nil && number <= last {
			r.fail("the order of fields")
			return
		}
		last = number
		i, known := slices.BinarySearchFunc(p.fields, number, func(f field, n uint64) int { return cmp.Compare(f.number, n) })
		if !known || r.err != nil {
			continue
		}
		inner := reader{c: r.c, b: raw}
		inner.value(v.Field(p.fields[i].index))
		if len(inner.b) > 0 {
			inner.fail("a field is longer than its value")
		}
		if inner.err != nil {
			r.err = inner.err
		}
	}
}

func (r *reader) slice(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(append([]byte{}, r.bytes()...))
		return
	}
	n := r.count()
	s := reflect.MakeSlice(v.Type(), 0, min(n, 1024))
	zero := reflect.Zero(v.Type().Elem())
	for i := 0; i < n && r.err == nil; i++ {
		s = reflect.Append(s, zero)
		r.value(s.Index(i))
	}
	v.Set(s)
}

func (r *reader) mapping(v reflect.Value) {
	n := r.count()
	m := reflect.MakeMap(v.Type())
	for i := 0; i < n && r.err == nil; i++ {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		r.value(key)
		r.value(value)
		if r.err == nil {
			m.SetMapIndex(key, value)
		}
	}
	v.Set(m)
}
