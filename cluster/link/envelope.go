package link

import (
	"errors"
	"fmt"
	"reflect"

	"dragoman/bridge"
)

// wireVersion is the first byte of every message.
const wireVersion = 1

// MaxMessage is the longest message that is taken, in bytes: a room of thousands
// with everything that it keeps.
const MaxMessage = 64 << 20

// Envelope is the one message of links.
type Envelope struct {
	Seat    uint32   // whose command or event it is, among those of a stream
	Number  uint64   // of a command or question, and of its answer
	To      []uint32 // the seats that an event is for
	Version uint64   // of the room, at an event
	Err     error    // an answer: why not. The cause stays on its node
	Body    any      // a value of the table, or nil
}

// head is what is written of an envelope in front of its body.
type head struct {
	Seat    uint32
	Number  uint64
	To      []uint32
	Version uint64
	Fault   *fault
	Name    string
}

// fault is an error as it crosses a link.
type fault struct {
	Code bridge.Code
	Msg  string
	Node bridge.NodeID
}

func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	f := &fault{Code: bridge.CodeOf(err), Msg: bridge.MessageOf(err)}
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		f.Node = e.Node
	}
	return f
}

func (f *fault) error() error {
	if f == nil {
		return nil
	}
	return &bridge.Error{Code: f.Code, Msg: f.Msg, Node: f.Node}
}

// Encode writes an envelope.
func (c *Codec) Encode(e *Envelope) ([]byte, error) {
	h := head{Seat: e.Seat, Number: e.Number, To: e.To, Version: e.Version, Fault: faultOf(e.Err)}
	var body reflect.Value
	if e.Body != nil {
		body = reflect.ValueOf(e.Body)
		if h.Name = c.names[body.Type()]; h.Name == "" {
			return nil, fmt.Errorf("%s does not go over links", body.Type())
		}
	}
	b, err := c.append([]byte{wireVersion}, reflect.ValueOf(h))
	if err != nil || e.Body == nil {
		return b, err
	}
	return c.append(b, body)
}

// Decode reads an envelope. A body that is not known is NotSupported: it is of a
// newer node.
func (c *Codec) Decode(b []byte) (*Envelope, error) {
	if len(b) == 0 || b[0] != wireVersion {
		return nil, errGarbled("the version")
	}
	r := reader{c: c, b: b[1:]}
	var h head
	r.value(reflect.ValueOf(&h).Elem())
	if r.err != nil {
		return nil, r.err
	}
	e := &Envelope{Seat: h.Seat, Number: h.Number, To: h.To, Version: h.Version, Err: h.Fault.error()}
	if h.Name == "" {
		return e, nil
	}
	t := c.types[h.Name]
	if t == nil {
		return e, bridge.Errorf(bridge.NotSupported, "this node knows nothing of that")
	}
	v := reflect.New(t).Elem()
	r.value(v)
	if r.err == nil && len(r.b) > 0 {
		r.fail("something follows")
	}
	e.Body = v.Interface()
	return e, r.err
}
