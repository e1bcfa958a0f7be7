// Package pgtest runs a PostgreSQL server for tests: a real one, of the machine's
// package, with its own data in a temporary directory and on a free port of
// loopback. It is gone when it was closed, and also when the test process dies.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a server that runs. Close ends it.
type Server struct {
	dir  string
	port int
	pass string
	cmd  *exec.Cmd
	hold io.Closer // when this closes, the server goes
	gone chan struct{}
}

// ErrMissing says that there is no PostgreSQL on this machine.
var ErrMissing = errors.New("postgresql is missing: install Debian's package (apt-get install postgresql); \"make test\" does")

// Start starts a server and waits until it answers.
func Start(ctx context.Context) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dragoman-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, pass: rand.Text()}
	if err := s.start(ctx, bin); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // there may be none yet
		err = fmt.Errorf("postgres: %w\n%s", err, log)
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// binaries returns the folder with initdb and postgres. Debian keeps one for every
// version; the newest is taken.
func binaries() (string, error) {
	places, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			places = append(places, path)
		}
	}
	slices.SortFunc(places, func(a, b string) int { return version(a) - version(b) })
	for _, p := range slices.Backward(places) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(p), "postgres")); err == nil {
			return filepath.Dir(p), nil
		}
	}
	return "", ErrMissing
}

func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// unprivileged returns who the server runs as: not root, which it refuses.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, bad1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, bad2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(bad1, bad2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("there is neither a user postgres nor a user nobody to run as")
}

func (s *Server) start(ctx context.Context, bin string) error {
	who, err := unprivileged()
	if err != nil {
		return err
	}
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.pass), 0o600); err != nil {
		return err
	}
	if who != nil {
		for _, path := range []string{s.dir, secret} {
			if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
	}
	as := &syscall.SysProcAttr{Credential: who}
	data := filepath.Join(s.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256",
		"--pwfile", secret, "--locale=C", "-E", "UTF8", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	// Another program may take the port between the look and the start.
	for range 5 {
		if s.port, err = free(); err != nil {
			return err
		}
		if err = s.serve(ctx, filepath.Join(bin, "postgres"), data, as); err == nil {
			return nil
		}
	}
	return err
}

func free() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// script keeps a server until its standard input ends, which it does when the test
// process dies, too.
const script = `log=$1; dir=$2; shift 2
"$@" >>"$log" 2>&1 </dev/null & server=$!
(while kill -0 $server 2>/dev/null; do sleep 1; done; kill $$ 2>/dev/null) & watch=$!
trap 'exit 1' TERM
cat >/dev/null
kill -INT $server; wait $server; kill $watch 2>/dev/null
rm -rf "$dir"`

func (s *Server) serve(ctx context.Context, postgres, data string, as *syscall.SysProcAttr) error {
	s.cmd = exec.Command("/bin/sh", "-c", script, "sh", filepath.Join(s.dir, "log"), s.dir,
		postgres, "-D", data, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "autovacuum=off", "-c", "max_wal_size=256MB")
	s.cmd.SysProcAttr, s.cmd.Dir = as, s.dir
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	s.hold, s.gone = in, gone
	go func() {
		defer close(gone)
		_ = s.cmd.Wait() // that it is gone is enough
	}()
	return s.await(ctx)
}

func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-s.gone:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-tick.C:
		}
	}
}

func (s *Server) url(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.pass), Path: database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Database makes a new, empty database and returns its URL.
func (s *Server) Database(ctx context.Context) (string, error) {
	c, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return "", err
	}
	defer c.Close(ctx) //nolint:errcheck // what it was for is done
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return s.url(name), nil
}

// Close ends the server and removes its data.
func (s *Server) Close() error {
	if s.hold != nil {
		_ = s.hold.Close() // it is a pipe
		<-s.gone
	}
	return os.RemoveAll(s.dir)
}
