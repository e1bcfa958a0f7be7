package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/auth"
	lk "github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"dragoman/media/mediatest"
)

// livekit is a LiveKit server in a process of its own, which is measured with the
// same clients. It implements subject.
type livekit struct {
	cmd    *exec.Cmd
	dir    string // for its configuration
	addr   string
	secret string

	mu    sync.Mutex
	all   []*participant
	rooms map[int][]*participant // who publishes
}

const lkKey = "bench"

func startLiveKit(ctx context.Context, binary string) (_ *livekit, err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	l := &livekit{dir: dir, rooms: map[int][]*participant{}, secret: strings.Repeat("not a secret ", 4)}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.stop())
		}
	}()
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	l.addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	config := fmt.Sprintf(`port: %d
bind_addresses: ["127.0.0.1"]
rtc: {udp_port: %d, tcp_port: 0, node_ip: 127.0.0.1, use_external_ip: false, enable_loopback_candidate: true,
      interfaces: {includes: [lo]}, ips: {includes: ["127.0.0.1/32"]}}
keys: {%s: "%s"}
logging: {level: error}
`, ports[0], ports[1], lkKey, l.secret)
	file := dir + "/livekit.yaml"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	l.cmd = exec.CommandContext(ctx, binary, "--config", file)
	l.cmd.Stderr = os.Stderr
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start LiveKit: %w", err)
	}
	return l, l.ready(ctx)
}

// freePorts returns UDP and TCP ports that nobody has.
func freePorts(n int) (all []int, err error) {
	for range n {
		c, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer c.Close()
		all = append(all, c.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // it is TCP
	}
	return all, nil
}

// ready waits until the server answers.
func (l *livekit) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settled)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.addr, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for LiveKit: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// publish implements subject.
func (l *livekit) publish(ctx context.Context, c *mediatest.Client, room int, s Scenario) (*mediatest.Peer, error) {
	subscribe := "0"
	if s.Meeting {
		subscribe = "1"
	}
	p, err := l.join(ctx, c, room, subscribe)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.rooms[room] = append(l.rooms[room], p)
	l.mu.Unlock()
	if err := p.up.Publish(true, !s.Audio); err != nil {
		return nil, err
	}
	return p.up, p.offer(ctx)
}

// subscribe implements subject.
func (l *livekit) subscribe(ctx context.Context, c *mediatest.Client, room, who int) (*mediatest.Peer, error) {
	if who >= 0 {
		l.mu.Lock()
		p := l.rooms[room][who]
		l.mu.Unlock()
		return p.down, p.down.WaitConnected(ctx)
	}
	p, err := l.join(ctx, c, room, "1")
	if err != nil {
		return nil, err
	}
	return p.down, p.down.WaitConnected(ctx)
}

// usage implements subject, from what the kernel tells of a process.
func (l *livekit) usage() (u usage, err error) {
	const hertz = 100 // USER_HZ, which is the same everywhere
	dir := "/proc/" + strconv.Itoa(l.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u, fmt.Errorf("what LiveKit has used: %w", err)
	}
	const user, system = 11, 12 // after the name
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) <= system {
		return u, errors.New("the kernel tells nothing of LiveKit")
	}
	for _, at := range []int{user, system} {
		n, err := strconv.Atoi(f[at])
		if err != nil {
			return u, err
		}
		u.CPU += time.Duration(n) * time.Second / hertz
	}
	u.Memory = resident(dir + "/status")
	return u, nil
}

// stop implements subject.
func (l *livekit) stop() error {
	l.mu.Lock()
	for _, p := range l.all {
		p.close()
	}
	l.mu.Unlock()
	if l.cmd != nil && l.cmd.Process != nil {
		_ = l.cmd.Process.Kill() // otherwise it waits for everybody to leave
		_ = l.cmd.Wait()
	}
	return os.RemoveAll(l.dir)
}

// participant speaks LiveKit's signalling for two peers.
type participant struct {
	up, down *mediatest.Peer
	ws       *websocket.Conn
	answers  chan *lk.SessionDescription
	tracks   chan string
	done     chan struct{}
	wg       sync.WaitGroup

	mu    sync.Mutex // guards writes, and what follows
	early map[*mediatest.Peer][]string
	begun map[*mediatest.Peer]bool // has a remote description
}

func (l *livekit) join(ctx context.Context, c *mediatest.Client, room int, subscribe string) (*participant, error) {
	l.mu.Lock()
	name := "p" + strconv.Itoa(len(l.all))
	l.mu.Unlock()
	token, err := auth.NewAccessToken(lkKey, l.secret).SetIdentity(name).
		SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: "room" + strconv.Itoa(room)}).ToJWT()
	if err != nil {
		return nil, err
	}
	q := url.Values{"access_token": {token}, "auto_subscribe": {subscribe}, "protocol": {"15"}, "sdk": {"go"}, "version": {"2.0.0"}}
	ws, answer, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+l.addr+"/rtc?"+q.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("join LiveKit: %w", err)
	}
	_ = answer.Body.Close()
	p := &participant{
		ws: ws, answers: make(chan *lk.SessionDescription, 1), tracks: make(chan string, 8), done: make(chan struct{}),
		early: map[*mediatest.Peer][]string{}, begun: map[*mediatest.Peer]bool{},
	}
	if p.up, err = c.Peer(); err == nil {
		p.down, err = c.Peer()
	}
	if err != nil {
		return nil, errors.Join(err, ws.Close())
	}
	l.mu.Lock()
	l.all = append(l.all, p)
	l.mu.Unlock()
	p.wg.Go(p.read)
	p.wg.Go(p.ping)
	return p, nil
}

func (p *participant) close() {
	close(p.done)
	_ = p.ws.Close()
	p.wg.Wait()
}

func (p *participant) send(m *lk.SignalRequest) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ws.WriteMessage(websocket.BinaryMessage, b)
}

// ping keeps the connection.
func (p *participant) ping() {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-p.done:
			return
		case now := <-t.C:
			_ = p.send(&lk.SignalRequest{Message: &lk.SignalRequest_PingReq{PingReq: &lk.Ping{Timestamp: now.UnixMilli()}}})
		}
	}
}

// read does what the server asks for.
func (p *participant) read() {
	for {
		_, b, err := p.ws.ReadMessage()
		if err != nil {
			return
		}
		var m lk.SignalResponse
		if proto.Unmarshal(b, &m) != nil {
			continue
		}
		switch x := m.Message.(type) {
		case *lk.SignalResponse_Offer:
			p.answer(x.Offer)
		case *lk.SignalResponse_Answer:
			p.answers <- x.Answer
		case *lk.SignalResponse_TrackPublished:
			p.tracks <- x.TrackPublished.Cid
		case *lk.SignalResponse_Trickle:
			p.candidate(x.Trickle)
		}
	}
}

// answer answers an offer of what there is to receive.
func (p *participant) answer(offer *lk.SessionDescription) {
	ctx, cancel := context.WithTimeout(context.Background(), settled)
	defer cancel()
	text, err := p.down.Answer(ctx, offer.Sdp)
	if err != nil {
		return // nothing comes, and that is noticed
	}
	p.described(p.down)
	_ = p.send(&lk.SignalRequest{Message: &lk.SignalRequest_Answer{Answer: &lk.SessionDescription{Type: "answer", Sdp: text, Id: offer.Id}}})
}

// candidate takes one of the server's, or keeps it until there is a description.
func (p *participant) candidate(t *lk.TrickleRequest) {
	var c struct {
		Candidate string `json:"candidate"`
	}
	if json.Unmarshal([]byte(t.CandidateInit), &c) != nil {
		return
	}
	to := p.up
	if t.Target == lk.SignalTarget_SUBSCRIBER {
		to = p.down
	}
	p.mu.Lock()
	begun := p.begun[to]
	if !begun {
		p.early[to] = append(p.early[to], c.Candidate)
	}
	p.mu.Unlock()
	if begun {
		_ = to.AddCandidate(c.Candidate, "", 0)
	}
}

func (p *participant) described(to *mediatest.Peer) {
	p.mu.Lock()
	early := p.early[to]
	p.early[to], p.begun[to] = nil, true
	p.mu.Unlock()
	for _, c := range early {
		_ = to.AddCandidate(c, "", 0)
	}
}

// offer publishes what the peer has been given.
func (p *participant) offer(ctx context.Context) error {
	text, err := p.up.Offer(ctx)
	if err != nil {
		return err
	}
	kind := lk.TrackType_AUDIO
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "m=") {
			kind = lk.TrackType_AUDIO
			if strings.HasPrefix(line, "m=video") {
				kind = lk.TrackType_VIDEO
			}
		}
		ids := strings.Fields(strings.TrimPrefix(line, "a=msid:"))
		if !strings.HasPrefix(line, "a=msid:") || len(ids) != 2 {
			continue
		}
		add := &lk.AddTrackRequest{Cid: ids[1], Name: ids[1], Type: kind, Source: lk.TrackSource_MICROPHONE, DisableRed: true}
		if kind == lk.TrackType_VIDEO {
			add.Source, add.Width, add.Height = lk.TrackSource_CAMERA, 1280, 720
		}
		if err := p.send(&lk.SignalRequest{Message: &lk.SignalRequest_AddTrack{AddTrack: add}}); err != nil {
			return err
		}
		select {
		case <-p.tracks:
		case <-ctx.Done():
			return fmt.Errorf("publish at LiveKit: %w", ctx.Err())
		}
	}
	if err := p.send(&lk.SignalRequest{Message: &lk.SignalRequest_Offer{Offer: &lk.SessionDescription{Type: "offer", Sdp: text}}}); err != nil {
		return err
	}
	select {
	case a := <-p.answers:
		if err := p.up.Accept(ctx, a.Sdp); err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("publish at LiveKit: %w", ctx.Err())
	}
	p.described(p.up)
	return p.up.WaitConnected(ctx)
}
