// Package notify tells people outside what happens: it sends mail. It implements
// bridge.Mailer on SMTP (RFC 5321) with a queue that has a bound, and tries again
// what a server does not take at once.
//
// A Mailer owns a dispatcher and a few senders; Close ends them. What waits then is
// lost and counted: mail is not kept on a disk.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strconv"
	"time"

	"dragoman/bridge"
)

// How the connection to the mail server is protected.
const (
	StartTLS = "starttls" // the connection is upgraded, or not used
	TLS      = "tls"      // from the beginning (RFC 8314)
	Plain    = "plain"    // not at all: for a server on this machine
)

// Config says where mail goes.
type Config struct {
	// Host and port of the mail server. Empty: there is none, and no mail.
	Server string
	// How the connection is protected. starttls: the connection is upgraded, or not used; tls: from the beginning; plain: not at all, for a server on this machine. One of: starttls, tls, plain.
	Security string
	// Who we are to the mail server. Empty: it does not ask.
	User string
	// The password of user.
	Password bridge.Secret
	// The address that mails come from, with or without a name.
	From string
	// The name that we greet the server with. Empty: the name of this machine.
	Hello string
	// How long one conversation with the server may take.
	Timeout time.Duration
	// Mails that may wait. Further ones are refused.
	Queue int
	// Connections to the server at the same time.
	Senders int
	// When a mail that the server did not take is tried again; after that it is given up.
	Retries []time.Duration
}

// DefaultConfig is what holds where nothing is said.
func DefaultConfig() Config {
	return Config{
		Security: StartTLS, Timeout: 30 * time.Second, Queue: 5000, Senders: 2,
		Retries: []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour},
	}
}

// Validate says which setting is wrong.
func (c Config) Validate() error {
	if c.Server == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Server)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
		return fmt.Errorf("server: %q is not host:port", c.Server)
	}
	switch c.Security {
	case StartTLS, TLS, Plain:
	default:
		return fmt.Errorf("security: %q is neither starttls nor tls nor plain", c.Security)
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return errors.New("from: not an address")
	}
	if c.Timeout <= 0 || c.Queue <= 0 || c.Senders <= 0 {
		return errors.New("timeout, queue and senders: must be positive")
	}
	for _, d := range c.Retries {
		if d <= 0 {
			return errors.New("retries: must be positive")
		}
	}
	return nil
}

// Options is what a Mailer needs besides.
type Options struct {
	Log *slog.Logger // nil: none
	// Dial connects to the server, where TLS does not begin at once; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Stats is what a Mailer has done. All fields but Waiting only rise.
type Stats struct {
	Waiting  int64 // mails: queued, being sent, or to be tried again
	Sent     int64
	Retried  int64 // attempts after the first
	GivenUp  int64 // the server refused them, or did not take them in time
	Refused  int64 // not queued: too many waited, or no address
	Forsaken int64 // waited when the Mailer was closed
}
