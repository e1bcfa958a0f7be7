package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

func nodeCommand() *cobra.Command {
	c := &cobra.Command{Use: "node", Short: "Look after the nodes of a cluster, over the admin listener of one of them"}
	n := nodeFlags(c)
	c.AddCommand(nodeList(n), nodeDrain(n), nodeUndrain(n))
	return c
}

func nodeList(n *node) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "list", Short: "List the nodes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			nodes, err := client.Nodes(c.Context())
			if err != nil {
				return err
			}
			return show(c, output, nodes, func(t *table) {
				t.row("NODE", "STATE", "ROOMS", "LOAD", "LINK", "VERSION")
				for _, one := range nodes {
					state := one.State
					if !one.Answers {
						state += ", cannot be reached"
					}
					t.row(one.Name, state, strconv.Itoa(len(one.Rooms)), strconv.Itoa(one.Load), one.Link, one.Version)
				}
			})
		},
	}
	outputFlag(c, &output)
	return c
}

func nodeDrain(n *node) *cobra.Command {
	var undo bool
	c := &cobra.Command{
		Use: "drain [NODE]", Short: "Make a node ready to go: no new clients, its rooms go to other nodes", Args: cobra.MaximumNArgs(1),
		Long: "Makes a node ready to go, by default the one that is asked: it takes no new clients and no\n" +
			"new rooms, those that run there go on on other nodes, and after drain.timeout its clients\n" +
			"are sent away one after another, over drain.spread. It goes on running.",
		RunE: func(c *cobra.Command, args []string) error { return drain(c, n, args, !undo) },
	}
	c.Flags().BoolVar(&undo, "undrain", false, "take that back")
	return c
}

func nodeUndrain(n *node) *cobra.Command {
	return &cobra.Command{
		Use: "undrain [NODE]", Short: "Let a node take clients and rooms again", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return drain(c, n, args, false) },
	}
}

func drain(c *cobra.Command, n *node, args []string, on bool) error {
	client, err := n.client()
	if err != nil {
		return err
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	return client.Drain(c.Context(), name, on)
}
