package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/config"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make keys and tokens"}
	c.AddCommand(tokenAdmin(), tokenHash())
	return c
}

func tokenHash() *cobra.Command {
	return &cobra.Command{
		Use: "hash", Short: "Hash a password for the configuration", Args: cobra.NoArgs,
		Long: "Reads a password from standard input and prints its hash (argon2id). Under rooms[].secrets\n" +
			"a hash does the same as the password, and says it to nobody who reads the file.",
		Example: "  dragoman token hash < password.txt",
		RunE: func(c *cobra.Command, _ []string) error {
			line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), config.MaxSecret)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			secret := strings.TrimRight(line, "\r\n")
			if secret == "" {
				return errors.New("there is no password on standard input")
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), string(gate.Hash(bridge.Secret(secret))))
			return err
		},
	}
}

// newKey is an admin key and what a configuration holds of it.
type newKey struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Hash     string `json:"hash"`
	ReadOnly bool   `json:"read_only"`
}

func tokenAdmin() *cobra.Command {
	var (
		output string
		key    newKey
	)
	c := &cobra.Command{
		Use: "admin", Short: "Make a key for the admin API", Args: cobra.NoArgs,
		Long: "Makes a key for the admin API. The node has to know its hash only: put that under\n" +
			"admin.keys, and the key itself into the environment (DRAGOMAN_ADMIN_KEY) or a file of\n" +
			"who uses it. It is printed once and kept nowhere.",
		RunE: func(c *cobra.Command, _ []string) error {
			key.Key = rand.Text() + rand.Text()
			sum := sha256.Sum256([]byte(key.Key))
			key.Hash = hex.EncodeToString(sum[:])
			return show(c, output, key, func(t *table) {
				t.row("key, for who uses it:")
				t.row("  " + key.Key)
				t.row()
				t.row("for the configuration of the node:")
				t.row("  admin:")
				t.row("    keys:")
				t.row(fmt.Sprintf("      - name: %q", key.Name))
				t.row("        hash: " + key.Hash)
				if key.ReadOnly {
					t.row("        read_only: true")
				}
			})
		},
	}
	c.Flags().StringVar(&key.Name, "name", "admin", "who holds the key; it is shown in the log")
	c.Flags().BoolVar(&key.ReadOnly, "read-only", false, "the key may look, but not change anything")
	outputFlag(c, &output)
	return c
}
