package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestLoss is about clients that do not say that they go. What waits for the
// server's own deadlines takes a minute and more, so all run at once.
func TestLoss(t *testing.T) {
	n := node.Start(t, node.Options{})
	t.Run("all", func(t *testing.T) { // ends when its parallel tests have
		for _, s := range []scenario{
			{name: "killed", play: killed, alone: true},
			{name: "half_open", play: halfOpen, alone: true},
			{name: "stuck", play: stuck, alone: true},
		} {
			hold(t, n, scenario{name: s.name, alone: true, play: func(m *meeting) {
				m.Parallel()
				s.play(m)
			}})
		}
	})
}

// lost is by when a client that is gone has left for the others: the longest
// deadline for a pong (spreed.md: 60 s), and the grace of a seat after it (30 s).
const lost = 2 * time.Minute

// goesOnce waits until all witnesses have seen somebody leave, and checks that
// they saw it once.
func goesOnce(m *meeting, name string, witnesses ...driver.Member) {
	m.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, lost)
	defer cancel()
	for _, w := range witnesses {
		m.must(w.Saw(ctx, driver.Sight{What: driver.Left, Who: name}), "%s sees %s leave", w.Name, name)
	}
	m.Logf("%s was seen to leave after %s", name, time.Since(begin).Round(time.Millisecond))
	m.after(witnesses[0], witnesses[1])
	m.after(witnesses[1], witnesses[0])
	for _, w := range witnesses {
		m.times(w, driver.Sight{What: driver.Left, Who: name}, 1)
	}
}

// killed: the process of a client is killed; nothing is closed in an orderly way.
func killed(m *meeting) {
	b, c := m.enter(m.pair[1], "Ben"), m.enter(m.pair[0], "Carla")
	addr, path := m.node.Place(m.pair[0].Name)
	text, err := json.Marshal(child{Dialect: m.pair[0].Name, Addr: addr, Path: path, Room: m.room, Name: "Anna"})
	m.must(err, "child")
	self, err := os.Executable()
	m.must(err, "own path")
	cmd := exec.CommandContext(m.ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = m.Output()
	in, err := cmd.StdinPipe()
	m.must(err, "stdin")
	defer in.Close()
	out, err := cmd.StdoutPipe()
	m.must(err, "stdout")
	m.must(cmd.Start(), "start")
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "in" {
		m.Fatalf("the client says %q, %v", line, err)
	}
	for _, w := range []driver.Member{b, c} {
		m.saw(w, driver.Sight{What: driver.Came, Who: "Anna"})
		m.do("see Anna", func(ctx context.Context) error {
			_, err := w.Sees(ctx, "Anna", bridge.Camera)
			return err
		})
	}
	m.must(cmd.Process.Kill(), "kill")
	_ = cmd.Wait() // it was killed
	goesOnce(m, "Anna", b, c)
	m.look([]driver.Member{b, c}, []driver.Member{b, c})
}

// halfOpen: the network swallows everything; neither side sees an end.
func halfOpen(m *meeting) {
	addr, _ := m.node.Place(m.pair[0].Name)
	w, err := newWire(addr)
	m.must(err, "wire")
	m.Cleanup(w.close)
	b, c := m.enter(m.pair[1], "Ben"), m.enter(m.pair[0], "Carla")
	a := m.enter(m.pair[0], "Anna", func(o *driver.Options) { o.Addr = w.addr() })
	m.look([]driver.Member{b, c}, []driver.Member{a})
	w.tear()
	// Its media goes with it.
	a.Close()
	goesOnce(m, "Anna", b, c)
}

// stuck: a client does not read any more, while the others talk.
func stuck(m *meeting) {
	stop := make(chan struct{})
	b, c := m.enter(m.pair[1], "Ben"), m.enter(m.pair[0], "Carla")
	m.enter(m.pair[0], "Anna", func(o *driver.Options) {
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialDeaf(ctx, network, addr, stop)
		}
	})
	m.saw(b, driver.Sight{What: driver.Came, Who: "Anna"})
	m.saw(c, driver.Sight{What: driver.Came, Who: "Anna"})
	close(stop)
	before := heap()
	talker, dialect := b, m.pair[1]
	if dialect.NoChat {
		talker, dialect = c, m.pair[0]
	}
	// More than the kernel takes for somebody with such a window, in fewer frames
	// than one may send at once.
	long := strings.Repeat("long ", 12<<10)
	if most := dialect.LongestMessage; most > 0 {
		long = long[:most]
	}
	for range 24 * 60 << 10 / len(long) {
		if dialect.NoChat {
			break // nobody can talk: who does not read does not answer pings, either
		}
		m.do("say", func(ctx context.Context) error { return talker.Say(ctx, "", long) })
	}
	goesOnce(m, "Anna", b, c)
	if grown := heap() - before; grown > 512<<20 {
		m.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

func heap() int64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
