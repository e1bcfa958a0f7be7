package cluster_test

import (
	"testing"
	"time"

	"dragoman/bridge"
)

// TestResumeElsewhere: a client that comes back to another node has its seat again, by
// the token that the first one gave it: in a room that is locked and has a password,
// with its role, once. The others see that it is back, and neither leave nor join.
func TestResumeElsewhere(t *testing.T) {
	for owner := range 3 { // the old node's, the new one's, or the third one's
		inTown(t, 3, func(t *testing.T, c *town) {
			room := c.roomOf(c.Nodes[owner])
			mo := c.join(c.Nodes[2], bridge.JoinRequest{Room: room, Name: "Mo", AtMost: bridge.Moderator, Create: &bridge.Spec{}})
			ann := c.join(c.Nodes[0], bridge.JoinRequest{Room: room, Name: "Ann", Dialect: "toy", Attrs: map[string]string{"a": "b"}, AtMost: bridge.Speaker})
			ann.must(bridge.Publish{Publication: bridge.Publication{ID: bridge.NewPublicationID(), Audio: bridge.Live}})
			ann.must(bridge.RaiseHand{Up: true})
			mo.must(bridge.SetSecrets{Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "s", bridge.Listener: "l", bridge.Moderator: "m"}})
			mo.must(bridge.Lock{On: true})
			token := ann.Detach(t.Context(), time.Minute)
			if token == "" {
				t.Fatal("no token")
			}
			time.Sleep(time.Second) // in a synctest bubble
			c.read()
			mo.told = nil
			back, err := c.Nodes[1].Resume(t.Context(), token)
			if err != nil {
				t.Fatalf("owner %d: %v", owner, err)
			}
			self := back.At.Self
			if self.ID != ann.At.Self.ID || self.Name != "Ann" || self.Role != bridge.Speaker || self.Hand.IsZero() || self.Away || self.Attrs["a"] != "b" {
				t.Errorf("owner %d: came back as %+v", owner, self)
			}
			if back.Memo != nil || len(back.At.Participants) != 1 || len(back.At.Publications) != 0 {
				t.Errorf("owner %d: %+v", owner, back.At)
			}
			if err := back.Do(t.Context(), bridge.RaiseHand{}); err != nil {
				t.Errorf("owner %d: %v", owner, err)
			}
			time.Sleep(10 * time.Second) // in a synctest bubble
			c.read()
			if got := mo.changed(); len(got) != 1 || got["a stream"] != 1 {
				t.Errorf("owner %d: the other one was told %v", owner, got)
			}
			for i, n := range c.Nodes {
				if _, err := n.Resume(t.Context(), token); bridge.CodeOf(err) != bridge.NotFound {
					t.Errorf("the token is good twice, at node %d: %v", i, err)
				}
			}
			if info, err := c.Nodes[2].Lookup(t.Context(), room); err != nil || info.Members != 2 {
				t.Errorf("owner %d: %+v, %v", owner, info, err)
			}
			if err := back.Leave(t.Context(), bridge.ByWish); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestResumeOfTheDead: a seat is gone with its node.
func TestResumeOfTheDead(t *testing.T) {
	inTown(t, 2, func(t *testing.T, c *town) {
		room := c.roomOf(c.Nodes[1])
		ann := c.join(c.Nodes[0], bridge.JoinRequest{Room: room, Name: "Ann"})
		token := ann.Detach(t.Context(), time.Minute)
		c.Kill(c.Nodes[0])
		if _, err := c.Nodes[1].Resume(t.Context(), token); bridge.CodeOf(err) != bridge.NotFound {
			t.Errorf("%v", err)
		}
		if _, err := c.Nodes[1].Resume(t.Context(), ""); bridge.CodeOf(err) != bridge.NotFound {
			t.Errorf("without a token: %v", err)
		}
	})
}
