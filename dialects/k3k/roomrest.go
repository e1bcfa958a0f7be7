package k3k

import (
	"crypto/md5" //nolint:gosec // as the services of pictures have it
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// opens reports whether a password is that of a room.
func opens(r bridge.StoredRoom, given string) bool {
	want := string(r.Spec.Secrets[bridge.Speaker])
	return want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(given)) == 1
}

func (d *server) credentials(r *request) bridge.Credentials {
	return bridge.Credentials{Dialect: Name, Remote: dialects.Remote(r.Request)}
}

// knock asks a room that is running whether somebody is kept out: it is joined and
// left again without anybody's knowledge.
func (d *server) knock(r *request, p pass) error {
	s, err := d.env.Host.Join(r.ctx(), bridge.JoinRequest{
		Room: p.Room, User: p.User, Kind: bridge.Service, Dialect: Name,
		Remote: dialects.Remote(r.Request), Secret: bridge.Secret(p.Secret),
	})
	switch bridge.CodeOf(err) {
	case 0:
		return s.Leave(r.ctx(), bridge.ByWish)
	case bridge.NotFound, bridge.RoomLocked, bridge.RoomFull:
		return nil // told when it joins
	case bridge.WrongSecret, bridge.Unauthenticated:
		d.env.Gate.Failed(d.credentials(r))
		return errPassword
	case bridge.Banned:
		return &restError{http.StatusForbidden, "banned_from_room", "you have been banned from this room"}
	}
	return err
}

// verify handles POST invite/verify (reference 4.5).
func (d *server) verify(r *request) (reply, error) {
	q, err := body[struct {
		Code *bridge.InviteCode `json:"invite_code"`
	}](r)
	if err == nil {
		err = required(q.Code != nil)
	}
	if err != nil {
		return reply{}, err
	}
	who := d.credentials(r)
	if _, err := d.env.Gate.Admit(r.ctx(), who); err != nil {
		return reply{}, err
	}
	i, err := d.invited(r.ctx(), *q.Code)
	if err == nil && !i.Expires.IsZero() && !time.Now().Before(i.Expires) {
		err = bridge.Errorf(bridge.NotFound, "there is no such invite")
	}
	if bridge.CodeOf(err) == bridge.NotFound {
		d.env.Gate.Failed(who)
	}
	if err != nil {
		return reply{}, err
	}
	at, err := d.find(r.ctx(), RoomUUID(i.Room))
	if err != nil {
		return reply{}, err
	}
	secured := at.stored != nil && password(*at.stored) != nil
	if at.stored == nil {
		info, err := d.env.Host.Lookup(r.ctx(), at.id)
		if err != nil {
			return reply{}, err
		}
		secured = info.Secured[bridge.Speaker] && info.Secured[bridge.Listener]
	}
	return reply{body: struct {
		Room     string `json:"room_id"`
		Password bool   `json:"password_required"`
	}{RoomUUID(i.Room), secured}}, nil
}

// byName handles POST names, which is ours: how to reach a room that is known by a
// name. It opens the room, where that is allowed, with the password that is given;
// one that there is keeps its own.
func (d *server) byName(r *request) (reply, error) {
	q, err := body[struct {
		Name     string           `json:"name"`
		Password optional[string] `json:"password"`
	}](r)
	secured := roomFields{Password: q.Password}
	if err == nil {
		err = secured.check()
	}
	if err != nil {
		return reply{}, err
	}
	room, err := bridge.Normalize(q.Name)
	if err != nil {
		return reply{}, err
	}
	if _, err := d.env.Gate.Admit(r.ctx(), bridge.Credentials{Dialect: Name, Remote: dialects.Remote(r.Request), Room: room}); err != nil {
		return reply{}, err
	}
	if _, err = d.env.Host.Lookup(r.ctx(), room); bridge.CodeOf(err) == bridge.NotFound && d.cfg.Create {
		c := d.cfg.Room
		err = d.env.Host.Create(r.ctx(), bridge.Spec{
			ID: room, Max: c.MaxMember, Limit: c.TimeLimit, MaxBitrate: c.MaxVideoBitrate * 1000, KeepChat: c.KeepChat,
			Secrets: entrance(secured.password()),
		})
		if bridge.CodeOf(err) == bridge.Exists {
			err = nil
		}
	}
	if err != nil {
		return reply{}, err
	}
	return reply{body: struct {
		Room   string `json:"room_id"`
		Invite string `json:"invite_code"`
	}{RoomUUID(room), InviteUUID(room)}}, nil
}

// roomDoc is the resource of a room (reference 4.5).
type roomDoc struct {
	ID          bridge.RoomID `json:"id"`
	CreatedBy   publicProfile `json:"created_by"`
	CreatedAt   stamp         `json:"created_at"`
	Password    *string       `json:"password"`
	WaitingRoom bool          `json:"waiting_room"`
}

func (d *server) roomDoc(r *request, room bridge.StoredRoom) (roomDoc, error) {
	creator, err := d.profileOf(r.ctx(), room.Creator)
	return roomDoc{room.Spec.ID, creator, stamp(room.Created), password(room), room.Spec.WaitingRoom}, err
}

// ownRoom returns the stored room of a request, for those who made it, or with
// guest for those who may come in.
func (d *server) ownRoom(r *request, guest bool) (bridge.StoredRoom, error) {
	at, err := d.find(r.ctx(), r.PathValue("room"))
	if err != nil {
		return bridge.StoredRoom{}, err
	}
	if at.stored == nil {
		return bridge.StoredRoom{}, denied // nobody's
	}
	if at.stored.Creator == r.me.ID {
		return *at.stored, nil
	}
	may, err := d.mayStart(r.ctx(), r.me, *at.stored)
	if err == nil && (!may || !guest) {
		err = denied
	}
	return *at.stored, err
}

func (d *server) listRooms(r *request) (reply, error) {
	per, err := number(r, "per_page", 30, 1, 100)
	if err != nil {
		return reply{}, err
	}
	page, err := number(r, "page", 1, 1, 1<<20)
	if err != nil {
		return reply{}, err
	}
	rooms, n, err := d.env.Store.Rooms().List(r.ctx(), r.me.ID, (page-1)*per, per)
	if err != nil {
		return reply{}, err
	}
	all := []roomDoc{}
	for _, room := range rooms {
		doc, err := d.roomDoc(r, room)
		if err != nil {
			return reply{}, err
		}
		all = append(all, doc)
	}
	return reply{body: all, header: pages(r, page, max(1, (n+per-1)/per))}, nil
}

// pages makes the links of an answer in pages (RFC 8288).
func pages(r *request, page, last int) http.Header {
	var links []string
	add := func(rel string, n int) {
		if n < 1 || n > last {
			return
		}
		links = append(links, link(r, "page", strconv.Itoa(n), rel))
	}
	add("first", 1)
	add("prev", page-1)
	add("next", page+1)
	add("last", last)
	return http.Header{"Link": {strings.Join(links, ", ")}}
}

// link is one link to the same list.
func link(r *request, key, value, rel string) string {
	u := *r.URL
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	u.Path = strings.TrimSuffix(dialects.Base(r.Request), "/") + u.Path
	return "<" + u.RequestURI() + `>; rel="` + rel + `"`
}

// number reads a number of the query.
func number(r *request, key string, usual, least, most int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, &invalidField{key, "out_of_range", "the number is out of range"}
	}
	return n, nil
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// roomFields are what can be said of a room.
type roomFields struct {
	Password    optional[string] `json:"password"`
	WaitingRoom *bool            `json:"waiting_room"`
}

// check checks the length of the password.
func (f roomFields) check() error {
	if p := f.Password.v; p != nil && (*p == "" || len(*p) > longestTitle) {
		return &invalidField{"password", "invalid_length", "the password is too short or too long"}
	}
	return nil
}

func (f roomFields) password() string {
	if f.Password.v == nil {
		return ""
	}
	return *f.Password.v
}

func (f roomFields) waits() bool { return f.WaitingRoom != nil && *f.WaitingRoom }

// apply changes a room.
func (f roomFields) apply(room *bridge.StoredRoom) {
	if f.Password.set {
		protect(room, f.password())
	}
	if f.WaitingRoom != nil {
		room.Spec.WaitingRoom = *f.WaitingRoom
	}
	room.Updated = time.Now()
}

func (d *server) makeRoom(r *request) (reply, error) {
	q, err := body[roomFields](r)
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return reply{}, err
	}
	room := d.newRoom(r.me.ID, "", q.password(), q.waits())
	if err := d.env.Store.Rooms().Create(r.ctx(), room); err != nil {
		return reply{}, err
	}
	doc, err := d.roomDoc(r, room)
	return reply{body: doc}, err
}

func (d *server) getRoom(r *request) (reply, error) {
	room, err := d.ownRoom(r, true)
	if err != nil {
		return reply{}, err
	}
	doc, err := d.roomDoc(r, room)
	return reply{body: doc}, err
}

func (d *server) changeRoom(r *request) (reply, error) {
	q, err := body[roomFields](r)
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return reply{}, err
	}
	room, err := d.ownRoom(r, false)
	if err != nil {
		return reply{}, err
	}
	room, err = d.env.Store.Rooms().Change(r.ctx(), room.Spec.ID, func(room *bridge.StoredRoom) error {
		q.apply(room)
		return nil
	})
	if err == nil {
		err = d.changed(r, room, q)
	}
	if err != nil {
		return reply{}, err
	}
	doc, err := d.roomDoc(r, room)
	return reply{body: doc}, err
}

// changed tells a room that is running its new password. The waiting room is only
// where it starts from (reference 10).
func (d *server) changed(r *request, room bridge.StoredRoom, f roomFields) error {
	if !f.Password.set {
		return nil
	}
	return running(d.serve(r.ctx(), room.Spec.ID, bridge.SetSecrets{Secrets: room.Spec.Secrets}))
}

// running passes over that a room is not running.
func running(err error) error {
	if code := bridge.CodeOf(err); code == bridge.NotFound || code == bridge.Closed {
		return nil
	}
	return err
}

func (d *server) deleteRoom(r *request) (reply, error) {
	room, err := d.ownRoom(r, false)
	if err == nil {
		err = d.env.Store.Rooms().Delete(r.ctx(), room.Spec.ID)
	}
	if err == nil {
		err = running(d.serve(r.ctx(), room.Spec.ID, bridge.CloseRoom{Reason: bridge.ByEnd}))
	}
	return empty(), err
}

func (d *server) roomTariff(r *request) (reply, error) {
	room, err := d.ownRoom(r, true)
	return reply{body: d.tariff(bridge.Info{Max: room.Spec.Max})}, err
}

// avatar is the address of the picture of an address of mail.
func (d *server) avatar(mail string) string {
	if d.cfg.AvatarPrefix == "" {
		return ""
	}
	sum := md5.Sum([]byte(strings.ToLower(strings.TrimSpace(mail)))) //nolint:gosec // as above
	return d.cfg.AvatarPrefix + hex.EncodeToString(sum[:])
}
