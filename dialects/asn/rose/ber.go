package rose

import (
	"math"
	"time"
	"unicode/utf8"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// maxDepth is how deeply packets may be nested: twice as deep as any message is.
// The library copies what is in a packet once for each level.
const maxDepth = 20

// measure returns the length of the packet at the beginning of data, and false if
// it breaks off, is nested too deeply, or has no definite length.
func measure(data []byte, depth int) (n int, ok bool) {
	head, length, ok := header(data)
	if !ok || depth == 0 || length > len(data)-head {
		return 0, false
	}
	if data[0]&0x20 != 0 {
		for rest := data[head : head+length]; len(rest) > 0; {
			inner, ok := measure(rest, depth-1)
			if !ok {
				return 0, false
			}
			rest = rest[inner:]
		}
	}
	return head + length, true
}

// header reads identifier and length of a packet. No tag here takes more than one
// octet.
func header(data []byte) (head, length int, ok bool) {
	if len(data) < 2 || data[0]&0x1f == 0x1f {
		return 0, 0, false
	}
	n := int(data[1])
	if n < 0x80 {
		return 2, n, true
	}
	n &= 0x7f
	if n == 0 || n > 4 || len(data) < 2+n {
		return 0, 0, false
	}
	for _, b := range data[2 : 2+n] {
		length = length<<8 | int(b)
	}
	return 2 + n, length, true
}

// Length returns how long the BER message is that data begins with, as far as its
// header says; 0: the header is not complete yet. The error is ErrUnread.
func Length(data []byte) (int, error) {
	if len(data) < 2 || data[1] > 0x80 && len(data) < 2+int(data[1]&0x7f) && data[1] <= 0x84 {
		return 0, nil
	}
	head, length, ok := header(data)
	if !ok {
		return 0, ErrUnread
	}
	return head + length, nil
}

// identifier splits an octet of ids.
func identifier(id byte) (ber.Class, ber.Type, ber.Tag) {
	return ber.Class(id & 0xc0), ber.Type(id & 0x20), ber.Tag(id & 0x1f)
}

func octet(p *ber.Packet) byte {
	return byte(p.ClassType) | byte(p.TagType) | byte(p.Tag)
}

// berWriter writes the fields of a value into a packet (reference 3.3).
type berWriter struct{ into *ber.Packet }

func (w berWriter) reads() bool    { return false }
func (w berWriter) has(field) bool { return false }

// writeBER writes a value as a SEQUENCE.
func writeBER(v Value) *ber.Packet {
	p := ber.NewSequence("")
	v.walk(berWriter{p})
	return p
}

// writeChoice writes a CHOICE, which has no packet of its own.
func writeChoice(v Value) []byte {
	p := ber.NewSequence("")
	v.walk(berWriter{p})
	return p.Data.Bytes()
}

// put writes a primitive field.
func (w berWriter) put(f field, content string) {
	id := f.ids[0]
	if f.inner != 0 {
		id = f.inner
	}
	class, kind, tag := identifier(id)
	w.add(f, ber.NewString(class, kind, tag, content, ""))
}

// add writes a packet, in another one where the tag is explicit.
func (w berWriter) add(f field, p *ber.Packet) {
	if f.inner != 0 {
		class, kind, tag := identifier(f.ids[0])
		outer := ber.Encode(class, kind, tag, nil, "")
		outer.AppendChild(p)
		p = outer
	}
	w.into.AppendChild(p)
}

// nest returns the packet of a constructed field.
func (w berWriter) nest(f field) *ber.Packet {
	id := f.ids[0]
	if f.inner != 0 {
		id = f.inner
	}
	class, kind, tag := identifier(id)
	return ber.Encode(class, kind, tag, nil, "")
}

func (w berWriter) text(f field, v *string)   { w.put(f, *v) }
func (w berWriter) octets(f field, v *[]byte) { w.put(f, string(*v)) }
func (w berWriter) null(f field, _ *struct{}) { w.put(f, "") }

func (w berWriter) truth(f field, v *bool) {
	content := "\x00"
	if *v {
		content = "\xff"
	}
	w.put(f, content)
}

func (w berWriter) number(f field, v *int64) {
	p := ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, *v, "")
	w.put(f, p.Data.String())
}

func (w berWriter) enumerated(f field, v *int64, _ func() bool) { w.number(f, v) }

func (w berWriter) moment(f field, v *time.Time) { w.put(f, realContent(toDays(*v))) }

func (w berWriter) any(_ field, v *Any) {
	if v.Value != nil {
		w.into.AppendChild(writeBER(v.Value))
	} else if v.packet != nil {
		w.into.AppendChild(v.packet)
	}
}

func (w berWriter) sequence(f field, v Value) {
	p := w.nest(f)
	v.walk(berWriter{p})
	w.add(f, p)
}

func (w berWriter) choice(_ field, v Value) { v.walk(w) }

func (w berWriter) list(f field, l items) {
	p := w.nest(f)
	for i := range l.n {
		l.at(berWriter{p}, i)
	}
	w.add(f, p)
}

// realContent is the content of a REAL in base 2, with a mantissa of seven octets
// (X.690, 8.5.7). The library writes decimals, which the runtimes do not expect.
func realContent(x float64) string {
	if x == 0 {
		return ""
	}
	const bits = 56
	head := byte(0x80)
	if x < 0 {
		head, x = 0xc0, -x
	}
	fraction, exponent := math.Frexp(x)
	mantissa := uint64(math.Ldexp(fraction, bits))
	out := []byte{head, byte(int8(exponent - bits))}
	for shift := bits - 8; shift >= 0; shift -= 8 {
		out = append(out, byte(mantissa>>shift))
	}
	return string(out)
}

// realValue reads the content of a REAL. The library takes the mantissa of base 2
// for a number with a sign, so only other forms are left to it.
func realValue(content []byte) (float64, bool) {
	if len(content) == 0 || content[0]&0x80 == 0 {
		x, err := ber.ParseReal(content)
		return x, err == nil
	}
	head, rest := content[0], content[1:]
	base, known := map[byte]int{0x00: 1, 0x10: 3, 0x20: 4}[head&0x30]
	n := int(head&0x03) + 1
	if n == 4 && len(rest) > 0 {
		n, rest = int(rest[0]), rest[1:]
	}
	if !known || n < 1 || n > 2 || len(rest) <= n || len(rest) > n+8 {
		return 0, false
	}
	exponent, err := ber.ParseInt64(rest[:n])
	if err != nil {
		return 0, false
	}
	var mantissa uint64
	for _, b := range rest[n:] {
		mantissa = mantissa<<8 | uint64(b)
	}
	x := math.Ldexp(float64(mantissa), int(exponent)*base+int(head>>2&0x03))
	if head&0x40 != 0 {
		x = -x
	}
	return x, !math.IsInf(x, 0)
}

// readBER reads a SEQUENCE into a value.
func readBER(p *ber.Packet, v Value) error {
	bad := ""
	if octet(p) != 0x30 {
		return &Mistyped{}
	}
	v.walk(&berReader{rest: p.Children, bad: &bad})
	if bad != "" {
		return &Mistyped{Member: bad}
	}
	return nil
}

// readChoice reads a CHOICE, which has no packet of its own.
func readChoice(p *ber.Packet, v Value) error {
	bad := ""
	v.walk(&berReader{rest: []*ber.Packet{p}, bad: &bad})
	if bad != "" {
		return &Mistyped{Member: bad}
	}
	return nil
}

// berReader reads the elements of one SEQUENCE. Those at its end that nobody knows
// are left over.
type berReader struct {
	rest []*ber.Packet
	path string
	bad  *string // the first member that is wrong; shared
}

func (r *berReader) reads() bool { return true }

func (r *berReader) has(f field) bool { return len(r.rest) > 0 && f.begins(octet(r.rest[0])) }

// begins reports whether a field can begin with an octet.
func (f field) begins(id byte) bool {
	if f.ids == "" {
		return true
	}
	for i := range len(f.ids) {
		if f.ids[i] == id {
			return true
		}
	}
	return false
}

func (r *berReader) fail(f field) {
	if *r.bad == "" {
		*r.bad = within(r.path, f.name)
	}
}

// take takes the element of a field that must be there, out of another one where
// the tag is explicit; nil: it is not there.
func (r *berReader) take(f field) *ber.Packet {
	if !r.has(f) {
		r.fail(f)
		return nil
	}
	p := r.rest[0]
	r.rest = r.rest[1:]
	if f.inner == 0 {
		return p
	}
	if len(p.Children) != 1 || octet(p.Children[0]) != f.inner {
		r.fail(f)
		return nil
	}
	return p.Children[0]
}

// content returns what is in a primitive element.
func (r *berReader) content(f field) ([]byte, bool) {
	p := r.take(f)
	if p == nil {
		return nil, false
	}
	return p.Data.Bytes(), true
}

func (r *berReader) text(f field, v *string) {
	if data, ok := r.content(f); ok {
		if *v = string(data); !utf8.ValidString(*v) {
			*v = ""
			r.fail(f)
		}
	}
}

func (r *berReader) octets(f field, v *[]byte) {
	if data, ok := r.content(f); ok {
		*v = data
	}
}

func (r *berReader) truth(f field, v *bool) {
	if data, ok := r.content(f); ok {
		if *v = len(data) == 1 && data[0] != 0; len(data) != 1 {
			r.fail(f)
		}
	}
}

func (r *berReader) number(f field, v *int64) {
	if data, ok := r.content(f); ok {
		n, err := ber.ParseInt64(data)
		if *v = n; err != nil || len(data) == 0 {
			r.fail(f)
		}
	}
}

func (r *berReader) enumerated(f field, v *int64, _ func() bool) { r.number(f, v) }

func (r *berReader) moment(f field, v *time.Time) {
	if data, ok := r.content(f); ok {
		days, ok := realValue(data)
		at, in := fromDays(days)
		if *v = at; !ok || !in {
			r.fail(f)
		}
	}
}

func (r *berReader) null(f field, _ *struct{}) { r.take(f) }

func (r *berReader) any(f field, v *Any) { v.packet = r.take(f) }

func (r *berReader) sequence(f field, v Value) {
	if p := r.take(f); p != nil {
		v.walk(&berReader{rest: p.Children, path: within(r.path, f.name), bad: r.bad})
	}
}

func (r *berReader) choice(f field, v Value) {
	if !r.has(f) {
		r.fail(f)
		return
	}
	v.walk(r)
}

func (r *berReader) list(f field, l items) {
	p := r.take(f)
	if p == nil {
		return
	}
	inner := &berReader{rest: p.Children, path: r.path, bad: r.bad}
	for len(inner.rest) > 0 && *r.bad == "" {
		l.grow(inner)
	}
}
