package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"time"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/mediatest"
)

// variable marks the engine's process, and says which engine it is to be.
const variable = "DRAGOMAN_BENCH_ENGINE"

// profileVariable names the file for its CPU profile.
const profileVariable = "DRAGOMAN_BENCH_PROFILE"

// profile begins a CPU profile, if there is a file for it.
func profile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// heap writes a heap profile.
func heap(file string) error {
	runtime.GC()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

// Engine runs the engine, until its standard input ends, if this process was
// started for that. Otherwise it returns false at once.
func Engine() (ran bool, err error) {
	if os.Getenv(variable) == "" {
		return false, nil
	}
	return true, serve(os.Getenv(variable), os.Stdin, os.Stdout)
}

// request is a line to the engine's process, and reply a line back.
type request struct {
	Op   string // "publish", "subscribe", "accept", "leave", "usage" or "heap"
	Peer int
	Pubs []bridge.PublicationID
	SDP  string
	File string
}

type reply struct {
	Peer  int
	SDP   string
	Error string
	Usage usage
}

// usage is what the engine's process has used.
type usage struct {
	CPU    time.Duration
	Memory int // bytes
}

// served is the engine's process.
type served struct {
	engine *media.Engine
	peers  []bridge.Peer
}

func serve(kind string, in io.Reader, out io.Writer) error {
	stop, err := profile(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer stop()
	media.Tune(0)
	e, err := media.New(media.Config{UDP: "127.0.0.1:0", MaxBitrate: 10_000_000, Engine: kind})
	if err != nil {
		return err
	}
	s := &served{engine: e}
	lines, w := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var r request
		if err := lines.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, e.Close())
		}
		answer, err := s.do(r)
		if err != nil {
			answer.Error = err.Error()
		}
		if err := w.Encode(answer); err != nil {
			return errors.Join(err, e.Close())
		}
	}
}

func (s *served) do(r request) (reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch r.Op {
	case "publish", "subscribe":
		return s.offer(ctx, r)
	case "accept":
		return reply{}, s.peers[r.Peer].Accept(ctx, bridge.SDP(r.SDP))
	case "leave":
		p := s.peers[r.Peer]
		if s.peers[r.Peer] = nil; r.Peer == len(s.peers)-1 {
			s.peers = s.peers[:r.Peer]
		}
		return reply{}, p.Close()
	case "heap":
		if r.File == "" {
			return reply{}, nil
		}
		return reply{}, heap(r.File)
	case "usage":
		return reply{Usage: usage{CPU: cpu(), Memory: memory()}}, nil
	}
	return reply{}, fmt.Errorf("no operation %q", r.Op)
}

func (s *served) offer(ctx context.Context, r request) (reply, error) {
	p, err := s.engine.NewPeer(ctx, bridge.PeerConfig{
		ID: bridge.NewPeerID(), Owner: bridge.NewParticipantID(), Notify: func(bridge.Event) {},
		PeerOptions: bridge.PeerOptions{Codecs: []string{"opus", "VP8"}},
	})
	if err != nil {
		return reply{}, err
	}
	s.peers = append(s.peers, p)
	for _, id := range r.Pubs {
		if r.Op == "publish" {
			err = p.Receive(id, bridge.Camera)
		} else {
			err = p.Send(id, bridge.SendOptions{})
		}
		if err != nil {
			return reply{}, err
		}
	}
	offer, err := p.Offer(ctx)
	return reply{Peer: len(s.peers) - 1, SDP: string(offer)}, err
}

// process is the engine's process as seen from here. It implements subject.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	w     *json.Encoder
	r     *json.Decoder
	rooms map[int][]bridge.PublicationID

	newest int // connection
}

// publish implements subject.
func (p *process) publish(ctx context.Context, c *mediatest.Client, room int, s Scenario) (*mediatest.Peer, error) {
	peer, err := c.Peer()
	if err != nil {
		return nil, err
	}
	if err := peer.Publish(true, !s.Audio); err != nil {
		return nil, err
	}
	id := bridge.NewPublicationID()
	p.rooms[room] = append(p.rooms[room], id)
	return peer, p.connect(ctx, peer, request{Op: "publish", Pubs: []bridge.PublicationID{id}})
}

// subscribe implements subject.
func (p *process) subscribe(ctx context.Context, c *mediatest.Client, room, who int) (*mediatest.Peer, error) {
	peer, err := c.Peer()
	if err != nil {
		return nil, err
	}
	var ids []bridge.PublicationID
	for i, id := range p.rooms[room] {
		if i != who {
			ids = append(ids, id)
		}
	}
	return peer, p.connect(ctx, peer, request{Op: "subscribe", Pubs: ids})
}

// leave ends the connection that was made last.
func (p *process) leave() error {
	_, err := p.call(request{Op: "leave", Peer: p.newest})
	return err
}

// connect negotiates an offer of the engine's.
func (p *process) connect(ctx context.Context, peer *mediatest.Peer, r request) error {
	offer, err := p.call(r)
	if err != nil {
		return err
	}
	p.newest = offer.Peer
	answer, err := peer.Answer(ctx, offer.SDP)
	if err != nil {
		return err
	}
	if _, err := p.call(request{Op: "accept", Peer: offer.Peer, SDP: answer}); err != nil {
		return err
	}
	return peer.WaitConnected(ctx)
}

func startEngine(ctx context.Context, o Options) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), variable+"="+o.Engine, profileVariable+"="+o.Profile)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	return &process{cmd: cmd, in: in, w: json.NewEncoder(in), r: json.NewDecoder(bufio.NewReader(out)), rooms: map[int][]bridge.PublicationID{}}, nil
}

func (p *process) call(r request) (reply, error) {
	if err := p.w.Encode(r); err != nil {
		return reply{}, fmt.Errorf("ask the engine to %s: %w", r.Op, err)
	}
	var answer reply
	if err := p.r.Decode(&answer); err != nil {
		return reply{}, fmt.Errorf("the engine's answer to %s: %w", r.Op, err)
	}
	if answer.Error != "" {
		return reply{}, fmt.Errorf("%s: %s", r.Op, answer.Error)
	}
	return answer, nil
}

func (p *process) usage() (usage, error) {
	r, err := p.call(request{Op: "usage"})
	return r.Usage, err
}

func (p *process) stop() error {
	return errors.Join(p.in.Close(), p.cmd.Wait())
}
