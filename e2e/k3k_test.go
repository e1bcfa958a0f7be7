package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/bridge/gate/oidctest"
	"dragoman/config"
	"dragoman/dialects/k3k/client"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestK3kAllAtOnce: five clients that lose their waiters to the first message of a
// type (k3k.md 13.1) come in at the same moment, and all get everything.
func TestK3kAllAtOnce(t *testing.T) {
	k3k, ok := driver.Lookup("k3k")
	if !ok {
		t.Fatal("there is no driver for k3k")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	m := &meeting{T: t, ctx: ctx, node: node.Start(t, node.Options{}), room: "all at once"}
	var people []driver.Member
	for i := range 5 {
		people = append(people, m.person(k3k, fmt.Sprintf("Anna %d", i), func(o *driver.Options) { o.Habit = "mustang" }))
	}
	var wg sync.WaitGroup
	errs := make([]error, len(people))
	begin := time.Now()
	for i, p := range people {
		wg.Go(func() {
			errs[i] = p.Join(ctx, m.room, bridge.NoRole)
			if errs[i] == nil {
				errs[i] = p.Publish(ctx, bridge.Camera)
			}
		})
	}
	wg.Wait()
	m.must(errors.Join(errs...), "join and publish")
	m.look(people, people)
	t.Logf("five have joined, published and got each other after %s", time.Since(begin).Round(time.Millisecond))
}

// k3kRoom is a room that somebody who has logged in at a real issuer has made.
type k3kRoom struct {
	*testing.T
	ctx   context.Context
	base  string
	owner client.REST // of Ann
	other client.REST // of Ben, who has an account, too
	guest client.REST
	at    client.Place
}

// k3kOwned starts an issuer and a node that believes it, and lets Ann make a room.
func k3kOwned(t *testing.T) *k3kRoom {
	t.Helper()
	issuer, err := oidctest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := issuer.Stop(); err != nil {
			t.Error(err)
		}
	})
	issuer.Add(oidctest.User{
		Name: "ben", Password: "ben's word", Subject: "77aa-ben", Mail: "ben@example.org", Given: "Ben", Family: "Oh", Groups: []string{},
	})
	n := node.Start(t, node.Options{Config: func(c *config.Config) {
		c.OIDC.Issuer, c.OIDC.ClientIDs = issuer.URL(), []string{oidctest.Mustang}
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	addr, path := n.Place("k3k")
	r := &k3kRoom{T: t, ctx: ctx, base: addr + path}
	r.guest = r.rest("")
	r.owner, r.other = r.login(issuer, "ann", "ann's word"), r.login(issuer, "ben", "ben's word")
	r.at, err = r.owner.Meet(ctx, "a meeting", "hush")
	r.must(err, "make a meeting")
	return r
}

func (r *k3kRoom) rest(token string) client.REST {
	return client.REST{
		Base: "http://" + r.base, Token: token,
		HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// login logs in as the Mustang client does: with a password at the issuer, and the
// ID token that it gets.
func (r *k3kRoom) login(issuer *oidctest.Issuer, name, password string) client.REST {
	r.Helper()
	tokens, err := issuer.Client(oidctest.Mustang).Password(r.ctx, name, password)
	r.must(err, "%s logs in at the issuer", name)
	r.must(r.rest("").Login(r.ctx, tokens.ID), "%s logs in", name)
	return r.rest(tokens.Access)
}

func (r *k3kRoom) must(err error, format string, args ...any) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (r *k3kRoom) enter(name string, p client.Pass, err error) *client.Client {
	r.Helper()
	r.must(err, "%s has a ticket", name)
	c, err := client.Join(r.ctx, client.Config{URL: "ws://" + r.base + "/signalling", Name: name, Web: true}, p)
	r.must(err, "%s joins", name)
	r.Cleanup(c.Close)
	return c
}

// told waits until a client is told something about somebody.
func (r *k3kRoom) told(c *client.Client, name string, about string) client.Message {
	r.Helper()
	m, err := c.Wait(r.ctx, func(m client.Message) bool { return m.Name == name && (about == "" || m.ID == about) })
	r.must(err, "wait for %s about %q", name, about)
	return m
}

// TestK3kRoomOfItsOwner: an owner who has logged in, a guest with an invite and the
// password, the waiting room, a kick, a ban, and a connection that is cut and
// resumed.
func TestK3kRoomOfItsOwner(t *testing.T) {
	r := k3kOwned(t)
	refused := func(what string, err error, status int, code string) {
		t.Helper()
		if e, ok := errors.AsType[*client.Refusal](err); !ok || e.Status != status || e.Code != code {
			t.Errorf("%s: %v, want %d %s", what, err, status, code)
		}
	}
	_, err := r.rest("not a token").Start(r.ctx, r.at.Room, "")
	refused("a token of nobody", err, http.StatusUnauthorized, "unauthorized")
	_, err = r.guest.StartInvited(r.ctx, r.at.Invite, "wrong", "")
	refused("a wrong password", err, http.StatusUnauthorized, "wrong_room_password")

	pass, err := r.owner.Start(r.ctx, r.at.Room, "")
	owner := r.enter("Ann", pass, err)
	self, err := owner.Self(r.ctx)
	if err != nil || self.Control.Role != "moderator" {
		t.Fatalf("the owner is %+v, %v", self, err)
	}
	r.must(owner.Act(r.ctx, "moderation", "enable_waiting_room", nil), "waiting room")
	r.told(owner, "waiting_room_enabled", "")

	// A guest waits, is let in, is seen, and is thrown out.
	pass, err = r.guest.StartInvited(r.ctx, r.at.Invite, "hush", "")
	guest := r.enter("Gus", pass, err)
	id := r.told(owner, "joined_waiting_room", "").ID
	r.must(owner.Act(r.ctx, "moderation", "accept", map[string]any{"target": id}), "accept")
	r.told(guest, "accepted", "")
	r.must(guest.Act(r.ctx, "control", "enter_room", nil), "enter")
	r.told(guest, "join_success", id)
	r.told(owner, "joined", id)

	// Its connection is cut without a word, and it comes back as the same one.
	guest.Close()
	r.told(owner, "left", id)
	again, err := r.guest.StartInvited(r.ctx, r.at.Invite, "hush", pass.Resumption)
	back := r.enter("Gus", again, err)
	r.told(back, "join_success", id)
	joined := 0
	_, err = owner.Wait(r.ctx, func(m client.Message) bool {
		if m.Name == "joined" && m.ID == id {
			joined++
		}
		return joined == 2
	})
	r.must(err, "the owner sees the guest join again")
	r.must(owner.Kick(r.ctx, id), "kick")
	r.told(back, "kicked", "")
	if end := r.told(back, client.Disconnected, ""); end.Code != 1000 {
		t.Errorf("who is thrown out is closed with %d", end.Code)
	}

	// Somebody who has an account comes in when invited by name, until banned.
	_, err = r.other.Start(r.ctx, r.at.Room, "")
	refused("a user who is not invited", err, http.StatusForbidden, "")
	r.must(r.owner.Invite(r.ctx, r.at.Event, "ben@example.org"), "invite")
	r.must(owner.Act(r.ctx, "moderation", "disable_waiting_room", nil), "no waiting room")
	r.told(owner, "waiting_room_disabled", "")
	pass, err = r.other.Start(r.ctx, r.at.Room, "")
	ben := r.enter("Ben", pass, err)
	id = r.told(ben, "join_success", "").ID
	r.must(owner.Act(r.ctx, "moderation", "ban", map[string]any{"target": id}), "ban")
	r.told(ben, "banned", "")
	r.told(ben, client.Disconnected, "")
	r.told(owner, "left", id)
	_, err = r.other.Start(r.ctx, r.at.Room, "")
	refused("who is banned", err, http.StatusForbidden, "banned_from_room")
}

// TestRelay: who gets out by TURN only meets the others, with the credentials that
// clients are told.
func TestRelay(t *testing.T) {
	n := node.Start(t, node.Options{Config: func(c *config.Config) { c.Media.TURN.UDP = "127.0.0.1:0" }})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	m := &meeting{T: t, ctx: ctx, node: n, room: "relayed"}
	k3k, _ := driver.Lookup("k3k")
	a := m.enter(k3k, "Anna")
	addr, path := n.Place("k3k")
	rest := client.REST{Base: "http://" + addr + path, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	at, err := rest.Named(ctx, m.room)
	m.must(err, "room")
	rest.Token = at.Invite
	var servers []struct {
		Username, Password string
		URIs               []string
	}
	m.must(rest.Do(ctx, http.MethodGet, "/turn", nil, &servers), "turn")
	if len(servers) != 1 || servers[0].URIs[0] != "turn:"+n.Ports().TURN.UDP+"?transport=udp" {
		t.Fatalf("clients are told %+v", servers)
	}
	b := m.enter(k3k, "Ben", func(o *driver.Options) {
		o.Media.Relay = webrtc.ICEServer{URLs: servers[0].URIs, Username: servers[0].Username, Credential: servers[0].Password}
	})
	m.look([]driver.Member{a, b}, []driver.Member{a, b})
}
