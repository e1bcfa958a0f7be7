package asn_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dragoman/bridge"
	opengate "dragoman/bridge/gate"
	"dragoman/dialects/asn"
)

// counting is a gate that believes everybody, and counts who has failed.
type counting struct {
	opengate.Open
	failures int
}

func (c *counting) Failed(bridge.Credentials) { c.failures++ }

// shut closes a world that is in no bubble.
func shut(t *testing.T, w *world) {
	t.Helper()
	if err := errors.Join(w.Local.Close(), w.rooms.Close(context.Background()), w.db.Close()); err != nil {
		t.Error(err)
	}
}

// TestPasswords: outside of development mode, only those log in of whom the section
// says how. Otherwise anybody could call himself the organizer of a meeting.
func TestPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("alice:"+string(opengate.Hash("of the file"))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dev      bool
		set      func(*asn.Config)
		password string
		status   int
		failures int
	}{
		"development":             {true, nil, "pass", http.StatusOK, 0},
		"nothing is said":         {false, nil, "pass", http.StatusUnauthorized, 0},
		"a file":                  {false, func(c *asn.Config) { c.UserFile = file }, "of the file", http.StatusOK, 0},
		"a file, but not of that": {false, func(c *asn.Config) { c.UserFile = file }, "pass", http.StatusUnauthorized, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			front := &counting{}
			w.env.Gate = front
			w.env.Dev = c.dev
			w.env.Config = func(v any) error {
				if c.set != nil {
					c.set(v.(*asn.Config))
				}
				return nil
			}
			w.open()
			defer shut(t, w)
			r := bytes.NewBufferString(`{"_type":"AsnRequestAuthTokenArgument"}`)
			status, _, body := w.post("/rest/asnRequestAuthToken", http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+c.password))}}, r.Bytes())
			if status != c.status || front.failures != c.failures {
				t.Errorf("%d with %d failures, want %d with %d: %s", status, front.failures, c.status, c.failures, body)
			}
		})
	}
}

// TestAdvice: the operator is told by key what is good for a trial only.
func TestAdvice(t *testing.T) {
	const all = "user_file domain limits.frame"
	for _, c := range []struct {
		dev  bool
		want string
	}{{true, ""}, {false, all}} {
		var out bytes.Buffer
		w := newWorld(t)
		w.env.Dev, w.env.Login, w.env.Limits.Read = c.dev, opengate.Nobody{}, 1<<20
		w.env.Log = slog.New(slog.NewTextHandler(&out, nil))
		w.open()
		if n := strings.Count(out.String(), "level=WARN"); n != len(strings.Fields(c.want)) {
			t.Errorf("%d warnings: %s", n, &out)
		}
		for _, key := range strings.Fields(c.want) {
			if !strings.Contains(out.String(), "key="+key) {
				t.Errorf("nothing about %s: %s", key, &out)
			}
		}
		shut(t, w)
	}
	c := asn.DefaultConfig()
	c.Domain, c.UserFile = "example.org", "users"
	if got := c.Advice(false, 0); len(got) > 0 {
		t.Errorf("with everything set: %v", got)
	}
	for _, bad := range []func(*asn.Config){
		func(c *asn.Config) { c.UserFile, c.Callback = "x", "http://x/" },
		func(c *asn.Config) { c.Callback = "x" },
		func(c *asn.Config) { c.Callback, c.CallbackTimeout = "http://x/", 0 },
	} {
		c := asn.DefaultConfig()
		if bad(&c); c.Validate() == nil {
			t.Errorf("%+v is right", c)
		}
	}
}
