package k3k

import (
	"net/http"
	"time"

	"dragoman/bridge"
)

// inviteDoc is the resource of an invite (reference 4.5).
type inviteDoc struct {
	Code       bridge.InviteCode `json:"invite_code"`
	Created    stamp             `json:"created"`
	CreatedBy  publicProfile     `json:"created_by"`
	Updated    stamp             `json:"updated"`
	UpdatedBy  publicProfile     `json:"updated_by"`
	Room       bridge.RoomID     `json:"room_id"`
	Active     bool              `json:"active"`
	Expiration *stamp            `json:"expiration"`
}

func (d *server) inviteDoc(r *request, i bridge.Invite) (inviteDoc, error) {
	creator, err := d.profileOf(r.ctx(), i.Creator)
	if err != nil {
		return inviteDoc{}, err
	}
	updater, err := d.profileOf(r.ctx(), i.UpdatedBy)
	return inviteDoc{i.Code, stamp(i.Created), creator, stamp(i.Updated), updater, i.Room, i.Active, when(i.Expires)}, err
}

// expiration is what a body says of the end of an invite.
type expiration struct {
	Expiration optional[stamp] `json:"expiration"`
}

func (e expiration) at() time.Time {
	if e.Expiration.v == nil {
		return time.Time{}
	}
	return time.Time(*e.Expiration.v)
}

func (d *server) makeInvite(r *request) (reply, error) {
	q, err := body[expiration](r)
	if err != nil {
		return reply{}, err
	}
	room, err := d.ownRoom(r, true)
	if err != nil {
		return reply{}, err
	}
	now := time.Now()
	i := bridge.Invite{
		Code: bridge.NewInviteCode(), Room: room.Spec.ID, Creator: r.me.ID, Created: now,
		UpdatedBy: r.me.ID, Updated: now, Expires: q.at(), Active: true,
	}
	if err := d.env.Store.Invites().Create(r.ctx(), i); err != nil {
		return reply{}, err
	}
	doc, err := d.inviteDoc(r, i)
	return reply{body: doc}, err
}

func (d *server) listInvites(r *request) (reply, error) {
	room, err := d.ownRoom(r, false)
	if err != nil {
		return reply{}, err
	}
	per, err := number(r, "per_page", 30, 1, 100)
	if err != nil {
		return reply{}, err
	}
	page, err := number(r, "page", 1, 1, 1<<20)
	if err != nil {
		return reply{}, err
	}
	invites, n, err := d.env.Store.Invites().List(r.ctx(), room.Spec.ID, (page-1)*per, per)
	if err != nil {
		return reply{}, err
	}
	all := []inviteDoc{}
	for _, i := range invites {
		doc, err := d.inviteDoc(r, i)
		if err != nil {
			return reply{}, err
		}
		all = append(all, doc)
	}
	return reply{body: all, header: pages(r, page, max(1, (n+per-1)/per))}, nil
}

// ownInvite returns the invite of a request.
func (d *server) ownInvite(r *request) (bridge.Invite, error) {
	room, err := d.ownRoom(r, false)
	if err != nil {
		return bridge.Invite{}, err
	}
	var code bridge.InviteCode
	if code.UnmarshalText([]byte(r.PathValue("code"))) != nil {
		return bridge.Invite{}, bridge.Errorf(bridge.NotFound, "there is no such invite")
	}
	i, err := d.env.Store.Invites().Get(r.ctx(), code)
	if err == nil && i.Room != room.Spec.ID {
		err = bridge.Errorf(bridge.NotFound, "there is no such invite")
	}
	return i, err
}

func (d *server) getInvite(r *request) (reply, error) {
	i, err := d.ownInvite(r)
	if err != nil {
		return reply{}, err
	}
	doc, err := d.inviteDoc(r, i)
	return reply{body: doc}, err
}

func (d *server) changeInvite(r *request) (reply, error) {
	q, err := body[expiration](r)
	if err != nil {
		return reply{}, err
	}
	i, err := d.ownInvite(r)
	if err != nil {
		return reply{}, err
	}
	i, err = d.env.Store.Invites().Change(r.ctx(), i.Code, func(i *bridge.Invite) error {
		i.Expires, i.Updated, i.UpdatedBy = q.at(), time.Now(), r.me.ID
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	doc, err := d.inviteDoc(r, i)
	return reply{body: doc}, err
}

// deleteInvite takes an invite back; it stays known.
func (d *server) deleteInvite(r *request) (reply, error) {
	i, err := d.ownInvite(r)
	if err != nil {
		return reply{}, err
	}
	_, err = d.env.Store.Invites().Change(r.ctx(), i.Code, func(i *bridge.Invite) error {
		i.Active, i.Updated, i.UpdatedBy = false, time.Now(), r.me.ID
		return nil
	})
	return reply{status: http.StatusNoContent}, err
}
