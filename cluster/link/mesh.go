package link

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"dragoman/bridge"
)

// Proto is the major version of what nodes say to each other.
const Proto = 1

// Handler serves what other nodes begin: a question, or a stream to a room. It is
// called in a goroutine of its own; when it returns, the stream ends. Only by
// receiving it learns that the other end has closed the stream.
type Handler interface {
	Serve(ctx context.Context, first *Envelope, s *Stream)
}

// Config is what a Mesh is made of.
type Config struct {
	Self     bridge.NodeID
	Identity *Identity // nil: no TLS, which is for loopback only
	Listener net.Listener
	Dial     func(ctx context.Context, addr string) (net.Conn, error) // default: TCP
	Handler  Handler
	Beat     time.Duration // between heartbeats; default 1 s. Without any for thrice that a node is not usable
	Log      *slog.Logger  // default: none
}

// Peer is another node as membership knows it.
type Peer struct {
	ID   bridge.NodeID
	Addr string
}

// Stats is what a Mesh has counted.
type Stats struct {
	Peers    int    // known
	Usable   int    // of which answer
	Refused  uint64 // connections and streams of nodes that did not prove who they are
	Streams  int64  // open now
	Failures uint64 // control streams that broke
}

// Mesh is this node's links: one connection to each other node, dialled by the one
// with the smaller id, and streams on it that either end may open. A node is usable
// while its heartbeat is heard.
type Mesh struct {
	cfg    Config
	codec  *Codec
	server *grpc.Server
	ctx    context.Context
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	refused, failures atomic.Uint64
	streams           atomic.Int64

	mu      sync.Mutex
	peers   map[bridge.NodeID]*peer
	changed chan struct{} // closed when the usable peers have changed
	next    uint64        // number of the next Call
}

// peer is another node. What is below ctx is guarded by the mesh's mutex.
type peer struct {
	Peer
	ctx  context.Context // ends when the peer is no member any more
	stop context.CancelFunc

	conn *grpc.ClientConn // nil: it dials us
	live *session         // nil: not usable
}

// session is the life of a control stream.
type session struct {
	ctx     context.Context
	calls   chan uint64
	waiting map[uint64]chan *Stream // guarded by the mesh's mutex
}

// New makes a mesh and serves the listener. Close ends both.
func New(cfg Config) *Mesh {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Beat = cmp.Or(cfg.Beat, time.Second)
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	m := &Mesh{cfg: cfg, codec: NewCodec(), peers: map[bridge.NodeID]*peer{}, changed: make(chan struct{})}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.server = grpc.NewServer(
		grpc.ForceServerCodecV2(bytesCodec{}), grpc.Creds(counted{m.credentials(""), m}),
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(8*window),
		grpc.ConnectionTimeout(dialTime), grpc.WaitForHandlers(true),
		// A connection that is cut ends soon, and with it what waits on its streams.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 3 * cfg.Beat, Timeout: 3 * cfg.Beat}),
	)
	m.server.RegisterService(m.desc(), nil)
	m.tasks.Go(func() { _ = m.server.Serve(cfg.Listener) })
	return m
}

// credentials are those of this node, to dial the node of a name or to be dialled.
func (m *Mesh) credentials(name string) credentials.TransportCredentials {
	switch i := m.cfg.Identity; {
	case i == nil:
		return insecure.NewCredentials()
	case name == "":
		return credentials.NewTLS(i.server())
	default:
		return credentials.NewTLS(i.client(name))
	}
}

// counted counts who does not prove itself.
type counted struct {
	credentials.TransportCredentials
	m *Mesh
}

func (c counted) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := c.TransportCredentials.ServerHandshake(conn)
	if err != nil {
		c.m.refuse("", err)
	}
	return secured, info, err
}

func (m *Mesh) refuse(id bridge.NodeID, err error) {
	m.refused.Add(1)
	m.cfg.Log.Warn("a node was refused", "peer", string(id), "err", err)
}

// Close ends all streams and links.
func (m *Mesh) Close() {
	m.stop()
	m.Update(nil)
	m.server.Stop()
	m.tasks.Wait()
}

// Stats returns what was counted.
func (m *Mesh) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{Peers: len(m.peers), Refused: m.refused.Load(), Failures: m.failures.Load(), Streams: m.streams.Load()}
	for _, p := range m.peers {
		if p.live != nil {
			s.Usable++
		}
	}
	return s
}

// Update says which other nodes are members. Links to the others end.
func (m *Mesh) Update(members []Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	here := make(map[bridge.NodeID]Peer, len(members))
	for _, p := range members {
		if p.ID != m.cfg.Self && p.Addr != "" {
			here[p.ID] = p
		}
	}
	for id, p := range m.peers {
		if here[id] != p.Peer {
			p.stop()
			delete(m.peers, id)
		}
	}
	for id, member := range here {
		if m.peers[id] == nil && m.ctx.Err() == nil {
			m.add(member)
		}
	}
}

// add begins a peer. The mutex is held.
func (m *Mesh) add(member Peer) {
	p := &peer{Peer: member}
	p.ctx, p.stop = context.WithCancel(m.ctx)
	m.peers[member.ID] = p
	if m.cfg.Self < member.ID {
		m.tasks.Go(func() { m.dial(p) })
	}
}

// Usable reports whether a node answers. This one always does.
func (m *Mesh) Usable(id bridge.NodeID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[id]
	return id == m.cfg.Self || p != nil && p.live != nil
}

// Changed is closed when other nodes are usable than were.
func (m *Mesh) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// set notes that a peer is usable, or with nil that it is not. The old session must
// be the one that is expected. It reports whether it was.
func (m *Mesh) set(p *peer, old, s *session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.live != old || s != nil && p.ctx.Err() != nil {
		return false
	}
	p.live = s
	close(m.changed)
	m.changed = make(chan struct{})
	return true
}

// Ask puts a question to another node and returns the answer.
func (m *Mesh) Ask(ctx context.Context, id bridge.NodeID, question any) (any, error) {
	s, err := m.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Send(&Envelope{Body: question}); err != nil {
		return nil, err
	}
	answer, err := s.Recv()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &bridge.Error{Code: bridge.Unavailable, Msg: "another node did not answer in time", Err: ctx.Err()}
	case err != nil:
		return nil, err
	}
	return answer.Body, answer.Err
}

// Open begins a stream to another node. It ends with ctx, with Close, and when the
// node is not usable any more. Unavailable: it is not.
func (m *Mesh) Open(ctx context.Context, id bridge.NodeID) (*Stream, error) {
	m.mu.Lock()
	p := m.peers[id]
	if p == nil || p.live == nil {
		m.mu.Unlock()
		return nil, broken(errors.New("the node is not usable"))
	}
	live, conn := p.live, p.conn
	m.mu.Unlock()
	if conn != nil {
		return m.openDialled(ctx, p, live, conn)
	}
	return m.openCalled(ctx, live)
}

// openDialled opens a stream on our own connection.
func (m *Mesh) openDialled(ctx context.Context, p *peer, live *session, conn *grpc.ClientConn) (*Stream, error) {
	inner, end := context.WithCancel(ctx)
	unhook := context.AfterFunc(live.ctx, end)
	stream, err := conn.NewStream(m.signed(inner), &m.desc().Streams[1], "/"+service+"/"+open)
	if err != nil {
		unhook()
		end()
		return nil, broken(err)
	}
	m.streams.Add(1)
	once := sync.OnceFunc(func() { unhook(); end(); m.streams.Add(-1) })
	return &Stream{Peer: p.ID, codec: m.codec, raw: stream, ctx: inner, end: once, half: stream.CloseSend}, nil
}

// openCalled has the other end open a stream.
func (m *Mesh) openCalled(ctx context.Context, live *session) (*Stream, error) {
	m.mu.Lock()
	m.next++
	n, came := m.next, make(chan *Stream, 1)
	live.waiting[n] = came
	m.mu.Unlock()
	giveUp := func(err error) (*Stream, error) {
		m.mu.Lock()
		delete(live.waiting, n)
		m.mu.Unlock()
		select {
		case s := <-came:
			s.Close()
		default:
		}
		return nil, broken(err)
	}
	select {
	case live.calls <- n:
	case <-live.ctx.Done():
		return giveUp(live.ctx.Err())
	case <-ctx.Done():
		return giveUp(ctx.Err())
	}
	select {
	case s := <-came:
		context.AfterFunc(ctx, s.end)
		return s, nil
	case <-live.ctx.Done():
		return giveUp(live.ctx.Err())
	case <-ctx.Done():
		return giveUp(ctx.Err())
	}
}
