package bridge_test

import (
	"net/netip"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func TestMute(t *testing.T) {
	at := func(who string) func(*scene) []bridge.ParticipantID {
		return func(c *scene) []bridge.ParticipantID { return []bridge.ParticipantID{id(c.who(who))} }
	}
	mute := func(targets func(*scene) []bridge.ParticipantID, track bridge.Track, force, off bool) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command {
			m := bridge.Mute{Track: track, Force: force, Off: off}
			if targets != nil {
				m.Targets = targets(c)
			}
			return m
		}
	}
	sound := func(want bridge.TrackState) func(*testing.T, *scene) {
		return func(t *testing.T, c *scene) {
			c.bob.Lost() // reads
			equal(t, "sound", c.bob.View.Publication(c.cam).Audio, want)
		}
	}
	silenced := func(c *scene) { c.mo.Does(mute(at("ann"), bridge.Audio, true, false)(c)) }
	run(t, []row{
		{name: "asked", by: "mo", cmd: mute(at("ann"), bridge.Audio, false, false), except: map[string]string{"ann": "MuteAsked"}},
		{name: "all asked", by: "mo", told: "MuteAsked", cmd: mute(nil, bridge.Video, false, false), except: map[string]string{"mo": ""}},
		{name: "forced", by: "mo", told: "PublicationChanged", cmd: mute(at("ann"), bridge.Audio, true, false), after: sound(bridge.Silenced)},
		{name: "all forced", by: "mo", told: "PublicationChanged", cmd: mute(nil, bridge.Audio, true, false), after: sound(bridge.Silenced)},
		{name: "forced again", by: "mo", before: silenced, cmd: mute(at("ann"), bridge.Audio, true, false), after: sound(bridge.Silenced)},
		{name: "lifted", by: "mo", told: "PublicationChanged", before: silenced, cmd: mute(at("ann"), bridge.Audio, false, true), after: sound(bridge.Muted)},
		{name: "lifted from all", by: "mo", told: "PublicationChanged", before: silenced, cmd: mute(nil, bridge.Audio, false, true), after: sound(bridge.Muted)},
		{name: "nothing to lift", by: "mo", cmd: mute(at("ann"), bridge.Audio, false, true), after: sound(bridge.Live)},
		{name: "no such track", by: "mo", want: bridge.BadRequest, cmd: mute(nil, 2, false, false)},
		{name: "a stranger", by: "mo", want: bridge.NotFound, cmd: mute(func(*scene) []bridge.ParticipantID {
			return []bridge.ParticipantID{bridge.NewParticipantID()}
		}, bridge.Audio, false, false)},
		{name: "by a speaker", by: "bob", want: bridge.Forbidden, cmd: mute(at("ann"), bridge.Audio, true, false)},
		{
			name: "before there is sound", by: "bob", told: "Published",
			before: func(c *scene) { c.mo.Does(mute(at("bob"), bridge.Audio, true, false)(c)) },
			cmd:    func(*scene) bridge.Command { return camera(bridge.NewPublicationID(), bridge.Live, bridge.Live) },
			after: func(t *testing.T, c *scene) {
				equal(t, "sound", bridgetest.Told[bridge.Published](c.lis, nil).Pub.Audio, bridge.Silenced)
			},
			except: map[string]string{"lis": ""},
		},
		{
			name: "a screen is not meant", by: "mo", told: "PublicationChanged",
			before: func(c *scene) { c.ann.Shares(bridge.Screen) },
			cmd:    mute(at("ann"), bridge.Audio, true, false),
		},
		{
			name: "a screen", by: "mo", told: "PublicationChanged",
			before: func(c *scene) { c.ann.Shares(bridge.Screen) },
			cmd: func(c *scene) bridge.Command {
				return bridge.Mute{Targets: at("ann")(c), Source: bridge.Screen, Track: bridge.Video, Force: true}
			},
			after: func(t *testing.T, c *scene) {
				e := bridgetest.Told[bridge.PublicationChanged](c.bob, nil)
				equal(t, "source", e.Pub.Source, bridge.Screen)
				equal(t, "picture", e.Pub.Video, bridge.Silenced)
				equal(t, "by", e.By, id(c.mo))
				code(t, c.ann.Try(bridge.SetTrack{ID: e.Pub.ID, Track: bridge.Video}), bridge.Forbidden)
			},
			except: map[string]string{"bob": ""},
		},
		{name: "a screen cannot be asked for", by: "mo", want: bridge.BadRequest, cmd: func(c *scene) bridge.Command {
			return bridge.Mute{Targets: at("ann")(c), Source: bridge.Screen, Track: bridge.Video}
		}},
		{name: "no such source", by: "mo", want: bridge.BadRequest, cmd: func(c *scene) bridge.Command {
			return bridge.Mute{Targets: at("ann")(c), Source: 2, Force: true}
		}},
	})
}

func TestRolesOfOthers(t *testing.T) {
	role := func(who string, r bridge.Role) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command { return bridge.SetRole{Target: id(c.who(who)), Role: r} }
	}
	permit := func(who string, add, remove bridge.Permissions) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command {
			return bridge.Permit{Target: id(c.who(who)), Add: add, Remove: remove}
		}
	}
	run(t, []row{
		{name: "the same role", by: "mo", cmd: role("ann", bridge.Speaker)},
		{
			name: "a listener now", by: "mo", told: "Unpublished Changed", cmd: role("ann", bridge.Listener),
			after: func(t *testing.T, c *scene) {
				e := bridgetest.Told[bridge.Changed](c.bob, nil)
				equal(t, "role", e.P.Role, bridge.Listener)
				equal(t, "permissions", e.P.Can, bridge.Listener.Permissions())
				equal(t, "what", e.What, bridge.RoleChanged)
			},
			except: map[string]string{"bob": ""},
		},
		{name: "beyond the grant", by: "mo", want: bridge.Forbidden, cmd: role("lis", bridge.Speaker)},
		{name: "no such role", by: "mo", want: bridge.BadRequest, cmd: role("lis", 9)},
		{name: "no role", by: "mo", want: bridge.BadRequest, cmd: role("lis", bridge.NoRole)},
		{name: "by a speaker", by: "bob", want: bridge.Forbidden, cmd: role("lis", bridge.Listener)},
		{name: "a stranger", by: "mo", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.SetRole{Role: bridge.Listener}
		}},
		{
			name: "no microphone any more", by: "mo", told: "PublicationChanged Changed", cmd: permit("ann", 0, bridge.PublishAudio),
			after: func(t *testing.T, c *scene) {
				equal(t, "sound", bridgetest.Told[bridge.PublicationChanged](c.bob, nil).Pub.Audio, bridge.Absent)
			},
			except: map[string]string{"bob": "Changed"},
		},
		{
			name: "no screen any more", by: "mo", told: "Unpublished Changed", cmd: permit("ann", 0, bridge.PublishScreen),
			before: func(c *scene) { c.ann.Shares(bridge.Screen) },
		},
		{
			name: "no hand any more", by: "mo", told: "Changed", cmd: permit("ann", 0, bridge.RaisingHand),
			before: func(c *scene) { c.ann.Does(bridge.RaiseHand{Up: true}) },
			after: func(t *testing.T, c *scene) {
				e := bridgetest.Told[bridge.Changed](c.bob, nil)
				equal(t, "what", e.What, bridge.RoleChanged|bridge.HandChanged)
				equal(t, "hand is down", e.P.Hand.IsZero(), true)
			},
			except: map[string]string{"bob": ""},
		},
		{name: "permit beyond the grant", by: "mo", want: bridge.Forbidden, cmd: permit("ann", bridge.Kicking, 0)},
		{
			name: "permit what was taken", by: "mo", told: "Changed", cmd: permit("ann", bridge.PublishAudio, 0),
			before: func(c *scene) { c.mo.Does(permit("ann", 0, bridge.PublishAudio)(c)) },
		},
		{name: "permit nothing", by: "mo", cmd: permit("ann", 0, 0)},
		{name: "permit by a speaker", by: "bob", want: bridge.Forbidden, cmd: permit("ann", 0, bridge.Chatting)},
		{name: "permit a stranger", by: "mo", want: bridge.NotFound, cmd: func(*scene) bridge.Command { return bridge.Permit{} }},
	})
}

// A participant whom nothing limits but the room can be made anything, though not
// by one who is less.
func TestNobodyGivesWhatTheyDoNotHave(t *testing.T) {
	c := newScene(t, bridge.Spec{Default: bridge.Speaker})
	free := c.Join(bridge.JoinRequest{Name: "Free"})
	service := c.Service()
	boss := c.Join(bridge.JoinRequest{Name: "Boss", Add: bridge.Managing})
	code(t, boss.Try(bridge.SetRole{Target: id(free), Role: bridge.Moderator}), bridge.Forbidden)
	code(t, boss.Try(bridge.Permit{Target: id(free), Add: bridge.Kicking}), bridge.Forbidden)
	code(t, boss.Try(bridge.Permit{Target: id(free), Add: bridge.Managing}), 0)
	code(t, service.Try(bridge.SetRole{Target: id(free), Role: bridge.Moderator}), 0)
	code(t, free.Try(bridge.SetRole{Target: id(boss), Role: bridge.Listener}), 0)
	e := bridgetest.Told(c.mo, func(e bridge.Changed) bool { return e.P.ID == id(boss) })
	equal(t, "what the gate granted above the role stays", e.P.Can, bridge.Listener.Permissions()|bridge.Managing)
}

// What somebody does without at first can be permitted later.
func TestWithout(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	shy := c.Join(bridge.JoinRequest{
		Name: "Shy", AtMost: bridge.Speaker, Add: bridge.Kicking, Without: bridge.PublishAudio | bridge.PublishVideo | bridge.PublishScreen | bridge.Kicking,
	})
	equal(t, "role", shy.At.Self.Role, bridge.Speaker)
	equal(t, "permitted", shy.At.Self.Can, bridge.Listener.Permissions())
	e := bridgetest.Told(c.mo, func(e bridge.Joined) bool { return e.P.ID == id(shy) })
	equal(t, "told to others", e.P.Can, bridge.Listener.Permissions())
	code(t, shy.Try(camera(bridge.NewPublicationID(), bridge.Live, bridge.Live)), bridge.Forbidden)
	c.mo.Does(bridge.Permit{Target: id(shy), Add: bridge.PublishAudio | bridge.PublishVideo | bridge.Kicking})
	code(t, shy.Try(camera(bridge.NewPublicationID(), bridge.Live, bridge.Live)), 0)
}

func TestLowerHands(t *testing.T) {
	raise := func(c *scene) {
		c.ann.Does(bridge.RaiseHand{Up: true})
		c.lis.Does(bridge.RaiseHand{Up: true})
	}
	run(t, []row{
		{
			name: "all", by: "mo", told: "HandsLowered Changed Changed", before: raise,
			cmd: func(*scene) bridge.Command { return bridge.LowerHands{} },
		},
		{
			name: "one", by: "mo", told: "HandsLowered Changed", before: raise,
			cmd: func(c *scene) bridge.Command {
				return bridge.LowerHands{Targets: []bridge.ParticipantID{id(c.lis), id(c.lis), id(c.bob)}}
			},
		},
		{name: "none is up", by: "mo", cmd: func(*scene) bridge.Command { return bridge.LowerHands{} }},
		{name: "a stranger's", by: "mo", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.LowerHands{Targets: []bridge.ParticipantID{bridge.NewParticipantID()}}
		}},
		{name: "by a speaker", by: "bob", want: bridge.Forbidden, cmd: func(*scene) bridge.Command { return bridge.LowerHands{} }},
		{
			name: "switched off", by: "mo", told: "RoomChanged HandsLowered Changed Changed", before: raise,
			cmd: func(*scene) bridge.Command { return bridge.AllowHands{} },
		},
	})
}

func TestKick(t *testing.T) {
	kick := func(who string) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command { return bridge.Kick{Target: id(c.who(who)), Reason: "noise"} }
	}
	run(t, []row{
		{
			name: "kick", by: "mo", told: "Unpublished Left", cmd: kick("ann"),
			after: func(t *testing.T, c *scene) {
				left := bridgetest.Told[bridge.Left](c.bob, nil)
				equal(t, "who", left.P.ID, id(c.ann))
				equal(t, "why", left.Reason, bridge.ByModerator)
				equal(t, "by", left.By, id(c.mo))
				equal(t, "what was said", left.Text, "noise")
				k := bridgetest.Told[bridge.Kicked](c.ann, nil)
				equal(t, "by", k, bridge.Kicked{By: id(c.mo), Reason: "noise"})
				code(t, c.ann.Lost(), bridge.Closed)
				code(t, c.ann.Try(bridge.Rename{}), bridge.Closed)
			},
			except: map[string]string{"ann": "", "bob": ""},
		},
		{name: "by a speaker", by: "bob", want: bridge.Forbidden, cmd: kick("ann")},
		{name: "a stranger", by: "mo", want: bridge.NotFound, cmd: func(*scene) bridge.Command { return bridge.Kick{} }},
		{name: "for a long reason", by: "mo", want: bridge.BadRequest, cmd: func(c *scene) bridge.Command {
			return bridge.Kick{Target: id(c.ann), Reason: strings.Repeat("r", bridge.MaxName+1)}
		}},
		{
			name: "invite", by: "mo", except: map[string]string{"ann": "Invited"},
			cmd: func(c *scene) bridge.Command { return bridge.MoveTo{Target: id(c.ann), Room: " elsewhere "} },
		},
		{name: "invite nowhere", by: "mo", want: bridge.BadRequest, cmd: func(c *scene) bridge.Command {
			return bridge.MoveTo{Target: id(c.ann)}
		}},
		{name: "invite a stranger", by: "mo", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.MoveTo{Room: "x"}
		}},
		{name: "invite by a speaker", by: "bob", want: bridge.Forbidden, cmd: func(c *scene) bridge.Command {
			return bridge.MoveTo{Target: id(c.ann), Room: "x"}
		}},
	})
}

func TestBan(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	join := func(user bridge.UserID, from string) (*bridge.Session, error) {
		req := bridge.JoinRequest{Room: c.ID, User: user, AtMost: bridge.Speaker}
		if from != "" {
			req.Remote = netip.MustParseAddr(from)
		}
		return c.Local.Join(ctx(t), req)
	}
	ban := func(user bridge.UserID, from string) {
		t.Helper()
		s, err := join(user, from)
		code(t, err, 0)
		c.mo.Does(bridge.Kick{Target: s.At.Self.ID, Ban: true})
		equal(t, "banned", bridgetest.Told[bridge.Left](c.mo, nil).P.ID, s.At.Self.ID)
	}
	refused := func(user bridge.UserID, from string, want bridge.Code) {
		t.Helper()
		_, err := join(user, from)
		code(t, err, want)
	}
	ban("oidc:eve", "192.0.2.1")
	refused("oidc:eve", "192.0.2.2", bridge.Banned)
	refused("", "192.0.2.1", 0)
	refused("oidc:adam", "192.0.2.1", 0)
	ban("", "192.0.2.3")
	refused("", "192.0.2.3", bridge.Banned)
	refused("", "::ffff:192.0.2.3", bridge.Banned)
	refused("oidc:adam", "192.0.2.3", 0)
	ban("", "2001:db8::1")
	refused("", "2001:db8::2", bridge.Banned)
	refused("", "2001:db8:0:1::2", 0)
	_, err := c.Local.Join(ctx(t), bridge.JoinRequest{
		Room: c.ID, Kind: bridge.Service, AtMost: bridge.Moderator, Remote: netip.MustParseAddr("192.0.2.3"),
	})
	code(t, err, 0)
	ban("", "") // nothing to know it by
	refused("", "", 0)
}

func TestBansAreBounded(t *testing.T) {
	c := bridgetest.NewRoom(t, bridge.Spec{})
	mo := c.Enter("Mo", bridge.Moderator)
	target := func(i int) bridge.ParticipantID {
		return c.Join(bridge.JoinRequest{User: bridge.UserID(string(rune('a' + i))), AtMost: bridge.Speaker}).At.Self.ID
	}
	for i := range bridge.MaxBans {
		mo.Does(bridge.Kick{Target: target(i), Ban: true})
		mo.Unread()
	}
	last := target(bridge.MaxBans)
	code(t, mo.Try(bridge.Kick{Target: last, Ban: true}), bridge.TooMany)
	code(t, mo.Try(bridge.Kick{Target: last}), 0)
}
