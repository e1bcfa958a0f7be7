package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// REST is what a client asks over HTTP (reference 4).
type REST struct {
	Base  string       // http:// or https://, without /v1
	HTTP  *http.Client // nil: http.DefaultClient
	Token string       // of a user who has logged in; empty: a guest
}

// Refusal is an answer of the server that is an error.
type Refusal struct {
	Status int
	Code   string // empty: the permission layer, which says nothing
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("refused: %d %s", r.Status, r.Code) }

// Pass is what lets into a room, once, within 30 s.
type Pass struct {
	Ticket     string `json:"ticket"`
	Resumption string `json:"resumption"`
}

// Place is a room, and an invite to it.
type Place struct {
	Room   string `json:"room_id"`
	Invite string `json:"invite_code"`
	Event  string `json:"-"` // that Meet has made
}

// Do sends a request and decodes the answer into answer, unless that is nil.
func (r REST) Do(ctx context.Context, method, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, method, r.Base+"/v1"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "text/json") // as one of the clients says
	if r.Token != "" {
		q.Header.Set("Authorization", "Bearer "+r.Token)
	}
	c := r.HTTP
	if c == nil {
		c = http.DefaultClient
	}
	a, err := c.Do(q)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer a.Body.Close()
	data, err = io.ReadAll(io.LimitReader(a.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if a.StatusCode >= http.StatusBadRequest {
		refusal := &Refusal{Status: a.StatusCode}
		var f struct{ Code string }
		if json.Unmarshal(data, &f) == nil {
			refusal.Code = f.Code
		}
		return refusal
	}
	if answer == nil || len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, answer)
}

// Login makes the user of a token known.
func (r REST) Login(ctx context.Context, idToken string) error {
	return r.Do(ctx, http.MethodPost, "/auth/login", map[string]string{"id_token": idToken}, nil)
}

// Meet makes an event that begins at once, and an invite to its room.
func (r REST) Meet(ctx context.Context, title, password string) (Place, error) {
	event := map[string]any{
		"title": title, "description": "", "is_time_independent": true, "waiting_room": false,
		"recurrence_pattern": []string{}, "is_adhoc": true,
	}
	if password != "" {
		event["password"] = password
	}
	var made struct {
		ID   string
		Room struct{ ID string }
	}
	if err := r.Do(ctx, http.MethodPost, "/events", event, &made); err != nil {
		return Place{}, err
	}
	p := Place{Event: made.ID}
	err := r.Do(ctx, http.MethodPost, "/rooms/"+made.Room.ID+"/invites", struct{}{}, &p)
	return p, err
}

// Invite invites somebody to an event by an address.
func (r REST) Invite(ctx context.Context, event, mail string) error {
	return r.Do(ctx, http.MethodPost, "/events/"+event+"/invites", map[string]string{"email": mail}, nil)
}

// Named returns the room of a name, which is opened where that is allowed.
func (r REST) Named(ctx context.Context, name string) (Place, error) {
	var p Place
	err := r.Do(ctx, http.MethodPost, "/names", map[string]string{"name": name}, &p)
	return p, err
}

// Start lets the user into a room.
func (r REST) Start(ctx context.Context, room, resumption string) (Pass, error) {
	return r.start(ctx, "/rooms/"+room+"/start", map[string]any{"breakout_room": nil}, resumption)
}

// StartInvited lets a guest into a room, the way guests go.
func (r REST) StartInvited(ctx context.Context, invite, password, resumption string) (Pass, error) {
	if err := r.Do(ctx, http.MethodPost, "/turn", struct{}{}, new([]any)); err != nil {
		return Pass{}, err
	}
	var at Place
	if err := r.Do(ctx, http.MethodPost, "/invite/verify", map[string]string{"invite_code": invite}, &at); err != nil {
		return Pass{}, err
	}
	body := map[string]any{"breakout_room": nil, "invite_code": invite}
	if password != "" {
		body["password"] = password
	}
	return r.start(ctx, "/rooms/"+at.Room+"/start_invited", body, resumption)
}

func (r REST) start(ctx context.Context, path string, body map[string]any, resumption string) (p Pass, err error) {
	if resumption != "" {
		body["resumption"] = resumption
	}
	return p, r.Do(ctx, http.MethodPost, path, body, &p)
}
