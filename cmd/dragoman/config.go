package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"dragoman/cmd/serve"
	"dragoman/config"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "The configuration: what is in force, whether it is right, what there is"}
	c.AddCommand(configShow(), configCheck(), configDocs(), configInit())
	return c
}

func configShow() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "show", Short: "Print the effective configuration and where its values come from", Args: cobra.NoArgs,
		Long: "Prints the configuration that \"dragoman serve\" would use with the same flags and\n" +
			"environment. Values that are not defaults say where they come from. Secrets are redacted.",
	}
	src := sourceFlags(c)
	c.Flags().StringVarP(&output, "output", "o", "yaml", "yaml or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := src.load()
		if err != nil {
			return err
		}
		switch output {
		case "yaml":
			return loaded.WriteYAML(c.OutOrStdout())
		case "json":
			return loaded.WriteJSON(c.OutOrStdout())
		}
		return usageError{fmt.Errorf("--output %q is neither yaml nor json", output)}
	}
	return c
}

func configCheck() *cobra.Command {
	c := &cobra.Command{
		Use: "check [FILE]", Short: "Say everything that is wrong with a configuration", Args: cobra.MaximumNArgs(1),
	}
	src := sourceFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			src.file = args[0]
		}
		loaded, err := src.load()
		if err != nil {
			return err
		}
		if err := serve.Check(loaded.Config); err != nil {
			return loaded.Explain(err)
		}
		for _, name := range loaded.Unused {
			c.PrintErrf("%s means nothing\n", name)
		}
		what := "the defaults of development mode are"
		if src.file != "" {
			what = src.file + " is"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s right\n", what)
		return err
	}
	return c
}

func configDocs() *cobra.Command {
	return &cobra.Command{
		Use: "docs", Short: "Print the reference of all keys, as Markdown", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return config.WriteReference(c.OutOrStdout(), sections())
		},
	}
}

func configInit() *cobra.Command {
	return &cobra.Command{
		Use: "init [FILE]", Short: "Write a commented configuration file with all defaults", Args: cobra.MaximumNArgs(1),
		Long: "Writes a configuration file with every key, its default and its comment, to FILE or to\n" +
			"standard output. A file that exists is left alone.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return config.WriteSample(c.OutOrStdout(), sections())
			}
			var b bytes.Buffer
			if err := config.WriteSample(&b, sections()); err != nil {
				return err
			}
			f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // secrets may be put into it
			if err != nil {
				return err
			}
			_, err = f.Write(b.Bytes())
			return errors.Join(err, f.Close())
		},
	}
}
