package bridge_test

import (
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func TestSettings(t *testing.T) {
	always := func(cmd bridge.Command) func(*scene) bridge.Command {
		return func(*scene) bridge.Command { return cmd }
	}
	did := func(cmds ...bridge.Command) func(*scene) { return func(c *scene) { c.mo.Does(cmds...) } }
	info := func(check func(bridge.Info) bool) func(*testing.T, *scene) {
		return func(t *testing.T, c *scene) {
			t.Helper()
			if i, err := c.Lookup(ctx(t), c.ID); err != nil || !check(i) {
				t.Errorf("the room is %+v, %v", i, err)
			}
		}
	}
	text := func(s string) *string { return &s }
	rows := []row{
		{name: "lock", told: "RoomChanged", cmd: always(bridge.Lock{On: true}), after: info(func(i bridge.Info) bool { return i.Locked })},
		{name: "lock again", before: did(bridge.Lock{On: true}), cmd: always(bridge.Lock{On: true})},
		{name: "unlock", told: "RoomChanged", before: did(bridge.Lock{On: true}), cmd: always(bridge.Lock{}), after: info(func(i bridge.Info) bool { return !i.Locked })},
		{
			name: "secrets", told: "RoomChanged",
			cmd:   always(bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "s", bridge.Listener: ""}}),
			after: info(func(i bridge.Info) bool { return len(i.Secured) == 1 && i.Secured[bridge.Speaker] }),
		},
		{name: "secrets for no role", want: bridge.BadRequest, cmd: always(bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{0: "s"}})},
		{name: "a long secret", want: bridge.BadRequest, cmd: always(bridge.SetSecrets{
			Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: bridge.Secret(strings.Repeat("s", 2000))},
		})},
		{
			name: "title", told: "RoomChanged", before: did(bridge.Describe{About: text("about")}),
			cmd:   always(bridge.Describe{Title: text("title")}),
			after: info(func(i bridge.Info) bool { return i.Title == "title" && i.About == "about" }),
		},
		{name: "no description", cmd: always(bridge.Describe{})},
		{name: "a long title", want: bridge.BadRequest, cmd: always(bridge.Describe{Title: text(strings.Repeat("t", bridge.MaxTitle+1))})},
		{name: "a broken description", want: bridge.BadRequest, cmd: always(bridge.Describe{About: text("\xff")})},
		{name: "an end in the past", want: bridge.BadRequest, cmd: always(bridge.SetEnd{At: time.Unix(1, 0)})},
		{name: "no end as before", cmd: always(bridge.SetEnd{})},
		{name: "maximum", told: "RoomChanged", cmd: always(bridge.SetMax{Max: 2}), after: info(func(i bridge.Info) bool { return i.Max == 2 && i.Members == 4 })},
		{name: "maximum again", before: did(bridge.SetMax{Max: 2}), cmd: always(bridge.SetMax{Max: 2})},
		{name: "less than nobody", want: bridge.BadRequest, cmd: always(bridge.SetMax{Max: -1})},
		{name: "no chat", told: "RoomChanged", cmd: always(bridge.AllowChat{}), after: info(func(i bridge.Info) bool { return !i.Chat })},
		{name: "chat as before", cmd: always(bridge.AllowChat{On: true})},
		{name: "no hands", told: "RoomChanged", cmd: always(bridge.AllowHands{}), after: info(func(i bridge.Info) bool { return !i.Hands })},
		{name: "hands", told: "RoomChanged", before: did(bridge.AllowHands{}), cmd: always(bridge.AllowHands{On: true})},
		{name: "record", told: "Recording", cmd: always(bridge.Record{On: true}), after: info(func(i bridge.Info) bool { return i.Recording })},
		{name: "record again", before: did(bridge.Record{On: true}), cmd: always(bridge.Record{On: true})},
		{name: "stop", told: "Recording", before: did(bridge.Record{On: true}), cmd: always(bridge.Record{}), after: info(func(i bridge.Info) bool { return !i.Recording })},
		{name: "stop again", cmd: always(bridge.Record{})},
		{name: "waiting room", told: "RoomChanged", cmd: always(bridge.SetWaitingRoom{On: true}), after: info(func(i bridge.Info) bool { return i.WaitingRoom })},
		{name: "waiting room again", before: did(bridge.SetWaitingRoom{On: true}), cmd: always(bridge.SetWaitingRoom{On: true})},
	}
	for i := range rows {
		rows[i].by = "mo"
	}
	for _, cmd := range []bridge.Command{
		bridge.Lock{},
		bridge.SetSecrets{},
		bridge.Describe{},
		bridge.SetEnd{},
		bridge.SetMax{},
		bridge.AllowChat{},
		bridge.AllowHands{},
		bridge.Record{},
		bridge.SetWaitingRoom{},
		bridge.CloseRoom{},
		bridge.Admit{},
		bridge.SendToWaiting{},
	} {
		rows = append(rows, row{name: "by a speaker", by: "ann", want: bridge.Forbidden, cmd: always(cmd)})
	}
	run(t, rows)
}

func TestCloseRoom(t *testing.T) {
	for reason, want := range map[bridge.Reason]bridge.Reason{bridge.ByWish: bridge.ByEnd, bridge.ByTimeLimit: bridge.ByTimeLimit} {
		c := newScene(t, bridge.Spec{})
		c.mo.Does(bridge.CloseRoom{Reason: reason})
		for _, m := range []*bridgetest.Member{c.mo, c.ann, c.bob, c.lis} {
			equal(t, "reason", bridgetest.Told[bridge.Ended](m, nil).Reason, want)
			code(t, m.Lost(), bridge.Closed)
			code(t, m.Try(bridge.Rename{}), bridge.Closed)
			m.Leaves()
		}
		_, err := c.Lookup(ctx(t), c.ID)
		code(t, err, bridge.NotFound)
		_, err = c.Local.Join(ctx(t), bridge.JoinRequest{Room: c.ID})
		code(t, err, bridge.NotFound)
	}
}

// Somebody who records and is gone records no more.
func TestRecordingEndsWithItsRecorder(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	rec := c.Join(bridge.JoinRequest{Kind: bridge.Recorder, AtMost: bridge.Moderator})
	rec.Does(bridge.Record{On: true})
	e := bridgetest.Told[bridge.Recording](c.ann, nil)
	equal(t, "hidden ones are not named", e, bridge.Recording{On: true})
	rec.Leaves()
	equal(t, "told", told(c.ann), "Recording")
	equal(t, "view", c.ann.View.Room.Recording, false)
}
