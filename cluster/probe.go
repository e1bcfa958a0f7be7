package cluster

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/hashicorp/memberlist"

	"dragoman/bridge"
)

// Probe asks a seed as a node with these settings would, and returns how many nodes it
// knows. For that moment the others see a member to which nobody links and that owns
// nothing. Unavailable: it does not answer, or not with these keys and this name.
func Probe(ctx context.Context, s Settings, seed string) (nodes int, err error) {
	var keys []Key
	if s.KeyFile != "" {
		if keys, err = ReadKeys(s.KeyFile); err != nil {
			return 0, err
		}
	}
	host, _, err := hostPort(s.Bind)
	if err != nil {
		return 0, err
	}
	g, err := prepareGossip(GossipConfig{Cluster: s.Name, Node: "doctor", Bind: net.JoinHostPort(host, "0"), Keys: keys})
	if err != nil {
		return 0, err
	}
	defer g.stop()
	g.self.Proto = 0
	if err := g.encodeSelf(); err != nil {
		return 0, err
	}
	mc, err := g.memberlistConfig()
	if err != nil {
		return 0, err
	}
	if g.list, err = memberlist.Create(mc); err != nil {
		return 0, err
	}
	defer func() {
		_ = g.list.Leave(time.Second) // who did not hear it finds out
		_ = g.list.Shutdown()
	}()
	var failed error
	for _, addr := range resolve(ctx, []string{seed}, lookupIP, func(_ string, err error) { failed = err }) {
		if _, err := g.list.Join([]string{addr}); err != nil {
			failed = err
			continue
		}
		return g.list.NumMembers() - 1, nil
	}
	return 0, &bridge.Error{Code: bridge.Unavailable, Msg: "the seed does not answer", Err: cmp.Or(failed, errors.New("it has no address"))}
}
