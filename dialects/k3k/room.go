package k3k

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 9562 makes version 5 of it
	"math"
	"net/http"
	"time"

	"dragoman/bridge"
)

// Rooms and invites that are known by a name have ids that are made of it (product
// 5): UUIDs of version 5 in the name space of URLs (RFC 9562, 5.5 and 6.6).
const (
	roomURL   = "dragoman:room/"
	inviteURL = "dragoman:invite/"
)

// RoomUUID is the k3k id of a room that is known by a name. A name that is a UUID
// is its own.
func RoomUUID(room bridge.RoomID) string {
	var id bridge.MeetingID
	if id.UnmarshalText([]byte(room)) == nil {
		return id.String()
	}
	return named(roomURL + string(room)).String()
}

// InviteUUID is the invite code of a room that is known by a name.
func InviteUUID(room bridge.RoomID) string { return named(inviteURL + string(room)).String() }

// named makes a UUID of version 5.
func named(url string) (id bridge.MeetingID) {
	space := [16]byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(space[:], url...)) //nolint:gosec // as above
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	p, _ := bridge.ParticipantIDFrom(sum[:16])
	_ = id.UnmarshalText([]byte(p.String())) // the form is right
	return id
}

// place is a room that a request is about.
type place struct {
	id     bridge.RoomID
	stored *bridge.StoredRoom // nil: it is only running
}

// errNoRoom says so.
func errNoRoom() error { return bridge.Errorf(bridge.NotFound, "there is no such room") }

// find returns the room of a UUID.
func (d *server) find(ctx context.Context, uuid string) (place, error) {
	var id bridge.MeetingID
	if id.UnmarshalText([]byte(uuid)) != nil {
		return place{}, errNoRoom()
	}
	p := place{id: bridge.RoomID(id.String())}
	stored, err := d.env.Store.Rooms().Get(ctx, p.id)
	if err == nil {
		p.stored = &stored
		return p, nil
	}
	if bridge.CodeOf(err) != bridge.NotFound {
		return p, err
	}
	if _, err = d.env.Host.Lookup(ctx, p.id); err == nil {
		return p, nil
	}
	return d.search(ctx, func(r bridge.RoomID) bool { return RoomUUID(r) == string(p.id) })
}

// search looks for a running room that is known by a name.
func (d *server) search(ctx context.Context, match func(bridge.RoomID) bool) (place, error) {
	all, err := d.env.Host.List(ctx)
	if err != nil {
		return place{}, err
	}
	for _, r := range all {
		if match(r.ID) {
			return place{id: r.ID}, nil
		}
	}
	return place{}, errNoRoom()
}

// invited returns the room that an invite code lets into. Expired codes do, too:
// only verify asks for that (reference 4.5).
func (d *server) invited(ctx context.Context, code bridge.InviteCode) (bridge.Invite, error) {
	i, err := d.env.Store.Invites().Get(ctx, code)
	switch {
	case err == nil && i.Active:
		return i, nil
	case err == nil:
		return i, bridge.Errorf(bridge.NotFound, "there is no such invite")
	case bridge.CodeOf(err) != bridge.NotFound:
		return i, err
	}
	p, err := d.search(ctx, func(r bridge.RoomID) bool { return InviteUUID(r) == code.String() })
	return bridge.Invite{Code: code, Room: p.id, Active: true}, err
}

// spec is what a room is made from.
func (d *server) spec(r bridge.StoredRoom) bridge.Spec { return r.Spec }

// randomRoom makes the id of a new room, and a secret for those who own it.
func randomRoom() (bridge.RoomID, bridge.Secret) {
	return bridge.RoomID(bridge.NewMeetingID().String()), bridge.Secret(rand.Text())
}

// newRoom is a room that somebody makes.
func (d *server) newRoom(who bridge.AccountID, title, password string, waiting bool) bridge.StoredRoom {
	id, owner := randomRoom()
	c, now := d.cfg.Room, time.Now()
	r := bridge.StoredRoom{Creator: who, Created: now, Updated: now, Spec: bridge.Spec{
		ID: id, Title: title, Default: bridge.Speaker, WaitingRoom: waiting, Unlisted: true,
		Max: c.MaxMember, Limit: c.TimeLimit, MaxBitrate: c.MaxVideoBitrate * 1000, KeepChat: c.KeepChat, EmptyTimeout: c.EmptyTimeout,
		Secrets: map[bridge.Role]bridge.Secret{bridge.Moderator: owner},
	}}
	protect(&r, password)
	return r
}

// protect sets the password of a room; empty: none. Owners have a secret of their
// own, which nobody is told.
func protect(r *bridge.StoredRoom, password string) {
	secrets := entrance(password)
	secrets[bridge.Moderator] = r.Spec.Secrets[bridge.Moderator]
	r.Spec.Secrets = secrets
}

// entrance is a password as secrets of a room; empty: none. Without it nobody comes
// in.
func entrance(password string) map[bridge.Role]bridge.Secret {
	if password == "" {
		return map[bridge.Role]bridge.Secret{}
	}
	p := bridge.Secret(password)
	return map[bridge.Role]bridge.Secret{bridge.Speaker: p, bridge.Listener: p}
}

// password returns the password of a room; nil: none.
func password(r bridge.StoredRoom) *string {
	if s := string(r.Spec.Secrets[bridge.Speaker]); s != "" {
		return &s
	}
	return nil
}

// meetingOf returns what a room was made for; nil: nothing that is stored.
func (d *server) meetingOf(ctx context.Context, room bridge.RoomID) (*eventInfo, error) {
	m, err := d.env.Store.Meetings().OfRoom(ctx, room, bridge.AccountID{})
	switch bridge.CodeOf(err) {
	case 0:
		return &eventInfo{m.ID, m.Title, m.Adhoc}, nil
	case bridge.NotFound:
		return nil, nil
	}
	return nil, err
}

// tariff is what the installation allows in a room.
func (d *server) tariff(room bridge.Info) tariffDoc {
	t := tariffDoc{
		Name: "dragoman", Quotas: map[string]int64{}, Enabled: enabled(),
		Disabled: []string{}, Modules: map[string]moduleFeature{},
	}
	if room.Max > 0 {
		t.Quotas["room_participant_limit"] = int64(room.Max)
	}
	if limit := d.cfg.Room.TimeLimit; limit > 0 {
		t.Quotas["room_time_limit_secs"] = int64(math.Ceil(limit.Seconds()))
	}
	for _, name := range t.Enabled {
		t.Modules[name] = moduleFeature{[]string{}}
	}
	return t
}

// enabled are the names of the modules.
func enabled() []string { return append(sortedKeys(modules), nsEcho) }

// breakout is the field of a start that says which sub-room is meant. There are
// none.
type breakout struct {
	Room       *bridge.MeetingID `json:"breakout_room"`
	Resumption string            `json:"resumption"`
}

func (b breakout) check() error {
	if b.Room != nil {
		return &restError{http.StatusBadRequest, "no_breakout_rooms", "there are no breakout rooms"}
	}
	return nil
}

// start handles POST rooms/{id}/start (reference 4.5).
func (d *server) start(r *request) (reply, error) {
	q, err := body[breakout](r)
	if err != nil {
		return reply{}, err
	}
	at, err := d.find(r.ctx(), r.PathValue("room"))
	if err != nil {
		return reply{}, err
	}
	p := pass{Room: at.id, User: r.me.User, Avatar: d.avatar(r.me.Mail), Groups: r.me.Groups}
	if at.stored != nil {
		may, err := d.mayStart(r.ctx(), r.me, *at.stored)
		if err != nil {
			return reply{}, err
		}
		if !may {
			return reply{}, denied
		}
		p.Owner = at.stored.Creator == r.me.ID
		role := bridge.Speaker
		if p.Owner {
			role = bridge.Moderator
		}
		p.Secret = string(at.stored.Spec.Secrets[role])
	}
	return d.begin(r, p, q)
}

// mayStart reports whether somebody may come into a room: who made it, and those
// who are invited by name.
func (d *server) mayStart(ctx context.Context, who bridge.Account, room bridge.StoredRoom) (bool, error) {
	if room.Creator == who.ID {
		return true, nil
	}
	m, err := d.env.Store.Meetings().OfRoom(ctx, room.Spec.ID, who.ID)
	if bridge.CodeOf(err) == bridge.NotFound {
		return false, nil
	}
	return m.Involved || invitedByMail(m.Meeting, who), err
}

// begin makes a ticket, for those whom the room does not keep out.
func (d *server) begin(r *request, p pass, q breakout) (reply, error) {
	if err := q.check(); err != nil {
		return reply{}, err
	}
	if err := d.knock(r, p); err != nil {
		return reply{}, err
	}
	t, err := d.issue(r.ctx(), p, q.Resumption)
	return reply{body: t}, err
}

// startInvited handles POST rooms/{id}/start_invited, whose checks come in this
// order (reference 4.5).
func (d *server) startInvited(r *request) (reply, error) {
	q, err := body[struct {
		breakout
		Code     *string `json:"invite_code"`
		Password *string `json:"password"`
	}](r)
	if err == nil {
		err = required(q.Code != nil)
	}
	if err != nil {
		return reply{}, err
	}
	var code bridge.InviteCode
	if code.UnmarshalText([]byte(*q.Code)) != nil {
		return reply{}, &invalidField{"invite_code", "invalid_value", "the invite code is not valid"}
	}
	who := d.credentials(r)
	if _, err := d.env.Gate.Admit(r.ctx(), who); err != nil {
		return reply{}, err
	}
	i, err := d.invited(r.ctx(), code)
	if bridge.CodeOf(err) == bridge.NotFound {
		d.env.Gate.Failed(who)
	}
	if err != nil {
		return reply{}, err
	}
	at, err := d.find(r.ctx(), r.PathValue("room"))
	if bridge.CodeOf(err) == bridge.NotFound || err == nil && at.id != i.Room {
		return reply{}, bridge.Errorf(bridge.BadRequest, "the invite is for another room")
	}
	if err != nil {
		return reply{}, err
	}
	p := pass{Room: at.id}
	if q.Password != nil {
		p.Secret = *q.Password
	}
	if at.stored != nil {
		if !opens(*at.stored, p.Secret) {
			d.env.Gate.Failed(who)
			return reply{}, errPassword
		}
		p.Secret = string(at.stored.Spec.Secrets[bridge.Speaker]) // one that is not asked for would be wrong
	}
	return d.begin(r, p, q.breakout)
}

var errPassword = &restError{http.StatusUnauthorized, "wrong_room_password", "the password is wrong"}
