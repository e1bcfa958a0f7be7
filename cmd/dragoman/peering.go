package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dragoman/cmd/ctl"
	"dragoman/dialects/admin"
)

func roomPeerings(n *node) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "peerings [ROOM]", Short: "List the rooms that are one with a room of a LiveKit server", Args: cobra.MaximumNArgs(1),
		Long: "Lists the rooms that are one with a room of a LiveKit server, as the node that is asked\n" +
			"sees them: IN are people from there whom this node seats here, OUT those of this node\n" +
			"who are seen there, of those who should be.",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			_, all, err := client.Peerings(c.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				all = slices.DeleteFunc(all, func(p admin.Peering) bool { return p.Room != args[0] })
			}
			return show(c, output, all, func(t *table) { listPeerings(t, all) })
		},
	}
	outputFlag(c, &output)
	return c
}

func listPeerings(t *table, all []admin.Peering) {
	t.row("ROOM", "SERVER", "ROOM THERE", "WHY", "STATE", "SINCE", "IN", "OUT", "VIEWS", "NODE")
	for _, p := range all {
		t.row(p.Room, p.Server, p.Theirs, p.Origin, p.State, since(p.Since),
			strconv.Itoa(p.In), fmt.Sprintf("%d of %d", p.Puppets, p.Out), strconv.Itoa(p.Views), cmp.Or(p.Node, "–"))
		if p.Error != "" {
			t.row("", "", "", "", "→ "+p.Error)
		}
	}
}

func since(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format(time.DateTime)
}

func roomPeer(n *node) *cobra.Command {
	var server, theirs string
	c := &cobra.Command{
		Use: "peer ROOM --server NAME", Short: "Make a room one with a room of a LiveKit server", Args: cobra.ExactArgs(1),
		Long: "Makes a room one with a room of a LiveKit server that is in the node's configuration\n" +
			"(livekit). It is kept with the room, and on every node of a cluster.",
		RunE: func(c *cobra.Command, args []string) error {
			return withServer(c.Context(), n, server, func(client *ctl.Client, server string) error {
				return client.Peer(c.Context(), args[0], server, theirs)
			})
		},
	}
	serverFlag(c, &server)
	c.Flags().StringVar(&theirs, "room", "", "the room there; otherwise as livekit[].room names it")
	return c
}

func roomUnpeer(n *node) *cobra.Command {
	var server string
	c := &cobra.Command{
		Use: "unpeer ROOM --server NAME", Short: "Part a room from that of a LiveKit server", Args: cobra.ExactArgs(1),
		Long: "Parts a room from that of a LiveKit server, also where the configuration has made them\n" +
			"one: then for as long as the room lives.",
		RunE: func(c *cobra.Command, args []string) error {
			return withServer(c.Context(), n, server, func(client *ctl.Client, server string) error {
				return client.Unpeer(c.Context(), args[0], server)
			})
		},
	}
	serverFlag(c, &server)
	return c
}

func serverFlag(c *cobra.Command, server *string) {
	c.Flags().StringVar(server, "server", "", "name of the server in livekit; may be left out where there is one")
}

// withServer does something with a server of the node's configuration, by its name; it may
// be left out where there is one.
func withServer(ctx context.Context, n *node, named string, do func(client *ctl.Client, server string) error) error {
	client, err := n.client()
	if err != nil {
		return err
	}
	server, err := onlyServer(ctx, client, named)
	if err != nil {
		return err
	}
	return do(client, server)
}

// onlyServer is the server that is meant by somebody who names none.
func onlyServer(ctx context.Context, client *ctl.Client, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	servers, _, err := client.Peerings(ctx)
	switch {
	case err != nil:
		return "", err
	case len(servers) == 0:
		return "", errors.New("no LiveKit server is configured on that node: name one in livekit")
	case len(servers) > 1:
		return "", usageError{fmt.Errorf("--server is missing: one of %s", strings.Join(servers, ", "))}
	}
	return servers[0], nil
}
