// Package smtptest starts a real mail server for tests: one that takes every mail, and
// hands it over.
package smtptest

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/emersion/go-smtp"
)

// Mail is a mail as it came: to the last of its receivers, with its header.
type Mail struct{ To, Data string }

// mailsMost is how many mails wait to be taken; then the server waits.
const mailsMost = 10

// Start starts a server on a free port of loopback, which ends with the test.
func Start(t testing.TB) (addr string, got <-chan Mail) {
	t.Helper()
	o := office{make(chan Mail, mailsMost)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-done); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String(), o.got
}

type office struct{ got chan Mail }

func (o office) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{office: o}, nil }

// session is one connection.
type session struct {
	office
	to string
}

func (*session) Mail(string, *smtp.MailOptions) error        { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }
func (*session) Reset()                                      {}
func (*session) Logout() error                               { return nil }

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.got <- Mail{s.to, string(data)}
	return err
}
