// Dragoman is a conferencing bridge: clients of several old protocols connect to
// it unmodified, and all meet in the same rooms. This is its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"dragoman/cluster/livekit/quiet"
	"dragoman/cmd/bench"
	"dragoman/cmd/ctl"
	"dragoman/config"
)

// version is set by the linker.
var version = "unknown"

func main() {
	quiet.SDK() // what there is to say is in our own log
	// The engine that is measured is this program once more.
	if ran, err := bench.Engine(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitUnreachable = 6
)

const exitCodes = `Dragoman ends with

  0  what was asked for was done
  1  it was not; the message says why
  2  the command line is wrong
  3  the configuration is wrong
  4  there is no such room, file or thing
  5  the node refuses: the key is missing, wrong, or may only look
  6  no node answers at the address
`

// usageError is a mistake on the command line.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

// run is main with its surroundings handed in.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err != nil {
		fmt.Fprintf(stderr, "dragoman: %v\n", err) //nolint:errcheck // there is nobody left to tell
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return exitConfig
	}
	if _, ok := errors.AsType[*ctl.Unreachable](err); ok {
		return exitUnreachable
	}
	if r, ok := errors.AsType[*ctl.Refusal](err); ok {
		switch r.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return exitRefused
		case http.StatusNotFound:
			return exitNotFound
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return exitNotFound
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "dragoman",
		Short: "A conferencing bridge for clients of several protocols",
		Long: "Dragoman is a conferencing bridge. Clients of several old protocols connect to it\n" +
			"unmodified, and all of them meet in the same rooms, with real audio and video.\n\n" +
			"Begin with \"dragoman serve\": without a configuration it runs on this machine only.",
		SilenceErrors: true,
		SilenceUsage:  true,
		// A word that is near to a command is worth a hint.
		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		serveCommand(), roomCommand(), nodeCommand(), configCommand(), tokenCommand(), doctorCommand(),
		recordCommand(), replayCommand(), benchCommand(), demoCommand(), healthcheckCommand(), versionCommand(),
		&cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodes},
	)
	strict(root)
	return root
}

// strict makes mistakes with arguments usage errors, and does not take an unknown
// command of a group for a wish to see its help.
func strict(c *cobra.Command) {
	if c.HasSubCommands() && c.RunE == nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "; did you mean " + near[0] + "?"
			}
			return fmt.Errorf("there is no command %q%s", args[0], hint)
		}
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w\n%s", err, c.UseLine())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// require makes missing flags usage errors.
func require(c *cobra.Command, names ...string) {
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		for _, name := range names {
			if !c.Flags().Changed(name) {
				return usageError{fmt.Errorf("--%s is missing\n%s", name, c.UseLine())}
			}
		}
		return nil
	}
}

func versionCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "version", Short: "What this is", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v := versions{Version: version, Go: "unknown"}
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Go = info.GoVersion
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Revision = s.Value
					}
				}
			}
			return show(c, output, v, func(t *table) {
				t.row("dragoman", v.Version)
				t.row("go", v.Go)
				if v.Revision != "" {
					t.row("revision", v.Revision)
				}
			})
		},
	}
	outputFlag(c, &output)
	return c
}

type versions struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Revision string `json:"revision,omitempty"`
}
