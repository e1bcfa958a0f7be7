package notify

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"unicode"

	"github.com/wneessen/go-mail"

	"dragoman/bridge"
)

// refusal is why a mail was not sent.
type refusal struct {
	final bool
	err   error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// message makes a mail: a text and, where there is one, a calendar object, of which
// the reader's program shows what it can (RFC 6047).
func (m *Mailer) message(b bridge.Mail) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(m.cfg.From); err != nil {
		return nil, err
	}
	if err := msg.AddToFormat(oneLine(b.To.Name), b.To.Mail); err != nil {
		return nil, err
	}
	if b.ReplyTo.Mail != "" {
		if err := msg.ReplyToFormat(oneLine(b.ReplyTo.Name), b.ReplyTo.Mail); err != nil {
			return nil, err
		}
	}
	msg.Subject(oneLine(b.Subject))
	msg.SetDate()
	msg.SetMessageID()
	msg.SetBodyString(mail.TypeTextPlain, b.Text)
	if b.Calendar != "" {
		msg.AddAlternativeString(mail.ContentType("text/calendar; method="+b.Method), b.Calendar)
	}
	return msg, nil
}

// oneLine makes a text that cannot become a header of its own.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.TrimSpace(s)
}

// converse hands letters over on one connection. It returns an error for each.
func (m *Mailer) converse(letters []*letter) []error {
	errs := make([]error, len(letters))
	msgs := make([]*mail.Msg, len(letters))
	for i, l := range letters {
		msg, err := m.message(l.Mail)
		if err != nil {
			return all(errs, err) // it could be made when it was queued
		}
		msgs[i] = msg
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.Timeout)
	defer cancel()
	c, err := m.client()
	if err != nil {
		return all(errs, err)
	}
	conn, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return all(errs, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // what is going on then ends
	_ = c.SendWithSMTPClient(conn, msgs...)                     // each knows how it went
	_ = c.CloseWithSMTPClient(conn)
	for i, msg := range msgs {
		switch e, ok := errors.AsType[*mail.SendError](msg.SendError()); {
		case ok:
			errs[i] = &refusal{!e.IsTemp() && e.ErrorCode() >= 500, e}
		case !msg.IsDelivered():
			errs[i] = errors.New("the connection ended before")
		}
	}
	return errs
}

func all(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func (m *Mailer) client() (*mail.Client, error) {
	host, port, err := net.SplitHostPort(m.cfg.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	o := []mail.Option{mail.WithPort(number), mail.WithTimeout(m.cfg.Timeout), mail.WithoutNoop()}
	if m.o.Dial != nil {
		o = append(o, mail.WithDialContextFunc(m.o.Dial))
	}
	switch m.cfg.Security {
	case TLS:
		o = append(o, mail.WithSSL())
	case Plain:
		o = append(o, mail.WithTLSPolicy(mail.NoTLS))
	default:
		o = append(o, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.cfg.Hello != "" {
		o = append(o, mail.WithHELO(m.cfg.Hello))
	}
	if m.cfg.User != "" {
		o = append(o, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.cfg.User), mail.WithPassword(string(m.cfg.Password)))
	}
	return mail.NewClient(host, o...)
}
