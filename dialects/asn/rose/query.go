package rose

import (
	"net/url"
	"strconv"
	"time"
)

// FromQuery reads the members of basic types of an argument from a query (reference
// 4.2). The error is a *Mistyped.
func FromQuery(q url.Values, v Value) error {
	r := &queryReader{q: q}
	v.walk(r)
	if r.bad != "" {
		return &Mistyped{Member: r.bad}
	}
	return nil
}

// queryReader reads one level: what is not of a basic type is never there.
type queryReader struct {
	q   url.Values
	bad string
}

func (r *queryReader) reads() bool      { return true }
func (r *queryReader) has(f field) bool { return r.q.Has(f.name) }

func (r *queryReader) fail(f field) {
	if r.bad == "" {
		r.bad = f.name
	}
}

// get returns a member that must be there.
func (r *queryReader) get(f field) (string, bool) {
	if !r.has(f) {
		r.fail(f)
		return "", false
	}
	return r.q.Get(f.name), true
}

func (r *queryReader) text(f field, v *string) {
	if s, ok := r.get(f); ok {
		*v = s
	}
}

func (r *queryReader) truth(f field, v *bool) {
	if s, ok := r.get(f); ok {
		on, err := strconv.ParseBool(s)
		if *v = on; err != nil {
			r.fail(f)
		}
	}
}

func (r *queryReader) number(f field, v *int64) {
	if s, ok := r.get(f); ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if *v = n; err != nil {
			r.fail(f)
		}
	}
}

func (r *queryReader) enumerated(f field, v *int64, _ func() bool) { r.number(f, v) }

func (r *queryReader) moment(f field, v *time.Time) {
	if s, ok := r.get(f); ok {
		at, err := parseTime(s)
		if *v = at; err != nil {
			r.fail(f)
		}
	}
}

func (r *queryReader) octets(f field, _ *[]byte) { r.fail(f) }
func (r *queryReader) null(field, *struct{})     {}
func (r *queryReader) any(f field, _ *Any)       { r.fail(f) }
func (r *queryReader) sequence(f field, _ Value) { r.fail(f) }
func (r *queryReader) choice(f field, _ Value)   { r.fail(f) }
func (r *queryReader) list(f field, _ items)     { r.fail(f) }
