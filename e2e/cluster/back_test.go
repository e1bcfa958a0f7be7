package cluster

import (
	"context"
	"syscall"
	"testing"

	"dragoman/dialects/asn/client"
	"dragoman/e2e/driver"
)

// TestComeBackElsewhere: a party of asn whose connection is lost comes back to another
// node with its session token. It is the same for the others, who see it neither leave
// nor come; when its node is lost, too, the token is of no use, and it comes anew.
func TestComeBackElsewhere(t *testing.T) {
	c := three(t)
	ben := c.enter(c.nodes[1], dialect(t, "k3k"), "meeting", "Ben")
	at := func(n *node) client.Config { return client.Config{URL: "ws://" + n.ports.HTTP + "/asn/ws"} }
	var ann *client.Client
	join := func(n *node, ticket client.Ticket) (err error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if ann, err = client.Join(ctx, at(n), ticket); err == nil {
			t.Cleanup(ann.Kill)
		}
		return err
	}
	if err := join(c.nodes[0], client.Ticket{Conference: "meeting", Name: "Ann"}); err != nil {
		t.Fatal(err)
	}
	c.attend(patience, "meeting", "Ann", "Ben")
	id := c.nodes[2].id("meeting", "Ann")
	session, err := ann.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{c.nodes[2], c.nodes[0], c.nodes[1], c.nodes[0]} {
		ann.Kill()
		if err := join(n, client.Ticket{Conference: "meeting", Name: "Ann", Session: session}); err != nil {
			t.Fatalf("comes back to %s: %v", n.name, err)
		}
		self, err := ann.Self(t.Context())
		if err != nil || self == nil || self.PartyID != id {
			t.Fatalf("came back to %s as %+v, %v; was %s", n.name, self, err, id)
		}
		c.attend(patience, "meeting", "Ann", "Ben")
	}
	c.see([]*person{ben}, driver.Sight{What: driver.Came, Who: "Ann"})
	c.times([]*person{ben}, driver.Sight{What: driver.Came, Who: "Ann"}, 1)
	c.times([]*person{ben}, driver.Sight{What: driver.Left, Who: "Ann"}, 0)

	c.nodes[0].signal(syscall.SIGKILL)
	ann.Kill()
	c.until("the others know", func() bool { return len(c.nodes[1].list()) == 2 })
	if err := join(c.nodes[2], client.Ticket{Conference: "meeting", Name: "Ann", Session: session}); err == nil {
		t.Error("a seat outlives its node")
	}
	if err := join(c.nodes[2], client.Ticket{Conference: "meeting", Name: "Ann"}); err != nil {
		t.Fatal(err)
	}
	c.attend(patience, "meeting", "Ann", "Ben")
}
