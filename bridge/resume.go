package bridge

import (
	"context"
	"time"
)

// absence is the time that a client is away from its seat.
type absence struct {
	token ResumeToken
	stop  chan struct{} // closed when the client comes back
	done  chan struct{} // closed when the caretaker has gone
}

// detach hands a session's seat to a caretaker.
func (h *hold) detach(ctx context.Context, s *Session, grace time.Duration) ResumeToken {
	if !h.heldBy(s) {
		return ""
	}
	away := &absence{token: newResumeToken(), stop: make(chan struct{}), done: make(chan struct{})}
	h.mu.Lock()
	h.holder, h.memo, h.away = nil, s.Memo, away
	h.mu.Unlock()
	if grace <= 0 || h.link.Away(ctx, true, grace) != nil {
		_ = h.leave(ctx, ByLoss)
		return ""
	}
	wake := make(chan struct{}, 1)
	h.out.rewake(wake)
	if !h.local.care(h, away, wake) {
		_ = h.leave(ctx, ByLoss)
		return ""
	}
	return away.token
}

// watch is the caretaker: it enforces for a client that is away. It ends with the
// seat, or when the client comes back.
func (h *hold) watch(ctx context.Context, away *absence, wake <-chan struct{}) {
	defer close(away.done)
	for {
		select {
		case <-wake:
			if _, err := h.drain(ctx, worthKeeping); err != nil {
				return
			}
		case <-away.stop:
			return
		case <-ctx.Done():
			h.finish()
			return
		}
	}
}

// worthKeeping reports whether an event is kept for a client that is away: how its
// peers are is in no snapshot. What came over their data channels nobody will
// answer.
func worthKeeping(e Event) bool {
	_, ok := peerOf(e)
	_, message := e.(PeerMessage)
	return ok && !message
}

// resume gives the seat to a new session.
func (h *hold) resume(ctx context.Context, away *absence) (*Session, error) {
	close(away.stop)
	<-away.done
	retaker, ok := h.link.(Retaker)
	if !ok {
		_ = h.leave(ctx, ByLoss)
		return nil, errNoSeat()
	}
	at, err := retaker.Retake(ctx, h.out)
	for _, e := range h.out.outdated() {
		h.enforce(e)
	}
	if err != nil {
		_ = h.leave(ctx, ByLoss)
		if CodeOf(err) == Closed || CodeOf(err) == Lagged {
			return nil, errNoSeat()
		}
		return nil, err
	}
	s := &Session{Link: h.link, At: at, hold: h}
	h.out.rewake(make(chan struct{}, 1))
	h.mu.Lock()
	over := h.over
	h.holder, h.away, s.Memo, h.memo = s, nil, h.memo, nil
	h.waiting = at.Waiting
	h.mu.Unlock()
	if over {
		return nil, errNoSeat()
	}
	h.permit(at.Self.Can)
	return s, nil
}

// Release gives up a session that was left by Detach, for a client that takes its seat
// again on another node: see JoinRequest.Again. Its peers are closed; the seat stays as
// it is until it is taken, or its grace time has passed. NotFound: it is gone.
func (l *Local) Release(token ResumeToken) (RoomID, ParticipantID, error) {
	l.mu.Lock()
	h := l.away[token]
	delete(l.away, token)
	l.mu.Unlock()
	if h == nil {
		return "", ParticipantID{}, errNoSeat()
	}
	l.count.detached.Add(-1)
	h.mu.Lock()
	away := h.away
	h.mu.Unlock()
	close(away.stop)
	<-away.done
	h.finish()
	return h.room, h.self, nil
}

func errNoSeat() error { return Errorf(NotFound, "the seat is gone") }
