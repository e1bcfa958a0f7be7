package link

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"dragoman/bridge"
)

// service and the method that streams are of.
const (
	service = "dragoman.cluster.Link"
	control = "Control"
	open    = "Open"
)

// raw is how gRPC has a stream at either end.
type raw interface {
	SendMsg(m any) error
	RecvMsg(m any) error
}

// bytesCodec hands messages to gRPC as they are.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "dragoman" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, errors.New("not bytes")
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return errors.New("not bytes")
	}
	*b = data.Materialize()
	return nil
}

// Stream carries envelopes both ways, in order. One goroutine may send and another
// receive.
type Stream struct {
	Peer bridge.NodeID

	codec *Codec
	raw   raw
	ctx   context.Context
	end   context.CancelFunc
	half  func() error // says that nothing more is sent; nil at the end that was dialled
}

// Context ends with the stream.
func (s *Stream) Context() context.Context { return s.ctx }

// Send waits while the other end does not read fast enough.
func (s *Stream) Send(e *Envelope) error {
	b, err := s.codec.Encode(e)
	if err != nil {
		return err
	}
	if err := s.raw.SendMsg(&b); err != nil {
		return broken(err)
	}
	return nil
}

// Recv returns the next envelope. Unavailable: the stream is broken, or the other
// end has closed it.
func (s *Stream) Recv() (*Envelope, error) {
	var b []byte
	if err := s.raw.RecvMsg(&b); err != nil {
		return nil, broken(err)
	}
	return s.codec.Decode(b)
}

// Close ends the stream at once, for both ends.
func (s *Stream) Close() { s.end() }

// finish lets what was sent arrive, and then ends the stream. One that is closed already
// may still be read by somebody, and two cannot.
func (s *Stream) finish() {
	if s.ctx.Err() == nil && s.half != nil && s.half() == nil {
		for b := []byte(nil); s.raw.RecvMsg(&b) == nil; b = nil {
		}
	}
	s.end()
}

func broken(err error) error {
	return &bridge.Error{Code: bridge.Unavailable, Msg: "the link to another node is broken", Err: err}
}

// desc describes the service to gRPC.
func (m *Mesh) desc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: control, ServerStreams: true, ClientStreams: true, Handler: m.servesControl},
			{StreamName: open, ServerStreams: true, ClientStreams: true, Handler: m.servesOpen},
		},
	}
}
