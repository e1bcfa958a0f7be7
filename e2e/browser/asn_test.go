package browser

import (
	"fmt"
	"strings"
	"testing"

	"dragoman/e2e/node"
)

// TestLobbyAsn lets the first one in a room, who has made it and so moderates it,
// and one of another dialect switch devices off and on, which both see and hear; and
// the moderator removes the other.
func TestLobbyAsn(t *testing.T) {
	n := node.Start(t, node.Options{})
	anna := enter(t, n, t.Name(), "Anna", "asn")
	kim := enter(t, n, t.Name(), "Kim", "k3k")
	anna.meets(kim)
	kim.meets(anna)
	silence(anna, kim)
	silence(kim, anna)
	darken(anna, kim)
	darken(kim, anna)
	anna.run(`window.lobby.kick((await window.lobby.stats()).participants.find((p) => p.name === "Kim").id)`)
	kim.until("is told that a moderator has removed her", func(s stats) error {
		if s.State != "idle" || !strings.Contains(s.Problem, "removed") {
			return fmt.Errorf("state %q, problem %q", s.State, s.Problem)
		}
		return nil
	})
	anna.misses(kim)
}
