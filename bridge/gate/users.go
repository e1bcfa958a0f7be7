package gate

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"dragoman/bridge"
)

// Bounds of a file of users.
const (
	maxUserFile = 16 << 20 // bytes
	maxUserName = bridge.MaxName
)

// Users lets in those who are in a file with a hash of their password. A line is
// "name:hash", with an argon2id or a bcrypt hash as Check takes it; plain text is
// refused. Blank lines and those that begin with "#" say nothing. The file is read
// again when it has changed; one that cannot be used then leaves everything as it
// was, and is logged.
type Users struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	hash  map[string]bridge.Secret
	stamp stamp
}

// stamp tells whether a file has changed.
type stamp struct {
	at   time.Time
	size int64
}

// NewUsers reads the file. The error names the line that is wrong, and no secret.
func NewUsers(path string, log *slog.Logger) (*Users, error) {
	u := &Users{path: path, log: log}
	s, err := u.stat()
	if err != nil {
		return nil, err
	}
	u.stamp = s
	u.hash, err = readUsers(path)
	return u, err
}

func (u *Users) stat() (stamp, error) {
	i, err := os.Stat(u.path)
	if err != nil {
		return stamp{}, fmt.Errorf("the file of users: %w", err)
	}
	if i.Size() > maxUserFile {
		return stamp{}, fmt.Errorf("the file of users: more than %d bytes", maxUserFile)
	}
	return stamp{i.ModTime(), i.Size()}, nil
}

func readUsers(path string) (map[string]bridge.Secret, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the file of users: %w", err)
	}
	all := map[string]bridge.Secret{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, err := parseUser(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("%s:%d: %q is there twice", path, n, name)
		}
		all[name] = hash
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the file of users: %w", err)
	}
	return all, nil
}

// parseUser reads one line. Names may have colons, hashes have none.
func parseUser(line string) (name string, hash bridge.Secret, err error) {
	at := strings.LastIndexByte(line, ':')
	if at <= 0 || at > maxUserName {
		return "", "", bridge.Errorf(bridge.BadRequest, "a line is name:hash, and a name has at most %d bytes", maxUserName)
	}
	name, hash = line[:at], bridge.Secret(strings.TrimSpace(line[at+1:]))
	if s := string(hash); !strings.HasPrefix(s, argonPrefix) && !isBcrypt(s) {
		return "", "", bridge.Errorf(bridge.BadRequest, "the password is neither an argon2id nor a bcrypt hash")
	}
	return name, hash, Valid(hash)
}

// Admit implements bridge.Gate.
func (u *Users) Admit(_ context.Context, c bridge.Credentials) (bridge.Grant, error) {
	hash, known := u.find(c.User)
	if !known {
		hash = nobody // takes as long, so that names cannot be guessed
	}
	if !Check(hash, c.Secret) || !known {
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "the user or the password is wrong")
	}
	return bridge.Grant{User: bridge.UserID("file:" + c.User), Name: c.User}, nil
}

// nobody is the hash of a random text that was not kept.
const nobody bridge.Secret = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$5E8Uik1uCFdJmjIJFJwwVfeXPy3o4B7AJOTFJxC1qLY"

// Failed implements bridge.Gate. Brakes are elsewhere.
func (*Users) Failed(bridge.Credentials) {}

// find returns the hash of a user, from the file as it is now.
func (u *Users) find(name string) (bridge.Secret, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now, err := u.stat(); err != nil || now != u.stamp {
		u.stamp = now
		if err == nil {
			var all map[string]bridge.Secret
			if all, err = readUsers(u.path); err == nil {
				u.hash = all
			}
		}
		if err != nil {
			u.log.Warn("the users are as they were", "err", err)
		}
	}
	hash, ok := u.hash[name]
	return hash, ok
}
