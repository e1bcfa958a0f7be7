package notify_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"dragoman/bridge"
	"dragoman/bridge/notify"
)

// office is a mail server, over connections in memory and so in virtual time.
type office struct {
	t      *testing.T
	server *smtp.Server
	conns  chan net.Conn
	closed chan struct{}
	done   chan struct{}

	mu     sync.Mutex
	got    []received
	broken func(to string) error // what the server says to a recipient
	down   bool                  // it cannot be reached
	dials  int
	user   string // who logged in
}

type received struct {
	from, to, data string
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, conns: make(chan net.Conn), closed: make(chan struct{}), done: make(chan struct{})}
	o.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &counter{o: o}, nil }))
	o.server.AllowInsecureAuth = true
	o.server.ErrorLog = discard{}
	go func() {
		defer close(o.done)
		if err := o.server.Serve(o); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Errorf("the mail server: %v", err)
		}
	}()
	return o
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// Accept, Close and Addr make the office a net.Listener.
func (o *office) Accept() (net.Conn, error) {
	select {
	case c := <-o.conns:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o *office) Close() error   { close(o.closed); return nil }
func (o *office) Addr() net.Addr { return &net.TCPAddr{} }

func (o *office) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	o.mu.Lock()
	o.dials++
	down := o.down
	o.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	select {
	case o.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (o *office) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func (o *office) mails() []received {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.got)
}

// counter is one conversation.
type counter struct {
	o        *office
	from, to string
}

func (c *counter) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "pass" {
			return errors.New("wrong password")
		}
		c.o.set(func() { c.o.user = user })
		return nil
	}), nil
}

func (c *counter) Mail(from string, _ *smtp.MailOptions) error { c.from = from; return nil }

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	if c.o.broken != nil {
		return c.o.broken(to)
	}
	return nil
}

func (c *counter) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	c.o.set(func() { c.o.got = append(c.o.got, received{c.from, c.to, string(data)}) })
	return err
}

func (c *counter) Reset()        {}
func (c *counter) Logout() error { return nil }

func config() notify.Config {
	c := notify.DefaultConfig()
	c.Server, c.Security, c.From, c.Hello = "mail.example.org:25", notify.Plain, `"The bridge" <bridge@example.org>`, "bridge.example.org"
	return c
}

// inBubble runs a test with an office and a mailer, in virtual time.
func inBubble(t *testing.T, change func(*notify.Config), f func(t *testing.T, o *office, m *notify.Mailer)) {
	synctest.Test(t, func(t *testing.T) {
		o, cfg := newOffice(t), config()
		if change != nil {
			change(&cfg)
		}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		m := notify.New(cfg, notify.Options{Dial: o.dial, Log: slog.New(slog.DiscardHandler)})
		f(t, o, m)
		m.Close()
		m.Close() // it is idempotent
		if err := o.server.Close(); err != nil {
			t.Error(err)
		}
		<-o.done
	})
}

func to(address string) bridge.Mail {
	return bridge.Mail{
		To: bridge.Contact{Name: "Zoë Ünal", Mail: address}, Subject: "Weekly: größer", Text: "Come at four.\n",
		Calendar: "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n", Method: "REQUEST",
		ReplyTo: bridge.Contact{Name: "Alice", Mail: "alice@example.org"},
	}
}

// TestMail reads what arrives as a mail program does.
func TestMail(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, o *office, m *notify.Mailer) {
		if errs := m.Post(t.Context(), []bridge.Mail{to("zoe@example.org")}); errs[0] != nil {
			t.Fatal(errs)
		}
		got := o.mails()
		if len(got) != 1 || got[0].from != "bridge@example.org" || got[0].to != "zoe@example.org" {
			t.Fatalf("%+v", got)
		}
		msg, err := mail.ReadMessage(strings.NewReader(got[0].data))
		if err != nil {
			t.Fatal(err)
		}
		words := new(mime.WordDecoder)
		if s, err := words.DecodeHeader(msg.Header.Get("Subject")); s != "Weekly: größer" || err != nil {
			t.Errorf("subject %q, %v", s, err)
		}
		if list, err := msg.Header.AddressList("To"); err != nil || list[0].Name != "Zoë Ünal" || list[0].Address != "zoe@example.org" {
			t.Errorf("to %v, %v", list, err)
		}
		if list, err := msg.Header.AddressList("Reply-To"); err != nil || list[0].Address != "alice@example.org" {
			t.Errorf("reply to %v, %v", list, err)
		}
		if at, err := msg.Header.Date(); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("date %v, %v", at, err)
		}
		kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/alternative" {
			t.Fatalf("%s, %v", kind, err)
		}
		var parts []string
		for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
			p, err := r.NextPart() // it undoes quoted-printable
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
			data, _ := io.ReadAll(p)
			if err != nil || strings.ToLower(params["charset"]) != "utf-8" {
				t.Errorf("%s: %v, %v", kind, params, err)
			}
			parts = append(parts, kind+params["method"]+":"+strings.ReplaceAll(string(data), "\r\n", "|"))
		}
		want := []string{"text/plain:Come at four.|", "text/calendarREQUEST:BEGIN:VCALENDAR|METHOD:REQUEST|END:VCALENDAR|"}
		if !slices.Equal(parts, want) {
			t.Errorf("parts %q, want %q", parts, want)
		}
	})
}

// TestNoHeaderOfTheirOwn: what people call themselves and their meetings stays
// where it belongs.
func TestNoHeaderOfTheirOwn(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, o *office, m *notify.Mailer) {
		mails := []bridge.Mail{to("a@example.org"), to("b@example.org\r\nBcc: x@example.org"), to("not an address"), to("")}
		mails[0].Subject = "x\r\nBcc: evil@example.org\r\n\r\nbody"
		mails[0].To.Name = "A\nBcc: evil@example.org"
		mails[0].ReplyTo.Name = "B\u2028Bcc: evil@example.org\x00"
		errs := m.Post(t.Context(), mails)
		if errs[0] != nil || bridge.CodeOf(errs[1]) != bridge.BadRequest || bridge.CodeOf(errs[2]) != bridge.BadRequest || bridge.CodeOf(errs[3]) != bridge.BadRequest {
			t.Errorf("%v", errs)
		}
		msg, err := mail.ReadMessage(strings.NewReader(o.mails()[0].data))
		if err != nil {
			t.Fatal(err)
		}
		if msg.Header.Get("Bcc") != "" || msg.Header.Get("Subject") != "x  Bcc: evil@example.org    body" {
			t.Errorf("%v", msg.Header)
		}
		if s := m.Stats(); s != (notify.Stats{Sent: 1, Refused: 3}) {
			t.Errorf("%+v", s)
		}
	})
}

// TestRetries: what the server does not take now it takes later; the caller waits
// for neither longer than it wants.
func TestRetries(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, o *office, m *notify.Mailer) {
		o.set(func() { o.down = true })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		errs := m.Post(ctx, []bridge.Mail{to("a@example.org"), to("b@example.org")})
		if errs[0] != nil || errs[1] != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %s", errs, time.Since(start))
		}
		pass(7 * time.Second) // the first retry is after 10 s
		synctest.Wait()
		if s := m.Stats(); s.Waiting != 2 || s.Retried != 2 || s.Sent != 0 {
			t.Errorf("%+v", s)
		}
		o.set(func() { o.down = false })
		pass(time.Minute)
		synctest.Wait()
		if s := m.Stats(); s != (notify.Stats{Sent: 2, Retried: 4}) {
			t.Errorf("%+v", s)
		}
		if len(o.mails()) != 2 {
			t.Errorf("%+v", o.mails())
		}
	})
}

// TestGivenUp: a refusal for good is told at once, and one for now in the end.
func TestGivenUp(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, o *office, m *notify.Mailer) {
		o.set(func() {
			o.broken = func(to string) error {
				switch to {
				case "nobody@example.org":
					return &smtp.SMTPError{Code: 550, Message: "no such mailbox"}
				case "full@example.org":
					return &smtp.SMTPError{Code: 452, Message: "the mailbox is full"}
				}
				return nil
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		errs := m.Post(ctx, []bridge.Mail{to("nobody@example.org"), to("a@example.org"), to("full@example.org")})
		if bridge.CodeOf(errs[0]) != bridge.Unavailable || errs[1] != nil || errs[2] != nil {
			t.Errorf("%v", errs)
		}
		pass(24 * time.Hour)
		synctest.Wait()
		if s := m.Stats(); s != (notify.Stats{Sent: 1, Retried: 5, GivenUp: 2}) {
			t.Errorf("%+v", s)
		}
	})
}

func pass(d time.Duration) { <-time.NewTimer(d).C }

// TestBound: no more mails wait than may.
func TestBound(t *testing.T) {
	inBubble(t, func(c *notify.Config) { c.Queue, c.Retries = 2, []time.Duration{time.Hour} }, func(t *testing.T, o *office, m *notify.Mailer) {
		o.set(func() { o.down = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs := m.Post(ctx, []bridge.Mail{to("a@example.org"), to("b@example.org"), to("c@example.org")})
		if errs[0] != nil || errs[1] != nil || bridge.CodeOf(errs[2]) != bridge.TooMany {
			t.Errorf("%v", errs)
		}
		if s := m.Stats(); s.Waiting != 2 || s.Refused != 1 {
			t.Errorf("%+v", s)
		}
		m.Close()
		if s := m.Stats(); s != (notify.Stats{Refused: 1, Forsaken: 2}) {
			t.Errorf("%+v", s)
		}
		if errs := m.Post(t.Context(), []bridge.Mail{to("d@example.org")}); bridge.CodeOf(errs[0]) != bridge.Unavailable {
			t.Errorf("after the end: %v", errs)
		}
	})
}

// TestOneConnection: many mails do not need as many connections.
func TestOneConnection(t *testing.T) {
	inBubble(t, func(c *notify.Config) { c.Senders = 1 }, func(t *testing.T, o *office, m *notify.Mailer) {
		var mails []bridge.Mail
		for range 20 {
			mails = append(mails, to("a@example.org"))
		}
		for _, err := range m.Post(t.Context(), mails) {
			if err != nil {
				t.Error(err)
			}
		}
		if n := len(o.mails()); n != 20 || o.dials > 12 {
			t.Errorf("%d mails over %d connections", n, o.dials)
		}
	})
}

// TestLogin: who we are is said where the server asks, and nobody else is told.
func TestLogin(t *testing.T) {
	inBubble(t, func(c *notify.Config) { c.User, c.Password = "bridge", "pass" }, func(t *testing.T, o *office, m *notify.Mailer) {
		// Without TLS nothing that shows the password is said.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m.Post(ctx, []bridge.Mail{to("a@example.org")})
		if o.user != "" || m.Stats().Sent != 0 {
			t.Errorf("logged in as %q", o.user)
		}
	})
}

// TestNoTLS: where the connection is to be protected, it is, or there is no mail.
func TestNoTLS(t *testing.T) {
	inBubble(t, func(c *notify.Config) { c.Security, c.Retries = notify.StartTLS, nil }, func(t *testing.T, o *office, m *notify.Mailer) {
		errs := m.Post(t.Context(), []bridge.Mail{to("a@example.org")})
		if bridge.CodeOf(errs[0]) != bridge.Unavailable || len(o.mails()) != 0 {
			t.Errorf("%v, %d mails", errs, len(o.mails()))
		}
	})
}

// TestSilentServer: a server that says nothing holds nobody up for ever.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Retries = nil
		var ends []net.Conn
		m := notify.New(cfg, notify.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			ends = append(ends, theirs)
			return ours, nil
		}})
		start := time.Now()
		errs := m.Post(t.Context(), []bridge.Mail{to("a@example.org")})
		if bridge.CodeOf(errs[0]) != bridge.Unavailable || time.Since(start) > cfg.Timeout {
			t.Errorf("%v after %s", errs, time.Since(start))
		}
		m.Close()
		for _, c := range ends {
			c.Close()
		}
	})
}

func TestValidate(t *testing.T) {
	if err := (notify.Config{}).Validate(); err != nil {
		t.Errorf("no server: %v", err)
	}
	for want, change := range map[string]func(*notify.Config){
		"server":   func(c *notify.Config) { c.Server = "mail.example.org" },
		"security": func(c *notify.Config) { c.Security = "ssl" },
		"from":     func(c *notify.Config) { c.From = "nobody" },
		"timeout":  func(c *notify.Config) { c.Queue = 0 },
		"retries":  func(c *notify.Config) { c.Retries = []time.Duration{0} },
	} {
		c := config()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
