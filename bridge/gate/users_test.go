package gate_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dragoman/bridge"
	"dragoman/bridge/gate"
)

func userFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func bcrypted(t *testing.T, secret string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func TestUsers(t *testing.T) {
	var log bytes.Buffer
	path := userFile(t, "# who may come in", "", "ann@x.org:"+string(gate.Hash("s3cret")), "  sip:bob@y.org:"+bcrypted(t, "b")+"  ")
	u, err := gate.NewUsers(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	admit := func(user string, secret bridge.Secret) error {
		g, err := u.Admit(context.Background(), bridge.Credentials{User: user, Secret: secret})
		if err == nil && (g.Name != user || g.User != bridge.UserID("file:"+user)) {
			t.Errorf("%s is %+v", user, g)
		}
		return err
	}
	for _, c := range []struct {
		user   string
		secret bridge.Secret
		want   bridge.Code
	}{
		{"ann@x.org", "s3cret", 0},
		{"ann@x.org", "s3cret ", bridge.Unauthenticated},
		{"ann@x.org", "", bridge.Unauthenticated},
		{"sip:bob@y.org", "b", 0},
		{"bob@y.org", "b", bridge.Unauthenticated},
		{"", "", bridge.Unauthenticated},
		{"eve", "s3cret", bridge.Unauthenticated},
	} {
		if err := admit(c.user, c.secret); bridge.CodeOf(err) != c.want {
			t.Errorf("%q with %q: %v, want %v", c.user, string(c.secret), err, c.want)
		}
	}
	change := func(text string, age time.Duration) {
		t.Helper()
		at := time.Now().Add(age)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	change("eve:"+bcrypted(t, "e"), time.Hour)
	if admit("eve", "e") != nil || admit("ann@x.org", "s3cret") == nil {
		t.Error("a changed file is not read again")
	}
	change("eve:s3cret", 2*time.Hour)
	if admit("eve", "e") != nil || !strings.Contains(log.String(), "as they were") {
		t.Errorf("a broken file is used, or not logged: %s", log.String())
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("a secret is logged: %s", log.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if admit("eve", "e") != nil {
		t.Error("without the file nobody comes in any more")
	}
	u.Failed(bridge.Credentials{})
}

func TestUserFilesThatAreWrong(t *testing.T) {
	hash := bcrypted(t, "x")
	for name, lines := range map[string][]string{
		"plain text":    {"ann:secret"},
		"no colon":      {"ann"},
		"no name":       {":" + hash},
		"a long name":   {strings.Repeat("n", 300) + ":" + hash},
		"twice":         {"ann:" + hash, "ann:" + hash},
		"broken bcrypt": {"ann:$2a$10$short"},
		"costly argon":  {"ann:$argon2id$v=19$m=99999999,t=3,p=4$AAECAwQFBgc$AAECAwQFBgcICQoLDA0ODw"},
	} {
		_, err := gate.NewUsers(userFile(t, lines...), slog.New(slog.DiscardHandler))
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "users:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := gate.NewUsers(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that is not there is read")
	}
}
