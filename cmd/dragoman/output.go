package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// outputFlag adds -o. Tables are for people, JSON for programs.
func outputFlag(c *cobra.Command, to *string) {
	c.Flags().StringVarP(to, "output", "o", "table", "table or json")
}

// show writes a value as JSON, or what the function makes of it as a table.
func show(c *cobra.Command, output string, value any, people func(*table)) error {
	switch output {
	case "json":
		enc := json.NewEncoder(c.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	case "table":
		t := &table{tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 3, ' ', 0)}
		people(t)
		return t.w.Flush()
	}
	return usageError{fmt.Errorf("--output %q is neither table nor json", output)}
}

// table aligns columns.
type table struct{ w *tabwriter.Writer }

func (t *table) row(cells ...string) {
	// A tabwriter keeps its error until Flush.
	_, _ = t.w.Write([]byte(strings.Join(cells, "\t") + "\n"))
}

func yes(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}
