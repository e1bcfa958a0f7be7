package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand() *cobra.Command {
	var (
		ready   bool
		timeout time.Duration
	)
	c := &cobra.Command{
		Use: "healthcheck", Short: "Ask a node whether it is alive; for containers", Args: cobra.NoArgs,
		Long: "Ends with 0 when the node is alive, or with --ready when it takes new clients. It prints\n" +
			"nothing but what is wrong.",
	}
	n := nodeFlags(c)
	c.Flags().BoolVar(&ready, "ready", false, "ask whether it takes new clients")
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the node may take")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := n.client()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), timeout)
		defer cancel()
		if ready {
			return client.Health(ctx, "readyz")
		}
		return client.Health(ctx, "livez")
	}
	return c
}
