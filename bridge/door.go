package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
)

// MaxBans is how many people one room can ban. The oldest of more are forgotten
// only with the room.
const MaxBans = 1000

// door is what somebody at the door of a room has to pass, copied out of the
// loop so that slow checks are made elsewhere.
type door struct {
	secrets map[Role]Secret
	usual   Role   // for those without a secret
	version uint64 // to notice that it has changed in the meantime
}

// pass is what the door made of a request.
type pass struct {
	role    Role
	key     bool // gave the moderators' secret: not held up by a lock
	trusted bool // a program of our own
}

// compare is the usual way to check a secret: in constant time, whatever the
// lengths.
func compare(stored, given Secret) bool {
	a, b := sha256.Sum256([]byte(stored)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// roleBySecret is the rule of ahoy.md 4.3, for all dialects. With M, S and L for
// the secrets of moderators, speakers and listeners: who gives one of them has
// that role, compared in this order; a wrong one is refused if there is any to
// give. Who gives none is a listener where S is set and L is not, and refused
// where both are; where S is not set, it is what the room says is usual, or else
// a speaker. A speaker is a moderator where M is not set.
func roleBySecret(d door, given Secret, check func(stored, given Secret) bool) (pass, error) {
	moderators, speakers, listeners := d.secrets[Moderator], d.secrets[Speaker], d.secrets[Listener]
	speaker := Speaker
	if moderators == "" {
		speaker = Moderator
	}
	if given != "" {
		ways := [...]struct {
			secret Secret
			pass   pass
		}{
			{moderators, pass{role: Moderator, key: true}},
			{speakers, pass{role: speaker}},
			{listeners, pass{role: Listener}},
		}
		secured := false
		for _, w := range ways {
			if w.secret != "" && check(w.secret, given) {
				return w.pass, nil
			}
			secured = secured || w.secret != ""
		}
		if secured {
			return pass{}, Errorf(WrongSecret, "the password is wrong")
		}
	}
	switch {
	case speakers == "" && d.usual != NoRole:
		return pass{role: d.usual}, nil
	case speakers == "":
		return pass{role: speaker}, nil
	case listeners == "":
		return pass{role: Listener}, nil
	}
	return pass{}, Errorf(Unauthenticated, "the room needs a password")
}

// trusted reports whether a program of our own wants in: a hidden participant to
// whom a role is granted (no dialect gives that kind to a client). It has that
// role, whatever the room's secrets are; neither a ban nor a lock holds it up.
func (req JoinRequest) trusted() bool { return req.Kind.Hidden() && req.AtMost != NoRole }

// passOf judges a request. Somebody of a federated server, to whom a role is granted, is
// let in by that server (no dialect gives that kind to a client): secrets are for those
// who come by themselves, but bans, locks and the waiting room hold.
func passOf(d door, req JoinRequest, check func(stored, given Secret) bool) (pass, error) {
	if req.trusted() || req.Again {
		return pass{role: req.AtMost, trusted: true}, nil
	}
	if req.Kind == Federated && req.AtMost != NoRole {
		return pass{role: req.AtMost}, nil
	}
	p, err := roleBySecret(d, req.Secret, check)
	if err == nil && req.AtMost != NoRole {
		p.role = min(p.role, req.AtMost)
	}
	return p, err
}

// banKey is by what somebody who was banned is known again.
type banKey struct {
	user UserID
	from netip.Prefix
}

// banKeyOf returns the user, or for a guest the address (of IPv6 the /64, which
// is one household), and false if there is neither.
func banKeyOf(user UserID, remote netip.Addr) (banKey, bool) {
	if user != "" {
		return banKey{user: user}, true
	}
	remote = remote.Unmap().WithZone("")
	bits := 32
	if remote.Is6() {
		bits = 64
	}
	from, err := remote.Prefix(bits)
	return banKey{from: from}, err == nil && remote.IsValid()
}
