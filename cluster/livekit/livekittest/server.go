package livekittest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

// Key is the only API key that servers know.
const Key = "devkey"

// secret is what it is signed with: at least 32 characters.
const secret = "not a secret, as only tests have it"

// Options are what a test may choose of a server.
type Options struct {
	// Webhook is the URL that the server tells of what happens; empty: none.
	Webhook string
}

// Server is a LiveKit server in a process of its own, on ports of loopback that it keeps
// when it is started again.
type Server struct {
	t      testing.TB
	binary string
	file   string // its configuration
	addr   string
	cmd    *exec.Cmd
}

// Start builds a server, if need be, and starts it. It ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, binary: build(t), file: filepath.Join(t.TempDir(), "livekit.yaml")}
	ports := freePorts(t)
	s.addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	config := fmt.Sprintf(`port: %d
bind_addresses: ["127.0.0.1"]
rtc: {udp_port: %d, tcp_port: 0, node_ip: 127.0.0.1, use_external_ip: false, enable_loopback_candidate: true,
      interfaces: {includes: [lo]}, ips: {includes: ["127.0.0.1/32"]}}
turn: {enabled: true, udp_port: %d, bind_addresses: ["127.0.0.1"], relay_range_start: %d, relay_range_end: %d,
       allow_restricted_peer_cidrs: ["127.0.0.0/8"]}
keys: {%s: "%s"}
logging: {level: warn}
`, ports[0], ports[1], ports[2], ports[3], ports[3]+1, Key, secret)
	if o.Webhook != "" {
		config += fmt.Sprintf("webhook: {api_key: %s, urls: [%q]}\n", Key, o.Webhook)
	}
	if err := os.WriteFile(s.file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// build returns the server's binary. "make test" has made it before; otherwise it takes
// some minutes, once.
func build(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs(".")
	for err == nil {
		if _, missing := os.Stat(filepath.Join(root, "e2e", "livekitd")); missing == nil {
			break
		}
		if filepath.Dir(root) == root {
			t.Fatal("the folder of the LiveKit server's module was not found above this package")
		}
		root = filepath.Dir(root)
	}
	binary := filepath.Join(root, "bin", "livekit-server")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join(root, "e2e", "livekitd"), "-o", binary, "github.com/livekit/livekit-server/cmd/server")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build a LiveKit server: %v\n%s", err, out)
	}
	return binary
}

// freePorts returns ports that nobody has, by TCP or UDP.
func freePorts(t testing.TB) (all [4]int) {
	t.Helper()
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all[i] = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is TCP
	}
	return all
}

// Restart starts the server that was killed, and returns when it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "--config", s.file) //nolint:noctx // Kill ends it
	out := &strings.Builder{}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start LiveKit: %v", err)
	}
	for until := time.Now().Add(time.Minute); ; {
		if s.answers() {
			return
		}
		if time.Now().After(until) {
			s.Kill()
			s.t.Fatalf("LiveKit does not answer:\n%s", out)
		}
		wait := time.NewTimer(20 * time.Millisecond)
		<-wait.C
	}
}

func (s *Server) answers() bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// Kill ends the server at once: asked, it would wait for all to leave. It is idempotent.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

// URL is where clients connect to: "ws://…".
func (s *Server) URL() string { return "ws://" + s.addr }

// Secret is what Key is signed with.
func (s *Server) Secret() string { return secret }

// API is the server's room service.
func (s *Server) API() *lksdk.RoomServiceClient {
	return lksdk.NewRoomServiceClient("http://"+s.addr, Key, secret)
}
