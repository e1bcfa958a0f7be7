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
	"time"

	"github.com/spf13/cobra"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/dialects/asn"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make keys and tokens"}
	c.AddCommand(tokenAdmin(), tokenHash(), tokenASN())
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

// newToken is a token for clients of asn.
type newToken struct {
	Token   string    `json:"token"`
	ValidTo time.Time `json:"valid_to"`
}

func tokenASN() *cobra.Command {
	var (
		output string
		claims asn.Claims
		user   string
		room   string
		life   time.Duration
	)
	c := &cobra.Command{
		Use: "asn", Short: "Make a token for clients of asn", Args: cobra.NoArgs,
		Long: "Makes a token that is u8sToken of asnJoinConference and of the operations on meetings. Who\n" +
			"has it may do what the user may, and is a moderator of the conference that is named. The\n" +
			"configuration is that of the node, for its key in data_dir. It is kept nowhere.",
		Example: "  dragoman token asn -c dragoman.yaml --user ann --mail ann@example.org --conference standup",
	}
	src := sourceFlags(c)
	c.Flags().StringVar(&user, "user", "", "whose token it is: a name")
	c.Flags().StringVar(&claims.Name, "display-name", "", "what others call the user; empty: the name")
	c.Flags().StringVar(&claims.Mail, "mail", "", "the user's address, by which meetings know their organizer and attendees")
	c.Flags().StringVar(&room, "conference", "", "the conference of which it makes a moderator; empty: those that the user organizes or moderates")
	c.Flags().DurationVar(&life, "life", time.Hour, "how long it is good")
	outputFlag(c, &output)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if user == "" || life <= 0 {
			return usageError{errors.New("--user is missing, or --life is not positive")}
		}
		loaded, err := src.load()
		if err != nil {
			return err
		}
		if loaded.DataDir == "" {
			return errors.New("data_dir is not set: a node without it has another key each time it starts, and believes no token that is made here")
		}
		ids, err := serve.IDs(loaded.Config)
		if err != nil {
			return err
		}
		claims.User = bridge.UserID("token:" + user)
		if claims.Name == "" {
			claims.Name = user
		}
		if room != "" {
			if claims.Conference, err = bridge.Normalize(room); err != nil {
				return usageError{fmt.Errorf("--conference: %s", bridge.MessageOf(err))}
			}
		}
		token, err := asn.MakeToken(ids, claims, life)
		if err != nil {
			return err
		}
		made := newToken{string(token), time.Now().Add(life).Truncate(time.Second).UTC()}
		return show(c, output, made, func(t *table) { t.row(made.Token) })
	}
	return c
}
