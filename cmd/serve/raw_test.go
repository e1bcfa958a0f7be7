package serve

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"dragoman/config"
)

// rawListen gives asn a listener for plain TCP.
func rawListen(c *config.Config, address string) {
	for i, d := range c.Dialects {
		if d.Name == "asn" {
			c.Dialects[i].Settings = map[string]any{"raw_listen": address}
		}
	}
}

// TestRawTCP: a dialect that wants it has a listener for plain TCP, within the limits
// of all, and everything ends with the server.
func TestRawTCP(t *testing.T) {
	c := free()
	c.Limits.Connections = 1
	rawListen(&c, "127.0.0.1:0")
	s := start(t, c)
	at := s.Ports().Raw["asn"]
	dial := func() net.Conn {
		n, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		n.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(n, "J0000002{}"); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := dial()
	head := make([]byte, 1)
	if _, err := io.ReadFull(first, head); err != nil || head[0] != 'J' {
		t.Fatalf("%q, %v", head, err)
	}
	second := dial()
	defer second.Close()
	second.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := second.Read(head); err == nil {
		t.Error("a second one is served above the limit")
	}
	second.SetReadDeadline(time.Now().Add(10 * time.Second))
	first.Close()
	if _, err := io.ReadFull(second, head); err != nil {
		t.Errorf("the second one is not served when there is room: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, bufio.NewReader(second)); err != nil {
		t.Errorf("the connection goes on after the server: %v", err)
	}
	if s.Ports().Raw != nil {
		t.Error("a listener is left")
	}
}

// TestRawIsChecked: the listener is held to loopback in development mode, and one that
// is taken is named by its key.
func TestRawIsChecked(t *testing.T) {
	c := free()
	rawListen(&c, "0.0.0.0:0")
	if err := Check(c); err == nil || !strings.Contains(err.Error(), "dialects.asn.raw_listen") || !strings.Contains(err.Error(), "not loopback") {
		t.Errorf("%v", err)
	}
	c.Insecure = true
	if err := Check(c); err != nil {
		t.Error(err)
	}
	if got, err := RawListeners(c); err != nil || got["dialects.asn.raw_listen"] != "0.0.0.0:0" || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	rawListen(&c, taken.Addr().String())
	s, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "--dialects-asn-raw-listen") {
		t.Errorf("%v", err)
	}
}
