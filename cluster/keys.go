package cluster

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"

	"dragoman/bridge"
)

// Key encrypts gossip: 16, 24 or 32 bytes of AES. It does not print or log.
type Key []byte

// String hides the key.
func (Key) String() string { return "redacted" }

// GoString hides the key from %#v.
func (Key) GoString() string { return "redacted" }

// LogValue hides the key from slog.
func (Key) LogValue() slog.Value { return slog.StringValue("redacted") }

// MarshalText hides the key from encoders.
func (Key) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

// maxKeys is how many keys are accepted at once: more are a mistake.
const maxKeys = 8

// ReadKeys reads a key file.
func ReadKeys(path string) ([]Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseKeys(text)
}

// ParseKeys reads the text of a key file: one key per line in base64 (standard
// alphabet), empty lines and lines that begin with # aside. The first key encrypts;
// all are accepted. To rotate: add the new key as second on all nodes, then make it
// first on all, then remove the old one from all.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil {
			return nil, bridge.Errorf(bridge.BadRequest, "line %d of the key file is not base64", n)
		}
		if len(key) != 16 && len(key) != 24 && len(key) != 32 {
			return nil, bridge.Errorf(bridge.BadRequest, "the key in line %d has %d bytes; it must be 16, 24 or 32", n, len(key))
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, bridge.Errorf(bridge.BadRequest, "the key file has no key")
	case len(keys) > maxKeys:
		return nil, bridge.Errorf(bridge.BadRequest, "the key file has more than %d keys", maxKeys)
	}
	return keys, nil
}
