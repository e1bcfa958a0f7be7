package spreed

import (
	"context"
	"errors"

	"dragoman/bridge"
	"dragoman/dialects"
)

// linger keeps the seats of a client that was lost while its calls go on, until
// it comes back, its calls end, or the grace time is over (reference 14.6). It
// runs in the goroutine that has served the connection.
func (s *speaker) linger(ctx context.Context) {
	if s.at == nil {
		return
	}
	for s.at != nil && s.at.calls.alive() && ctx.Err() == nil {
		select {
		case <-s.c.Wake():
			if err := s.stay(ctx); err != nil {
				s.end(err)
				return
			}
		case <-ctx.Done():
		}
	}
	s.end(ctx.Err())
}

// stay takes what the seats are told.
func (s *speaker) stay(ctx context.Context) error {
	for _, x := range []*bridge.Session{s.house, s.at.session} {
		events, lost := x.Drain(ctx)
		for _, e := range events {
			if err := s.Event(ctx, s.c, x, e); err != nil {
				return err
			}
			if s.at == nil {
				return errHandedOver
			}
		}
		if lost != nil {
			return lost
		}
	}
	return nil
}

var errHandedOver = errors.New("the seat was handed over")

// end gives up what is left.
func (s *speaker) end(why error) {
	ctx, cancel := context.WithTimeout(context.Background(), negotiationTime)
	defer cancel()
	reason := bridge.ByLoss
	if errors.Is(why, context.Canceled) || errors.Is(why, dialects.ErrShutdown) {
		reason = bridge.ByShutdown
	}
	if s.at != nil {
		_ = s.at.session.Leave(ctx, reason) // nobody is left to be told
		s.at = nil
	}
	if !s.leaving {
		s.farewell(ctx)
	}
	_ = s.house.Leave(ctx, reason)
}
