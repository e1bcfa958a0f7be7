package rose

import (
	"time"
	"unicode/utf8"
)

// Bounds of what an argument may hold (reference 5.2).
const (
	MaxName  = 256       // characters of a display name
	MaxText  = 4096      // characters of other texts
	MaxSDP   = 256 << 10 // bytes
	MaxImage = 1 << 20   // bytes
	MaxList  = 1000      // elements
	MaxToken = 32 << 10  // bytes; those of identity providers are long
)

// Unfit says that a member has a value that it cannot have.
type Unfit struct {
	Member string
	Large  bool // it is too long; otherwise it is no value of its enumeration
}

// Error implements error.
func (u *Unfit) Error() string {
	if u.Large {
		return u.Member + " is too long"
	}
	return u.Member + " has a value that is not known"
}

// Check returns an *Unfit for the first member that is out of bounds.
func Check(v Value) error {
	c := &checker{bad: new(*Unfit)}
	v.walk(c)
	if *c.bad != nil {
		return *c.bad
	}
	return nil
}

// checker walks a value and changes nothing.
type checker struct {
	path string
	bad  **Unfit // shared
}

func (c *checker) reads() bool    { return false }
func (c *checker) has(field) bool { return false }

func (c *checker) fail(f field, large bool) {
	if *c.bad == nil {
		*c.bad = &Unfit{within(c.path, f.name), large}
	}
}

func (c *checker) text(f field, v *string) {
	long := false
	switch f.name {
	case "u8sDisplayName":
		long = utf8.RuneCountInString(*v) > MaxName
	case "u8sSDP":
		long = len(*v) > MaxSDP
	case "u8sToken":
		long = len(*v) > MaxToken
	default:
		long = utf8.RuneCountInString(*v) > MaxText
	}
	if long {
		c.fail(f, true)
	}
}

func (c *checker) octets(f field, v *[]byte) {
	if len(*v) > MaxImage {
		c.fail(f, true)
	}
}

func (c *checker) enumerated(f field, _ *int64, known func() bool) {
	if !known() {
		c.fail(f, false)
	}
}

func (c *checker) truth(field, *bool)       {}
func (c *checker) number(field, *int64)     {}
func (c *checker) moment(field, *time.Time) {}
func (c *checker) null(field, *struct{})    {}
func (c *checker) any(field, *Any)          {}

func (c *checker) sequence(f field, v Value) {
	v.walk(&checker{path: within(c.path, f.name), bad: c.bad})
}

func (c *checker) choice(f field, v Value) { c.sequence(f, v) }

func (c *checker) list(f field, l items) {
	if l.n > MaxList {
		c.fail(f, true)
		return
	}
	for i := range l.n {
		l.at(c, i)
	}
}

var _ = []walker{&checker{}, &jsonWriter{}, itemWriter{}, &jsonReader{}, berWriter{}, &berReader{}, &queryReader{}}
