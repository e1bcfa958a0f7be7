package gate

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"dragoman/bridge"
)

// limit lets only so many functions run at a time.
type limit chan struct{}

func (l limit) run(f func()) {
	l <- struct{}{}
	defer func() { <-l }()
	f()
}

// cpus is for hashes: more at a time than there are CPUs would only take memory and
// slow down everything else. It is the process's, as the CPUs are.
var cpus = make(limit, runtime.NumCPU())

// Bounds of what a stored hash may cost. A room's password is set by people, and
// may look like a hash.
const (
	maxMemory = 256 << 10 // KiB
	maxTime   = 10
	maxLanes  = 16
	maxCost   = 14 // of bcrypt
)

// Check compares a stored secret with one that was given. The stored one is plain
// text, a bcrypt hash ("$2a$…", "$2b$…", "$2y$…"), or an argon2id hash in PHC form
// ("$argon2id$v=19$m=…,t=…,p=…$salt$hash", RFC 9106). Plain text is compared in
// constant time. A hash that is malformed or costs too much matches nothing; see
// Valid.
func Check(stored, given bridge.Secret) (same bool) {
	switch s := string(stored); {
	case strings.HasPrefix(s, argonPrefix):
		a, err := parseArgon(s)
		if err != nil {
			return false
		}
		cpus.run(func() { same = subtle.ConstantTimeCompare(a.sum, a.hash(given)) == 1 })
	case isBcrypt(s):
		if checkBcrypt(s) != nil {
			return false
		}
		cpus.run(func() { same = bcrypt.CompareHashAndPassword([]byte(s), []byte(given)) == nil })
	default:
		a, b := sha256.Sum256([]byte(stored)), sha256.Sum256([]byte(given))
		same = subtle.ConstantTimeCompare(a[:], b[:]) == 1
	}
	return same
}

// Valid tells what is wrong with a stored secret that looks like a hash, for those
// who check a configuration. It does not tell the secret.
func Valid(stored bridge.Secret) error {
	switch s := string(stored); {
	case strings.HasPrefix(s, argonPrefix):
		_, err := parseArgon(s)
		return err
	case isBcrypt(s):
		return checkBcrypt(s)
	}
	return nil
}

// Hash makes a secret fit to be stored: argon2id with the parameters that OWASP
// recommends for servers (19 MiB, 2 passes, 1 lane).
func Hash(secret bridge.Secret) bridge.Secret {
	a := argon{memory: 19 << 10, time: 2, lanes: 1, salt: make([]byte, 16), sum: make([]byte, 32)}
	rand.Read(a.salt) // never fails since Go 1.24
	cpus.run(func() { a.sum = a.hash(secret) })
	return bridge.Secret(fmt.Sprintf("%sv=%d$%s$%s$%s", argonPrefix, argon2.Version,
		a.parameters(), phc().EncodeToString(a.salt), phc().EncodeToString(a.sum)))
}

const argonPrefix = "$argon2id$"

// argon is an argon2id hash and how it was made.
type argon struct {
	memory, time uint32 // KiB, passes
	lanes        uint8
	salt, sum    []byte
}

func (a argon) hash(given bridge.Secret) []byte {
	return argon2.IDKey([]byte(given), a.salt, a.time, a.memory, a.lanes, uint32(len(a.sum)))
}

// affordable reports whether the hash may be computed for everybody who asks.
func (a argon) affordable() bool {
	return a.memory >= 8 && a.memory <= maxMemory && a.time >= 1 && a.time <= maxTime && a.lanes >= 1 && a.lanes <= maxLanes
}

func (a argon) parameters() string { return fmt.Sprintf("m=%d,t=%d,p=%d", a.memory, a.time, a.lanes) }

// phc is the base64 of PHC strings: no padding.
func phc() *base64.Encoding { return base64.RawStdEncoding.Strict() }

// parseArgon reads what follows the prefix.
func parseArgon(s string) (a argon, err error) {
	parts := strings.Split(strings.TrimPrefix(s, argonPrefix), "$")
	if len(parts) != 4 {
		return a, bridge.Errorf(bridge.BadRequest, "an argon2id hash has a version, parameters, a salt and a sum")
	}
	if parts[0] != fmt.Sprintf("v=%d", argon2.Version) {
		return a, bridge.Errorf(bridge.BadRequest, "the argon2id hash is not of version %d", argon2.Version)
	}
	if _, err := fmt.Sscanf(parts[1], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.lanes); err != nil || parts[1] != a.parameters() {
		return a, bridge.Errorf(bridge.BadRequest, "the parameters of the argon2id hash are not m=…,t=…,p=…")
	}
	if !a.affordable() {
		return a, bridge.Errorf(bridge.BadRequest, "the argon2id hash does not cost from m=8,t=1,p=1 to m=%d,t=%d,p=%d", maxMemory, maxTime, maxLanes)
	}
	if a.salt, err = phc().DecodeString(parts[2]); err != nil || len(a.salt) < 8 {
		return a, bridge.Errorf(bridge.BadRequest, "the salt of the argon2id hash is not proper base64")
	}
	if a.sum, err = phc().DecodeString(parts[3]); err != nil || len(a.sum) < 16 || len(a.sum) > 64 {
		return a, bridge.Errorf(bridge.BadRequest, "the sum of the argon2id hash is not proper base64")
	}
	return a, nil
}

func isBcrypt(s string) bool {
	return strings.HasPrefix(s, "$2a$") || strings.HasPrefix(s, "$2b$") || strings.HasPrefix(s, "$2y$")
}

func checkBcrypt(s string) error {
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil {
		return bridge.Errorf(bridge.BadRequest, "the bcrypt hash is malformed")
	}
	if cost > maxCost {
		return bridge.Errorf(bridge.BadRequest, "the bcrypt hash costs too much: at most %d", maxCost)
	}
	return nil
}
