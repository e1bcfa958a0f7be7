package serve

import (
	"context"
	"sync"

	"dragoman/bridge"
	"dragoman/bridge/notify"
)

// lateMailer is the mailer that there will be once the server starts: dialects are
// mounted before anything runs.
type lateMailer struct {
	mu     sync.Mutex
	mailer *notify.Mailer
}

var _ bridge.Mailer = (*lateMailer)(nil)

// openMailer starts the mailer, if a mail server is configured.
func (s *Server) openMailer() {
	if s.mailer == nil {
		return
	}
	s.mailer.mu.Lock()
	defer s.mailer.mu.Unlock()
	s.mailer.mailer = notify.New(s.cfg.Mail, notify.Options{Log: s.log})
}

func (l *lateMailer) now() *notify.Mailer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mailer
}

// Post implements bridge.Mailer.
func (l *lateMailer) Post(ctx context.Context, mails []bridge.Mail) []error {
	if m := l.now(); m != nil {
		return m.Post(ctx, mails)
	}
	errs := make([]error, len(mails))
	for i := range errs {
		errs[i] = bridge.Errorf(bridge.Unavailable, "the server starts")
	}
	return errs
}

// Close ends the mailer. What waits then is lost, and counted.
func (l *lateMailer) Close() error {
	if m := l.now(); m != nil {
		m.Close()
	}
	return nil
}

// mailStats returns what the mailer has counted, if there is one.
func (s *Server) mailStats() (notify.Stats, bool) {
	if s.mailer == nil {
		return notify.Stats{}, false
	}
	m := s.mailer.now()
	if m == nil {
		return notify.Stats{}, false
	}
	return m.Stats(), true
}
