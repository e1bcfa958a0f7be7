package serve

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"dragoman/config"
)

// certificate is a key pair in files, which is read again when they change.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // of the files that pair was read from
	asked   time.Time    // when the files were last looked at
}

// look is how often the files are looked at, at most.
const look = 5 * time.Second

// newCertificate reads the pair, or returns nil where TLS is off.
func newCertificate(c config.TLS, log *slog.Logger) (*certificate, error) {
	if c.Mode == "off" {
		return nil, nil
	}
	cert := &certificate{certFile: c.CertFile, keyFile: c.KeyFile, log: log}
	if err := cert.read(); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	cert.asked = time.Now()
	return cert, nil
}

func (c *certificate) read() error {
	changed, err := c.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair, c.changed = &pair, changed
	return nil
}

func (c *certificate) times() (at [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return at, err
		}
		at[i] = info.ModTime()
	}
	return at, nil
}

// get is what a handshake asks. A pair that cannot be read while it is being
// replaced leaves the old one in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.asked) >= look {
		c.asked = now
		if at, err := c.times(); err != nil || at != c.changed {
			if err == nil {
				err = c.read()
			}
			if err != nil {
				c.log.Warn("the certificate cannot be read again, the old one stays", "err", err)
			} else {
				c.log.Info("certificate read again", "until", c.pair.Leaf.NotAfter)
			}
		}
	}
	return c.pair, nil
}

func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}
