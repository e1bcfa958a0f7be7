package bridge_test

import (
	"maps"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func TestAboutOneself(t *testing.T) {
	noHands := bridge.Spec{NoHands: true}
	run(t, []row{
		{
			name: "rename", by: "ann", told: "Changed",
			cmd: func(*scene) bridge.Command { return bridge.Rename{Name: "Anna"} },
			after: func(t *testing.T, c *scene) {
				e := bridgetest.Told[bridge.Changed](c.bob, nil)
				equal(t, "name", e.P.Name, "Anna")
				equal(t, "what", e.What, bridge.NameChanged)
				equal(t, "by", e.By, id(c.ann))
				c.ann.Does(bridge.Rename{Name: "Anna"}) // tells nothing
			},
			except: map[string]string{"bob": ""},
		},
		{name: "a long name", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.Rename{Name: strings.Repeat("n", bridge.MaxName+1)}
		}},
		{name: "a broken name", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.Rename{Name: "\xff"}
		}},
		{
			name: "attributes", by: "ann", told: "Changed",
			before: func(c *scene) { c.ann.Does(bridge.SetAttrs{Attrs: map[string]string{"a": "1", "b": "2"}}) },
			cmd: func(*scene) bridge.Command {
				return bridge.SetAttrs{Attrs: map[string]string{"a": "", "c": "3"}}
			},
			after: func(t *testing.T, c *scene) {
				have := bridgetest.Told[bridge.Changed](c.mo, nil).P.Attrs
				if want := map[string]string{"b": "2", "c": "3"}; !maps.Equal(have, want) {
					t.Errorf("attributes are %v, want %v", have, want)
				}
				c.ann.Does(bridge.SetAttrs{Attrs: map[string]string{"c": "3"}}) // tells nothing
			},
			except: map[string]string{"mo": ""},
		},
		{name: "too many attributes", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.SetAttrs{Attrs: map[string]string{"a": strings.Repeat("x", bridge.MaxAttrs)}}
		}},
		{name: "a nameless attribute", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.SetAttrs{Attrs: map[string]string{"": "x"}}
		}},
		{name: "choose a group", by: "ann", want: bridge.Forbidden, cmd: func(*scene) bridge.Command {
			return bridge.SetAttrs{Attrs: map[string]string{bridge.AttrGroups: "admins"}}
		}},
		{
			name: "raise a hand", by: "lis", told: "Changed",
			cmd: func(*scene) bridge.Command { return bridge.RaiseHand{Up: true} },
			after: func(t *testing.T, c *scene) {
				c.lis.Does(bridge.RaiseHand{Up: true}) // tells nothing
				if bridgetest.Told[bridge.Changed](c.mo, nil).P.Hand.IsZero() {
					t.Error("the hand is down")
				}
			},
			except: map[string]string{"mo": ""},
		},
		{
			name: "lower a hand", by: "lis", told: "Changed",
			before: func(c *scene) { c.lis.Does(bridge.RaiseHand{Up: true}) },
			cmd:    func(*scene) bridge.Command { return bridge.RaiseHand{} },
		},
		{name: "no hands", spec: noHands, by: "lis", want: bridge.NotSupported, cmd: func(*scene) bridge.Command {
			return bridge.RaiseHand{Up: true}
		}},
		{name: "lower where none are", spec: noHands, by: "lis", cmd: func(*scene) bridge.Command {
			return bridge.RaiseHand{}
		}},
		{
			name: "raise without leave", by: "lis", want: bridge.Forbidden,
			before: func(c *scene) { c.mo.Does(bridge.Permit{Target: id(c.lis), Remove: bridge.RaisingHand}) },
			cmd:    func(*scene) bridge.Command { return bridge.RaiseHand{Up: true} },
		},
		{
			name: "talk", by: "ann", told: "Talking",
			cmd: func(*scene) bridge.Command { return bridge.ReportTalking{On: true} },
			after: func(t *testing.T, c *scene) {
				info, err := c.Lookup(ctx(t), c.ID)
				code(t, err, 0)
				equal(t, "speaker", info.Speaker, id(c.ann))
			},
		},
		{name: "talk without sound", by: "bob", cmd: func(*scene) bridge.Command {
			return bridge.ReportTalking{On: true}
		}},
		{
			name: "muted in the middle of a word", by: "ann", told: "PublicationChanged Talking",
			before: func(c *scene) { c.ann.Does(bridge.ReportTalking{On: true}) },
			cmd: func(c *scene) bridge.Command {
				return bridge.SetTrack{ID: c.cam, Track: bridge.Audio, Muted: true}
			},
		},
		{
			name: "gone in the middle of a word", by: "ann", told: "Unpublished Talking",
			before: func(c *scene) { c.ann.Does(bridge.ReportTalking{On: true}) },
			cmd:    func(c *scene) bridge.Command { return bridge.Unpublish{ID: c.cam} },
		},
		{
			name: "quality", by: "ann", told: "Quality",
			cmd:   func(*scene) bridge.Command { return bridge.ReportQuality{Score: 0} },
			after: func(_ *testing.T, c *scene) { c.ann.Does(bridge.ReportQuality{Score: 0}) },
		},
		{name: "impossible quality", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.ReportQuality{Score: 6}
		}},
		{name: "no command", by: "ann", want: bridge.BadRequest, cmd: func(*scene) bridge.Command { return nil }},
		{name: "enter again", by: "ann", cmd: func(*scene) bridge.Command { return bridge.Enter{} }},
	})
}
