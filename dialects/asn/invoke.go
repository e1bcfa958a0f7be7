package asn

import (
	"errors"

	"dragoman/dialects/asn/rose"
)

// keepAliveID is the event of another module that clients of the web proxy send
// every few seconds (reference 4.2). Nothing is done with it.
const (
	keepAliveID   = 1706
	keepAliveName = "asnTransportKeepAlive"
)

// invoke is an invoke that was read.
type invoke struct {
	op       rose.Operation
	argument rose.Value
	event    bool          // nothing is answered, whatever happens
	ignored  bool          // nothing is to be done
	problem  *rose.Message // the reject or error that answers it
}

// read finds the operation of an invoke and reads its argument; broken is what was
// wrong with the envelope (reference 2.4, 2.5).
func read(m *rose.Invoke, broken error) invoke {
	in := invoke{event: m.InvokeID == rose.EventID}
	id, name := deref(m.OperationID), deref(m.OperationName)
	if m.InvokeID < 0 || m.InvokeID > 1<<53-1 {
		in.problem = rose.Refuse(0, rose.MistypedArgument, "invokeID is out of range")
		return in
	}
	if broken != nil {
		in.problem = rose.Refuse(m.InvokeID, rose.MistypedArgument, broken.Error())
		return in
	}
	if id == keepAliveID || name == keepAliveName {
		in.event, in.ignored = true, true
		return in
	}
	op, ok := rose.Lookup(id, name)
	if !ok {
		in.problem = rose.Refuse(m.InvokeID, rose.UnrecognisedOperation, "there is no such operation")
		return in
	}
	in.op, in.argument = op, op.Argument()
	in.event = in.event || op.Event()
	in.check(m.InvokeID, m.Argument.Into(in.argument))
	return in
}

// check notes what is wrong with an argument.
func (in *invoke) check(id int64, err error) {
	if m, ok := errors.AsType[*rose.Mistyped](err); ok {
		in.problem = rose.Refuse(id, rose.MistypedArgument, m.Error())
	} else if err != nil {
		in.problem = rose.Refuse(id, rose.MistypedArgument, "the argument cannot be read")
	}
}

// deref returns what p points to, or the zero value.
func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
