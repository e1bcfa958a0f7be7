// Package rose is the messages of the asn dialect: the ROSE envelope, the
// operations of the conference interface and their types, in JSON and in BER
// (X.690).
//
// Types are made of the ASN.1 modules in ../schema by the program gen. Each walks
// through its fields in the order of the module; what is done with them is up to
// the walker: it writes or reads JSON, writes or reads BER, or checks bounds. The
// package has no server in it. Section numbers are those of the reference in
// ../README.md.
package rose

//go:generate go run ./gen

import (
	"slices"
	"time"
)

// EventID is the invokeID of what is never answered (reference 2.2).
const EventID = 99999

// Problems of an invoke that a Reject tells (reference 2.1). The code 0 is never
// sent: clients take it for none.
const (
	UnrecognisedOperation    = 1
	MistypedArgument         = 2
	ResourceLimitation       = 3
	UnexpectedChildOperation = 7 // what clients are told of what is no message
	AuthenticationFailed     = 10
)

// Operation is a method or an event of the interface.
type Operation struct {
	ID       int64
	Name     string
	Argument func() Value // a new, empty argument
	Result   func() Value // a new, empty result; nil: it is an event
}

// Event reports whether the operation is never answered.
func (o Operation) Event() bool { return o.Result == nil }

// Operations returns all of them, by number.
func Operations() []Operation { return slices.Clone(operations) }

// Lookup finds the operation of an invoke: by its number, or else by its name
// (reference 2.4).
func Lookup(id int64, name string) (Operation, bool) {
	for _, o := range operations {
		if o.ID == id {
			return o, true
		}
	}
	for _, o := range operations {
		if name != "" && o.Name == name {
			return o, true
		}
	}
	return Operation{}, false
}

// Call makes the invoke of an operation.
func (o Operation) Call(invokeID int64, argument Value) *Message {
	return &Message{Invoke: &Invoke{
		InvokeID: invokeID, OperationID: new(o.ID), OperationName: new(o.Name), Argument: Any{Value: argument},
	}}
}

// Answer makes the result of an invoke.
func Answer(invokeID int64, result Value) *Message {
	return &Message{Result: &Result{InvokeID: invokeID, Result: &ResultSeq{Result: Any{Value: result}}}}
}

// Fail makes the error of an invoke. What is put into error_value is of no
// consequence to clients, but has to be there (reference 2.1).
func Fail(invokeID int64, e *RequestError) *Message {
	return &Message{Error: &Error{InvokedID: invokeID, ErrorValue: e.ErrorDetail, Error: Any{Value: e}}}
}

// Refuse makes the reject of an invoke.
func Refuse(invokeID int64, problem int64, details string) *Message {
	r := &Reject{InvokedID: RejectChoice{InvokedID: &invokeID}, Reject: &RejectProblem{InvokeProblem: &problem}}
	if details != "" {
		r.Details = &details
	}
	return &Message{Reject: r}
}

// A Value is one of the types of this package that have a name.
type Value interface {
	typeName() string
	walk(w walker)
}

// TypeName returns the ASN.1 name of a value's type, as "_type" has it.
func TypeName(v Value) string { return v.typeName() }

// walker does something with the fields of a value, one after another. Which
// pointers it reads and which it writes is its own business.
type walker interface {
	text(f field, v *string)
	octets(f field, v *[]byte)
	truth(f field, v *bool)
	number(f field, v *int64)
	enumerated(f field, v *int64, known func() bool)
	moment(f field, v *time.Time)
	null(f field, v *struct{})
	any(f field, v *Any)
	sequence(f field, v Value)
	choice(f field, v Value)
	list(f field, items items)

	// reads reports whether the walker fills the value; then has says whether an
	// optional field is there.
	reads() bool
	has(f field) bool
}

// field is what a walker has to know of a field.
type field struct {
	name  string // in JSON
	ids   string // the octets that it may begin with in BER; empty: any
	inner byte   // the octet of what is in it, where its tag is explicit
}

// items is a list of any type.
type items struct {
	n    int
	at   func(w walker, i int) // walks an item that there is
	grow func(w walker)        // appends one and walks it
}

func enum[E interface {
	~int64
	Known() bool
}](w walker, f field, v *E) {
	n := int64(*v)
	w.enumerated(f, &n, func() bool { return E(n).Known() })
	*v = E(n)
}

// list walks through a list, which is never nil after reading.
func list[T any](w walker, f field, v *[]T, ids string, walk func(w walker, f field, v *T)) {
	item := field{name: f.name, ids: ids}
	if w.reads() {
		*v = []T{}
	}
	w.list(f, items{
		n:  len(*v),
		at: func(w walker, i int) { walk(w, item, &(*v)[i]) },
		grow: func(w walker) {
			*v = append(*v, *new(T))
			walk(w, item, &(*v)[len(*v)-1])
		},
	})
}

// optional walks a field that may be left out: then it is nil.
func optional[T any](w walker, f field, v **T, walk func(w walker, f field, v *T)) {
	if w.reads() {
		*v = nil
		if w.has(f) {
			*v = new(T)
		}
	}
	if *v != nil {
		walk(w, f, *v)
	}
}

// some is optional for a list. One that is there but empty is not nil.
func some[T any](w walker, f field, v *[]T, walk func(w walker, f field, v *[]T)) {
	if w.reads() {
		*v = nil
		if !w.has(f) {
			return
		}
		*v = []T{}
	}
	if *v != nil {
		walk(w, f, v)
	}
}

// maybe is optional for what can be anything.
func maybe(w walker, f field, v *Any) {
	there := v.Present()
	if w.reads() {
		*v = Any{}
		there = w.has(f)
	}
	if there {
		w.any(f, v)
	}
}
