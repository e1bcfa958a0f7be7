package asn

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// conference is what is known of one: it is preallocated, or a room of that name
// runs, or both.
type conference struct {
	id      bridge.RoomID
	meeting *bridge.Entry      // nil: nobody has scheduled it
	stored  *bridge.StoredRoom // nil: no room is stored
	live    *bridge.Info       // nil: nobody is there
}

// find looks a conference up. It is no error when there is none.
func (d *server) find(ctx context.Context, id bridge.RoomID) (c conference, err error) {
	c.id = id
	x, err := d.env.Store.Meetings().OfRoom(ctx, id, bridge.AccountID{})
	if err == nil {
		c.meeting, c.stored = &x, &x.Room
	} else if bridge.CodeOf(err) != bridge.NotFound {
		return c, err
	}
	if c.stored == nil {
		r, err := d.env.Store.Rooms().Get(ctx, id)
		if err == nil {
			c.stored = &r
		} else if bridge.CodeOf(err) != bridge.NotFound {
			return c, err
		}
	}
	info, err := d.env.Host.Lookup(ctx, id)
	if err == nil {
		c.live = &info
	} else if bridge.CodeOf(err) != bridge.NotFound {
		return c, err
	}
	return c, nil
}

// over reports whether a conference was cancelled, or its end has passed and nobody
// is there (reference 8.3).
func (c conference) over(now time.Time) bool {
	return c.meeting != nil && (c.meeting.Cancelled || c.live == nil && passed(c.meeting.Meeting, now))
}

// passed reports whether the end of a meeting has passed.
func passed(m bridge.Meeting, now time.Time) bool {
	switch {
	case m.Timeless:
		return false
	case len(m.Recurrence) > 0:
		return !m.LastEnds.IsZero() && !m.LastEnds.After(now)
	}
	return !m.Ends.At.After(now)
}

// way is how somebody comes into a conference.
type way struct {
	room      bridge.RoomID
	create    *bridge.Spec // what to make it of, if nobody is there
	moderator bool
	secret    bridge.Secret // that moderators need
}

// way finds out how somebody may come in; claims is nil for who has no token
// (reference 3501).
func (d *server) way(ctx context.Context, id bridge.RoomID, claims *Claims) (w way, err error) {
	c, err := d.find(ctx, id)
	if err != nil {
		return w, err
	}
	w = way{room: id, secret: d.moderatorSecret(id)}
	switch {
	case c.over(time.Now()):
		return w, fail(rose.ConferenceEnded, "the conference was cancelled, or is over")
	case c.stored != nil:
		spec := d.shape(c.stored.Spec)
		w.create = &spec
		if s := spec.Secrets[bridge.Moderator]; s != "" {
			w.secret = s
		}
	case c.live == nil && (claims == nil || !d.cfg.Adhoc || c.foreign(claims)):
		return w, fail(rose.ConferenceNotFound, "there is no such conference")
	case c.live == nil:
		spec := d.shape(bridge.Spec{})
		spec.Secrets = map[bridge.Role]bridge.Secret{bridge.Moderator: w.secret}
		w.create, w.moderator = &spec, true
	}
	if claims != nil {
		w.moderator = w.moderator || claims.Conference == id || c.moderates(claims.account())
	}
	return w, nil
}

// foreign reports whether a token was made for a conference that is not there any
// more: it makes no new one.
func (conference) foreign(claims *Claims) bool { return claims.Conference != "" }

// shape fills in what rooms that are made here are like.
func (d *server) shape(s bridge.Spec) bridge.Spec {
	if s.Max == 0 {
		s.Max = d.cfg.Room.MaxMember
	}
	if s.MaxBitrate == 0 {
		s.MaxBitrate = d.cfg.Room.MaxVideoBitrate * 1000
	}
	if s.EmptyTimeout == 0 {
		s.EmptyTimeout = d.cfg.Room.EmptyTimeout
	}
	return s
}

// moderatorSecret is what moderators of rooms of ours give, and nobody is ever told:
// with it the others are just users, whatever dialect they speak.
func (d *server) moderatorSecret(id bridge.RoomID) bridge.Secret {
	return bridge.Secret(hex.EncodeToString(d.env.IDs.Key("asn-room\x00" + string(id))[:16]))
}

// organizes reports whether a meeting is somebody's own.
func organizes(m bridge.Meeting, a account) bool {
	return !m.Creator.IsZero() && m.Creator == a.id() || sameMail(m.Organizer.Mail, a.Mail)
}

// moderates reports whether somebody is organizer or moderator attendee.
func (c conference) moderates(a account) bool {
	return c.meeting != nil && moderates(c.meeting.Meeting, a)
}

func moderates(m bridge.Meeting, a account) bool {
	if organizes(m, a) {
		return true
	}
	for _, x := range m.Attendees {
		if x.Role == bridge.Moderator && (!x.Account.IsZero() && x.Account == a.id() || sameMail(x.Mail, a.Mail)) {
			return true
		}
	}
	return false
}

func sameMail(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// requestToken handles asnRequestAuthToken.
func (c *caller) requestToken(ctx context.Context, a *rose.RequestAuthTokenArgument) (outcome, error) {
	claims, err := c.user(nil)
	if err != nil {
		return outcome{}, err
	}
	if err := rose.Check(a); err != nil {
		return outcome{}, err
	}
	if a.ConferenceID != nil {
		if claims.Conference, err = c.bound(ctx, *a.ConferenceID); err != nil {
			return outcome{}, err
		}
	}
	life := c.d.cfg.TokenLife
	token, err := MakeToken(c.d.env.IDs, claims, life)
	if err != nil {
		return outcome{}, err
	}
	return outcome{value: &rose.RequestAuthTokenResult{
		Token: token, ValidTo: time.Now().Add(life).Truncate(time.Second), TargetURL: c.targetURL(),
	}}, nil
}

// bound checks the conference that a token is to be bound to.
func (c *caller) bound(ctx context.Context, text string) (bridge.RoomID, error) {
	id, err := bridge.Normalize(text)
	if err != nil {
		return "", err
	}
	x, err := c.d.find(ctx, id)
	switch {
	case err != nil:
		return "", err
	case x.meeting == nil && x.live == nil && x.stored == nil:
		return "", fail(rose.ConferenceNotFound, "there is no such conference")
	case x.over(time.Now()):
		return "", fail(rose.ConferenceEnded, "the conference was cancelled, or is over")
	case !x.moderates(c.account):
		return "", fail(rose.Forbidden, "only the organizer and moderators get a token for this conference")
	}
	return id, nil
}
