package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestLoss is about clients that do not say that they go: one of each dialect, seen
// by one of each, who only watch where they can. What waits for the server's own deadlines takes a minute and more,
// so all run at once.
func TestLoss(t *testing.T) {
	n := node.Start(t, node.Options{})
	for name, lose := range map[string]func(m *meeting, d driver.Dialect, witnesses func() []driver.Member){
		"killed": killed, "half_open": halfOpen, "stuck": stuck,
	} {
		for _, d := range driver.Dialects() {
			t.Run(name+"/"+d.Name, func(t *testing.T) {
				t.Parallel()
				m := newMeeting(t, n, d, d)
				lose(m, d, func() (all []driver.Member) {
					for _, other := range driver.Dialects() {
						w := m.person(other, "Witness of "+other.Name)
						m.do("join", func(ctx context.Context) error { return w.Join(ctx, m.room, bridge.NoRole) })
						if other.ByMedia {
							m.do("publish", func(ctx context.Context) error { return w.Publish(ctx, bridge.Camera) })
						}
						all = append(all, w)
					}
					return all
				})
			})
		}
	}
}

// lost is by when a client that is gone has left for the others: the longest
// deadline for a pong (spreed.md: 60 s), and the grace of a seat after it (30 s).
const lost = 2 * time.Minute

// goesOnce waits until all witnesses have seen Anna leave, and checks that they saw
// it once.
func goesOnce(m *meeting, witnesses []driver.Member) {
	m.Helper()
	begin := time.Now()
	gone := driver.Sight{What: driver.Left, Who: "Anna"}
	ctx, cancel := context.WithTimeout(m.ctx, lost)
	defer cancel()
	for _, w := range witnesses {
		m.must(w.Saw(ctx, gone), "%s sees Anna leave", w.Name)
	}
	m.Logf("Anna was seen to leave after %s", time.Since(begin).Round(time.Millisecond))
	for i, w := range witnesses {
		m.after(witnesses[(i+1)%len(witnesses)], w)
		m.times(w, gone, 1)
	}
}

// killed: the process of a client is killed; nothing is closed in an orderly way.
func killed(m *meeting, d driver.Dialect, enter func() []driver.Member) {
	witnesses := enter()
	addr, path := m.node.Place(d.Name)
	text, err := json.Marshal(child{Dialect: d.Name, Addr: addr, Path: path, Room: m.room, Name: "Anna"})
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
	for _, w := range witnesses {
		m.saw(w, driver.Sight{What: driver.Came, Who: "Anna"})
		m.do("see Anna", func(ctx context.Context) error {
			_, err := w.Sees(ctx, "Anna", bridge.Camera)
			return err
		})
	}
	m.must(cmd.Process.Kill(), "kill")
	_ = cmd.Wait() // it was killed
	goesOnce(m, witnesses)
}

// halfOpen: the network swallows everything; neither side sees an end.
func halfOpen(m *meeting, d driver.Dialect, enter func() []driver.Member) {
	addr, _ := m.node.Place(d.Name)
	w, err := newWire(addr)
	m.must(err, "wire")
	m.Cleanup(w.close)
	witnesses := enter()
	a := m.enter(d, "Anna", func(o *driver.Options) { o.Addr = w.addr() })
	m.look(witnesses, []driver.Member{a})
	w.tear()
	// Its media goes with it.
	a.Close()
	goesOnce(m, witnesses)
}

// stuck: a client does not read any more, while another one talks.
func stuck(m *meeting, d driver.Dialect, enter func() []driver.Member) {
	stop := make(chan struct{})
	witnesses := enter()
	m.enter(d, "Anna", func(o *driver.Options) {
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialDeaf(ctx, network, addr, stop)
		}
	})
	for _, w := range witnesses {
		m.saw(w, driver.Sight{What: driver.Came, Who: "Anna"})
	}
	close(stop)
	before := heap()
	// More than the kernel takes for somebody with such a window, in fewer frames
	// than one may send at once.
	talker := witnesses[slices.IndexFunc(driver.Dialects(), func(d driver.Dialect) bool { return !d.NoChat && d.LongestMessage == 0 })]
	long := strings.Repeat("long ", 12<<10)
	for range 24 {
		m.do("say", func(ctx context.Context) error { return talker.Say(ctx, "", long) })
	}
	goesOnce(m, witnesses)
	if grown := heap() - before; grown > 512<<20 {
		m.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

func heap() int64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
