package serve

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dragoman/config"
	"dragoman/dialects"
)

const keySize = 32

// identity returns the key from which ids and tokens are sealed. It is kept in
// the data directory, so that what clients hold is still good after a restart;
// without one it is new each time. Nodes of a cluster make it of the key that they
// share, so that it is good on all of them.
func (s *Server) identity() ([]byte, error) {
	if s.cfg.Cluster.Enabled() {
		return hkdf.Key(sha256.New, []byte(s.cfg.Store.Key), nil, "dragoman identity", keySize)
	}
	key := make([]byte, keySize)
	rand.Read(key)
	if s.cfg.DataDir == "" {
		return key, nil
	}
	if err := os.MkdirAll(s.cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	name := filepath.Join(s.cfg.DataDir, "identity.key")
	// Written once and never again: O_EXCL leaves the one who comes second with
	// the key of the first.
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return readKey(name)
	case err != nil:
		return nil, fmt.Errorf("identity key: %w", err)
	}
	_, err = f.Write(key)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	return key, nil
}

// IDs returns what a node of this configuration seals ids and makes tokens with. It has
// a data directory, or is one of a cluster.
func IDs(cfg config.Config) (dialects.IDs, error) {
	key, err := (&Server{cfg: cfg}).identity()
	return dialects.NewIDs(key), err
}

func readKey(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("identity key: %s has %d bytes instead of %d: remove it, and all clients get new ids", name, len(key), keySize)
	}
	return key, nil
}
