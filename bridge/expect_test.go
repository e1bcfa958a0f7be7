package bridge_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dragoman/bridge"
)

// TestExpected: in a room that was opened anew, those who are not there yet are not
// missed, as long as they are on the way: who comes is told what is different about
// them, and only then that they left.
func TestExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, bridge.Spec{ID: "r"})
		hidden, err := c.Local.Join(ctx(t), bridge.JoinRequest{Room: "r", Kind: bridge.Service})
		code(t, err, 0)
		was, err := c.Surrender(ctx(t), "r")
		code(t, err, 0)
		claims := claimsOf(was)
		at := func(who bridge.ParticipantID) bridge.Claim {
			return claims[slices.IndexFunc(claims, func(c bridge.Claim) bool { return c.Member.Participant.ID == who })]
		}
		l := newLocal(t, bridge.LocalConfig{})
		code(t, l.Revive(was), 0)
		bob := bridge.NewTrunk(0)
		is, _, err := l.Take(ctx(t), "r", bob, []bridge.Claim{at(id(c.bob))})
		code(t, err, 0)
		equal(t, "members, the hidden one aside", len(is.Members), 4)
		equal(t, "streams", len(is.Publications), 1)
		if slices.ContainsFunc(is.Members, func(m bridge.Member) bool { return m.Participant.ID == hidden.At.Self.ID }) {
			t.Error("a hidden one is expected")
		}
		ann := at(id(c.ann))
		ann.Member.Participant.Hand = time.Now()
		ann.Publications = nil
		_, links, err := l.Take(ctx(t), "r", bridge.NewTrunk(0), []bridge.Claim{ann})
		code(t, err, 0)
		code(t, links[0].Do(ctx(t), bridge.Rename{Name: "Anna"}), 0)
		time.Sleep(10 * time.Second) // in a synctest bubble
		told := map[string]int{}
		parcels, err := bob.Take()
		code(t, err, 0)
		for _, p := range parcels {
			switch e := p.Event.(type) {
			case bridge.Left:
				told["left "+e.P.Name]++
			case bridge.Joined:
				told["joined "+e.P.Name]++
			case bridge.Changed:
				told["changed "+e.P.Name]++
			case bridge.Unpublished:
				told["unpublished"]++
			}
		}
		for _, what := range []string{"left Mo", "left Lis", "unpublished"} {
			equal(t, what, told[what], 1)
			delete(told, what)
		}
		delete(told, "changed Ann")
		delete(told, "changed Anna")
		equal(t, "told besides", len(told), 0)
		after, _, err := l.Take(ctx(t), "r", bridge.NewTrunk(0), nil)
		code(t, err, 0)
		equal(t, "members", len(after.Members), 2)
		info, err := l.Lookup(ctx(t), "r")
		code(t, err, 0)
		equal(t, "inside", info.Members, 2)
	})
}
