package bridge_test

import (
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func camera(id bridge.PublicationID, audio, video bridge.TrackState, rids ...string) bridge.Publish {
	p := bridge.Publication{ID: id, Source: bridge.Camera, Audio: audio, Video: video}
	for _, rid := range rids {
		p.Layers = append(p.Layers, bridge.Layer{RID: rid})
	}
	return bridge.Publish{Publication: p}
}

func screen(audio, video bridge.TrackState) bridge.Publish {
	return bridge.Publish{Publication: bridge.Publication{
		ID: bridge.NewPublicationID(), Source: bridge.Screen, Audio: audio, Video: video,
	}}
}

func TestPublish(t *testing.T) {
	fresh := bridge.NewPublicationID
	run(t, []row{
		{
			name: "a camera", by: "bob", told: "Published",
			cmd: func(c *scene) bridge.Command { return camera(fresh(), bridge.Live, bridge.Muted, "q", "h", "f") },
			after: func(t *testing.T, c *scene) {
				p := bridgetest.Told[bridge.Published](c.lis, nil).Pub
				equal(t, "owner", p.Owner, id(c.bob))
				equal(t, "layers", len(p.Layers), 3)
			},
			except: map[string]string{"lis": ""},
		},
		{
			name: "a screen", by: "ann", told: "Published",
			cmd: func(*scene) bridge.Command { return screen(bridge.Absent, bridge.Live) },
		},
		{
			name: "the same again", by: "ann",
			cmd: func(c *scene) bridge.Command { return camera(c.cam, bridge.Live, bridge.Live) },
		},
		{
			name: "another state", by: "ann", told: "PublicationChanged",
			cmd: func(c *scene) bridge.Command { return camera(c.cam, bridge.Live, bridge.Absent) },
		},
		{name: "somebody else's id", by: "bob", want: bridge.Exists, cmd: func(c *scene) bridge.Command {
			return camera(c.cam, bridge.Live, bridge.Live)
		}},
		{name: "a camera turns into a screen", by: "ann", want: bridge.Exists, cmd: func(c *scene) bridge.Command {
			p := screen(bridge.Live, bridge.Live)
			p.Publication.ID = c.cam
			return p
		}},
		{name: "no id", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return camera(bridge.PublicationID{}, bridge.Live, bridge.Live)
		}},
		{name: "no such source", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.Publish{Publication: bridge.Publication{ID: fresh(), Source: 7}}
		}},
		{name: "silenced by oneself", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Silenced, bridge.Live)
		}},
		{name: "too many layers", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Live, bridge.Live, "1", "2", "3", "4", "5", "6", "7", "8", "9")
		}},
		{name: "a layer with a bad name", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Live, bridge.Live, "a b")
		}},
		{name: "two layers of one name", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Live, bridge.Live, "q", "q")
		}},
		{name: "a listener's microphone", by: "lis", want: bridge.Forbidden, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Live, bridge.Absent)
		}},
		{name: "a listener's camera", by: "lis", want: bridge.Forbidden, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Absent, bridge.Muted)
		}},
		{name: "a listener's nothing", by: "lis", want: bridge.Forbidden, cmd: func(*scene) bridge.Command {
			return camera(fresh(), bridge.Absent, bridge.Absent)
		}},
		{name: "a listener's screen", by: "lis", want: bridge.Forbidden, cmd: func(*scene) bridge.Command {
			return screen(bridge.Absent, bridge.Live)
		}},
		{
			name: "too many", by: "bob", want: bridge.TooMany,
			before: func(c *scene) {
				for range bridge.MaxPublications {
					c.bob.Shares(bridge.Screen)
				}
			},
			cmd: func(*scene) bridge.Command { return screen(bridge.Absent, bridge.Live) },
		},
		{
			name: "unpublish", by: "ann", told: "Unpublished",
			cmd: func(c *scene) bridge.Command { return bridge.Unpublish{ID: c.cam} },
		},
		{
			name: "unpublish by a moderator", by: "mo", told: "Unpublished",
			cmd: func(c *scene) bridge.Command { return bridge.Unpublish{ID: c.cam} },
		},
		{name: "unpublish by another", by: "bob", want: bridge.Forbidden, cmd: func(c *scene) bridge.Command {
			return bridge.Unpublish{ID: c.cam}
		}},
		{name: "unpublish nothing", by: "ann", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.Unpublish{ID: fresh()}
		}},
	})
}

func TestTracks(t *testing.T) {
	silence := func(c *scene) {
		c.mo.Does(bridge.Mute{Targets: []bridge.ParticipantID{id(c.ann)}, Force: true})
	}
	set := func(track bridge.Track, muted bool) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command { return bridge.SetTrack{ID: c.cam, Track: track, Muted: muted} }
	}
	state := func(want bridge.TrackState) func(*testing.T, *scene) {
		return func(t *testing.T, c *scene) {
			c.bob.Lost() // reads
			equal(t, "sound", c.bob.View.Publication(c.cam).Audio, want)
		}
	}
	run(t, []row{
		{name: "mute", by: "ann", told: "PublicationChanged", cmd: set(bridge.Audio, true), after: state(bridge.Muted)},
		{name: "live already", by: "ann", cmd: set(bridge.Audio, false), after: state(bridge.Live)},
		{
			name: "unmute", by: "ann", told: "PublicationChanged", cmd: set(bridge.Audio, false), after: state(bridge.Live),
			before: func(c *scene) { c.ann.Does(bridge.SetTrack{ID: c.cam, Muted: true}) },
		},
		{name: "video", by: "ann", told: "PublicationChanged", cmd: set(bridge.Video, true), after: state(bridge.Live)},
		{name: "of another", by: "mo", want: bridge.Forbidden, cmd: set(bridge.Audio, true)},
		{name: "no such track", by: "ann", want: bridge.BadRequest, cmd: set(7, true)},
		{
			name: "absent track", by: "ann", want: bridge.BadRequest, cmd: set(bridge.Video, true),
			before: func(c *scene) { c.ann.Does(camera(c.cam, bridge.Live, bridge.Absent)) },
		},
		{name: "no such stream", by: "ann", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.SetTrack{ID: bridge.NewPublicationID()}
		}},
		{name: "silenced", by: "ann", want: bridge.Forbidden, before: silence, cmd: set(bridge.Audio, false), after: state(bridge.Silenced)},
		{name: "muted while silenced", by: "ann", before: silence, cmd: set(bridge.Audio, true), after: state(bridge.Silenced)},
		{
			name: "published anew while silenced", by: "ann", before: silence, after: state(bridge.Silenced),
			cmd: func(c *scene) bridge.Command { return camera(c.cam, bridge.Live, bridge.Live) },
		},
		{
			name: "another stream while silenced", by: "ann", told: "Published",
			before: func(c *scene) {
				silence(c)
				c.ann.Does(bridge.Unpublish{ID: c.cam})
			},
			cmd:   func(c *scene) bridge.Command { return camera(c.cam, bridge.Live, bridge.Live) },
			after: state(bridge.Silenced),
		},
	})
}

func TestWanted(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	c.ann.Does(camera(c.cam, bridge.Live, bridge.Live, "q", "h", "f"))
	c.quiet()
	wanted := func(want string) {
		t.Helper()
		events := c.ann.Unread()
		if want == "-" {
			equal(t, "events", len(events), 0)
			return
		}
		if len(events) != 1 || events[0] != (bridge.Wanted{ID: c.cam, Layer: want}) {
			t.Fatalf("told %+v, want Wanted %q", events, want)
		}
	}
	want := func(m *bridgetest.Member, layer string) bridge.Want { return bridge.Want{ID: c.cam, Layer: layer} }
	c.bob.Does(bridge.Subscribe{ID: c.cam}, bridge.Subscribe{ID: c.cam})
	wanted("-")
	c.bob.Does(want(c.bob, "q"))
	wanted("q")
	c.lis.Does(want(c.lis, "f"))
	wanted("f")
	c.mo.Does(want(c.mo, "h"))
	wanted("-")
	c.mo.Does(want(c.mo, "unheard-of"))
	wanted("unheard-of")
	c.mo.Does(want(c.mo, "another"), want(c.mo, "h"))
	wanted("f")
	c.lis.Leaves()
	c.ann.Unread()
	c.bob.Does(bridge.Unsubscribe{ID: c.cam}, bridge.Unsubscribe{ID: c.cam})
	c.mo.Does(want(c.mo, ""))
	wanted("")
	code(t, c.mo.Try(want(c.mo, "a b")), bridge.BadRequest)
	code(t, c.mo.Try(bridge.Want{ID: bridge.NewPublicationID()}), bridge.NotFound)
	code(t, c.mo.Try(bridge.Subscribe{ID: bridge.NewPublicationID()}), bridge.NotFound)
	code(t, c.mo.Try(bridge.Unsubscribe{ID: bridge.NewPublicationID()}), 0)
	c.mo.Does(bridge.Permit{Target: id(c.bob), Remove: bridge.Subscribing})
	code(t, c.bob.Try(bridge.Subscribe{ID: c.cam}), bridge.Forbidden)
	code(t, c.bob.Try(want(c.bob, "q")), bridge.Forbidden)
}

func TestWantedGoesWithItsReceiver(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	layer := func(want string) {
		t.Helper()
		equal(t, "wanted", bridgetest.Told[bridge.Wanted](c.ann, nil).Layer, want)
	}
	c.bob.Does(bridge.Want{ID: c.cam, Layer: "f"})
	layer("f")
	c.mo.Does(bridge.Permit{Target: id(c.bob), Remove: bridge.Subscribing})
	layer("")
	c.lis.Does(bridge.Want{ID: c.cam, Layer: "h"})
	layer("h")
	c.lis.Leaves()
	layer("")
}
