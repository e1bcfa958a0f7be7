package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"dragoman/bridge"
)

// The times and sizes of links.
const (
	dialTime = 3 * time.Second
	minRetry = 100 * time.Millisecond
	maxRetry = 2 * time.Second
	window   = 1 << 20 // bytes on their way in one stream
	nodeKey  = "node"  // of the metadata that says who calls
)

// signed says who calls. The certificate proves it.
func (m *Mesh) signed(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, nodeKey, string(m.cfg.Self))
}

// dial keeps a link to a peer until that is no member any more.
func (m *Mesh) dial(p *peer) {
	conn, err := grpc.NewClient("passthrough:///"+p.Addr,
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return m.cfg.Dial(ctx, addr) }),
		grpc.WithTransportCredentials(m.credentials(NameOf(p.ID))), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{}), grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(8*window), grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minRetry, Multiplier: 2, Jitter: 0.2, MaxDelay: maxRetry},
			MinConnectTimeout: dialTime,
		}),
	)
	if err != nil {
		m.cfg.Log.Error("a node cannot be dialled", "peer", string(p.ID), "err", err)
		return
	}
	defer func() { _ = conn.Close() }()
	m.mu.Lock()
	p.conn = conn
	m.mu.Unlock()
	for wait := minRetry; p.ctx.Err() == nil; wait = min(2*wait, maxRetry) {
		up, err := m.dialled(p, conn)
		if p.ctx.Err() != nil {
			return
		}
		m.failures.Add(1)
		m.cfg.Log.Debug("no link", "peer", string(p.ID), "err", err)
		if up {
			wait = minRetry / 2
		}
		pause(p.ctx, wait/2+rand.N(wait/2))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// dialled is the life of a control stream at the end that has dialled.
func (m *Mesh) dialled(p *peer, conn *grpc.ClientConn) (up bool, err error) {
	ctx, end := context.WithCancel(p.ctx)
	defer end()
	stream, err := conn.NewStream(m.signed(ctx), &m.desc().Streams[0], "/"+service+"/"+control)
	if err != nil {
		return false, err
	}
	return m.live(p, &Stream{Peer: p.ID, codec: m.codec, raw: stream, ctx: ctx, end: end})
}

// servesControl is the same at the end that was dialled.
func (m *Mesh) servesControl(_ any, stream grpc.ServerStream) error {
	p, err := m.caller(stream.Context())
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(stream.Context())
	defer end()
	defer context.AfterFunc(p.ctx, end)()
	// Receiving does not end with ctx here, so it is left behind when live returns.
	_, err = m.live(p, &Stream{Peer: p.ID, codec: m.codec, raw: stream, ctx: ctx, end: end})
	return err
}

// caller returns the member that calls, if it proves to be it.
func (m *Mesh) caller(ctx context.Context) (*peer, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	ids := md.Get(nodeKey)
	if len(ids) != 1 {
		m.refuse("", errors.New("does not say who it is"))
		return nil, status.Error(codes.Unauthenticated, "who is there?")
	}
	id := bridge.NodeID(ids[0])
	if err := m.proves(ctx, id); err != nil {
		m.refuse(id, err)
		return nil, status.Error(codes.Unauthenticated, "the certificate is not that of the node")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.peers[id]; p != nil && m.cfg.Self > id {
		return p, nil
	}
	return nil, status.Error(codes.Unavailable, "the node is not known yet")
}

// proves demands that the certificate of a connection names the node.
func (m *Mesh) proves(ctx context.Context, id bridge.NodeID) error {
	if m.cfg.Identity == nil {
		return nil
	}
	from, ok := grpcpeer.FromContext(ctx)
	if !ok {
		return errors.New("no connection")
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	return info.State.PeerCertificates[0].VerifyHostname(NameOf(id))
}

// live exchanges heartbeats until one is missing or the stream breaks. Meanwhile the
// peer is usable: up says whether it ever was.
func (m *Mesh) live(p *peer, s *Stream) (up bool, err error) {
	defer s.end()
	heard := make(chan error)
	received := make(chan *Envelope)
	go func() {
		for {
			e, err := s.Recv()
			if err != nil {
				select {
				case heard <- err:
				case <-s.ctx.Done():
				}
				return
			}
			select {
			case received <- e:
			case <-s.ctx.Done():
				return
			}
		}
	}()
	if err := s.Send(&Envelope{Body: Hello{Proto: Proto}}); err != nil {
		return false, err
	}
	timer := time.NewTimer(3 * m.cfg.Beat)
	defer timer.Stop()
	if err := m.greeted(s, received, heard, timer); err != nil {
		return false, err
	}
	live := &session{ctx: s.ctx, calls: make(chan uint64), waiting: map[uint64]chan *Stream{}}
	if !m.set(p, nil, live) {
		return false, status.Error(codes.AlreadyExists, "there is a link already")
	}
	m.cfg.Log.Info("linked", "peer", string(p.ID))
	defer func() {
		s.end()
		m.set(p, live, nil)
		m.cfg.Log.Info("link lost", "peer", string(p.ID))
	}()
	return true, m.beat(p, s, live, received, heard, timer)
}

func (m *Mesh) greeted(s *Stream, received <-chan *Envelope, heard <-chan error, timer *time.Timer) error {
	select {
	case e := <-received:
		if hello, ok := e.Body.(Hello); !ok || hello.Proto != Proto {
			return status.Error(codes.FailedPrecondition, fmt.Sprintf("the node does not speak version %d", Proto))
		}
		return nil
	case err := <-heard:
		return err
	case <-timer.C:
		return context.DeadlineExceeded
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// beat is the middle of live.
func (m *Mesh) beat(p *peer, s *Stream, live *session, received <-chan *Envelope, heard <-chan error, timer *time.Timer) error {
	ticker := time.NewTicker(m.cfg.Beat)
	defer ticker.Stop()
	timer.Reset(3 * m.cfg.Beat)
	for {
		var err error
		select {
		case e := <-received:
			timer.Reset(3 * m.cfg.Beat)
			if call, ok := e.Body.(Call); ok {
				m.tasks.Go(func() { m.called(p, live, call.Stream) })
			}
		case err = <-heard:
		case n := <-live.calls:
			err = s.Send(&Envelope{Body: Call{Stream: n}})
		case <-ticker.C:
			err = s.Send(&Envelope{Body: Beat{}})
		case <-timer.C:
			err = context.DeadlineExceeded
		case <-s.ctx.Done():
			err = s.ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// called opens a stream for the other end, and serves what it begins on it.
func (m *Mesh) called(p *peer, live *session, n uint64) {
	m.mu.Lock()
	conn := p.conn
	m.mu.Unlock()
	if conn == nil {
		return
	}
	s, err := m.openDialled(live.ctx, p, live, conn)
	if err != nil {
		return
	}
	defer s.Close()
	if s.Send(&Envelope{Body: Called{Stream: n}}) != nil {
		return
	}
	m.serve(s)
}

// servesOpen takes a stream: one that the other end begins, or one that it was
// called for.
func (m *Mesh) servesOpen(_ any, stream grpc.ServerStream) error {
	p, err := m.caller(stream.Context())
	if err != nil {
		return err
	}
	m.mu.Lock()
	live := p.live
	m.mu.Unlock()
	if live == nil {
		return status.Error(codes.Unavailable, "there is no link yet")
	}
	ctx, end := context.WithCancel(stream.Context())
	defer end()
	defer context.AfterFunc(live.ctx, end)()
	m.streams.Add(1)
	defer m.streams.Add(-1)
	s := &Stream{Peer: p.ID, codec: m.codec, raw: stream, ctx: ctx, end: end}
	first, err := s.Recv()
	if err != nil && first == nil {
		return nil
	}
	called, ok := first.Body.(Called)
	if !ok {
		m.handle(first, err, s)
		return nil
	}
	m.mu.Lock()
	came := live.waiting[called.Stream]
	delete(live.waiting, called.Stream)
	m.mu.Unlock()
	if came == nil {
		return nil // nobody waits for it any more
	}
	came <- s
	<-ctx.Done()
	return nil
}

// serve serves what the other end begins on a stream.
func (m *Mesh) serve(s *Stream) {
	if first, err := s.Recv(); err == nil || first != nil {
		m.handle(first, err, s)
		s.finish()
	}
}

// handle hands the first envelope of a stream to the handler; one that cannot be
// understood is answered.
func (m *Mesh) handle(first *Envelope, err error, s *Stream) {
	if err != nil {
		_ = s.Send(&Envelope{Number: first.Number, Err: err})
		return
	}
	m.cfg.Handler.Serve(s.ctx, first, s)
}
