package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dragoman/bridge"
)

// Mailer sends mail. Its methods may be called from any goroutine.
type Mailer struct {
	cfg Config
	o   Options
	log *slog.Logger

	in    chan *letter   // new ones
	work  chan []*letter // for the senders
	back  chan *letter   // what could not be sent yet
	slots chan struct{}  // one token for each letter that waits: the bound of everything
	ctx   context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup
	close sync.Once

	sent, retried, givenUp, refused, forsaken atomic.Int64
}

var _ bridge.Mailer = (*Mailer)(nil)

// letter is a mail on its way.
type letter struct {
	bridge.Mail
	tries int
	due   time.Time
	done  chan error // capacity 1: how it went, if somebody still listens
}

// New makes a Mailer, which Close ends. The configuration has to be valid and to
// name a server.
func New(cfg Config, o Options) *Mailer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mailer{
		cfg: cfg, o: o, log: o.Log,
		in: make(chan *letter), work: make(chan []*letter), back: make(chan *letter),
		slots: make(chan struct{}, cfg.Queue),
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.tasks.Go(m.dispatch)
	for range cfg.Senders {
		m.tasks.Go(m.sender)
	}
	return m
}

// Close ends all sending and waits until nothing of the Mailer runs any more.
func (m *Mailer) Close() {
	m.close.Do(m.stop)
	m.tasks.Wait()
}

// Stats returns what was counted.
func (m *Mailer) Stats() Stats {
	return Stats{
		Waiting: int64(len(m.slots)), Sent: m.sent.Load(), Retried: m.retried.Load(),
		GivenUp: m.givenUp.Load(), Refused: m.refused.Load(), Forsaken: m.forsaken.Load(),
	}
}

// Post implements bridge.Mailer.
func (m *Mailer) Post(ctx context.Context, mails []bridge.Mail) []error {
	errs := make([]error, len(mails))
	letters := make([]*letter, len(mails))
	for i, mail := range mails {
		letters[i], errs[i] = m.queue(mail)
	}
	for i, l := range letters {
		if l == nil {
			continue
		}
		select {
		case errs[i] = <-l.done:
		case <-ctx.Done():
			select {
			case errs[i] = <-l.done: // known by now
			default:
			}
		}
	}
	return errs
}

func (m *Mailer) queue(mail bridge.Mail) (*letter, error) {
	if _, err := m.message(mail); err != nil {
		m.refused.Add(1)
		return nil, &bridge.Error{Code: bridge.BadRequest, Msg: "the mail address cannot be used", Err: err}
	}
	select {
	case m.slots <- struct{}{}:
	default:
		m.refused.Add(1)
		return nil, bridge.Errorf(bridge.TooMany, "too much mail waits already")
	}
	l := &letter{Mail: mail, done: make(chan error, 1)}
	select {
	case m.in <- l:
		return l, nil
	case <-m.ctx.Done():
		<-m.slots
		return nil, bridge.Errorf(bridge.Unavailable, "the server is shutting down")
	}
}

// dispatch hands letters to the senders, oldest first, and keeps those that have to
// wait.
func (m *Mailer) dispatch() {
	var ready, later []*letter // later is sorted by due
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var work chan []*letter
		first := slices.Clone(ready[:min(batch, len(ready))])
		if len(first) > 0 {
			work = m.work
		}
		if len(later) > 0 {
			timer.Reset(time.Until(later[0].due))
		}
		select {
		case l := <-m.in:
			ready = append(ready, l)
		case work <- first:
			ready = slices.Delete(ready, 0, len(first))
		case l := <-m.back:
			i, _ := slices.BinarySearchFunc(later, l, func(a, b *letter) int { return cmp.Or(a.due.Compare(b.due), -1) })
			later = slices.Insert(later, i, l)
		case <-timer.C:
			for len(later) > 0 && !later[0].due.After(time.Now()) {
				ready = append(ready, later[0])
				later = slices.Delete(later, 0, 1)
			}
		case <-m.ctx.Done():
			for _, l := range slices.Concat(ready, later) {
				m.forsake(l)
			}
			return
		}
	}
}

func (m *Mailer) forsake(l *letter) {
	m.forsaken.Add(1)
	m.settle(l, bridge.Errorf(bridge.Unavailable, "the server is shutting down"))
}

// settle ends a letter.
func (m *Mailer) settle(l *letter, err error) {
	l.done <- err
	<-m.slots
}

// batch is how many letters one connection carries.
const batch = 50

// sender sends what the dispatcher gives it.
func (m *Mailer) sender() {
	for {
		select {
		case letters := <-m.work:
			m.send(letters)
		case <-m.ctx.Done():
			return
		}
	}
}

// send sends letters over one connection, and says what becomes of each.
func (m *Mailer) send(letters []*letter) {
	for i, err := range m.converse(letters) {
		l := letters[i]
		if l.tries++; l.tries > 1 {
			m.retried.Add(1)
		}
		switch {
		case err == nil:
			m.sent.Add(1)
			m.settle(l, nil)
		case m.ctx.Err() != nil:
			m.forsake(l)
		case isFinal(err) || l.tries > len(m.cfg.Retries):
			m.givenUp.Add(1)
			m.log.Warn("a mail was given up", "tries", l.tries, "err", err)
			m.settle(l, &bridge.Error{Code: bridge.Unavailable, Msg: "the mail server does not take it", Err: err})
		default:
			l.due = time.Now().Add(m.cfg.Retries[l.tries-1])
			m.log.Info("a mail is tried again", "tries", l.tries, "due", l.due, "err", err)
			select {
			case m.back <- l:
			case <-m.ctx.Done():
				m.forsake(l)
			}
		}
	}
}

// isFinal reports whether the server has said that it will never take a mail.
func isFinal(err error) bool {
	e, ok := errors.AsType[*refusal](err)
	return ok && e.final
}
