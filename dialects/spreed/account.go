package spreed

import (
	"context"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// userPrefix tells the users of this dialect from those of others.
const userPrefix = "spreed:"

// userID is the user as the room knows it.
func (s *speaker) userID() bridge.UserID {
	if s.user == "" {
		return ""
	}
	return bridge.UserID(userPrefix + s.user)
}

// onAuthentication makes the session a user's (reference 5.9). It cannot be
// undone.
func (s *speaker) onAuthentication(ctx context.Context, r wire.Request) error {
	switch {
	case r.Authentication == nil || r.Authentication.Authentication == nil:
		return s.reply(r.Iid, refused(codeBadRequest, "no user and nonce were given"))
	case s.user != "":
		return s.reply(r.Iid, refused(codeAuthenticated, "this session is a user's already"))
	}
	p := r.Authentication.Authentication
	if p.Userid == "" || !s.nonce.opens(p.Nonce, p.Userid, time.Now()) {
		return s.reply(r.Iid, refused(codeBadSession, "the nonce does not hold for this user"))
	}
	s.user, s.nonce = p.Userid, nonce{}
	s.rev++
	s.toldRev = s.rev
	s.counts.users.Add(1)
	s.enlist(ctx)
	if err := s.reply(r.Iid, s.self()); err != nil {
		return err
	}
	return s.spread(ctx)
}
