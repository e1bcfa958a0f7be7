package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dragoman/bridge"
	"dragoman/cmd/ctl"
	"dragoman/dialects/admin"
)

// node says which node a command asks.
type node struct{ url, keyFile string }

const adminURL = "http://127.0.0.1:9090"

func nodeFlags(c *cobra.Command) *node {
	n := &node{}
	base := os.Getenv("DRAGOMAN_ADMIN_URL")
	if base == "" {
		base = adminURL
	}
	c.PersistentFlags().StringVar(&n.url, "url", base, "admin listener of the node (DRAGOMAN_ADMIN_URL)")
	c.PersistentFlags().StringVar(&n.keyFile, "key-file", os.Getenv("DRAGOMAN_ADMIN_KEY_FILE"),
		"file with the admin key (DRAGOMAN_ADMIN_KEY_FILE; DRAGOMAN_ADMIN_KEY is the key itself)")
	return n
}

func (n *node) client() (*ctl.Client, error) {
	key := os.Getenv("DRAGOMAN_ADMIN_KEY")
	if n.keyFile != "" {
		data, err := os.ReadFile(n.keyFile)
		if err != nil {
			return nil, fmt.Errorf("admin key: %w", err)
		}
		key = strings.TrimSpace(string(data))
	}
	base := n.url
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return &ctl.Client{Base: base, Key: bridge.Secret(key)}, nil
}

func roomCommand() *cobra.Command {
	c := &cobra.Command{Use: "room", Short: "Look after the rooms of a node, over its admin listener"}
	n := nodeFlags(c)
	c.AddCommand(roomList(n), roomShow(n), roomCreate(n), roomClose(n), roomCard(n), roomPeer(n), roomUnpeer(n), roomPeerings(n))
	return c
}

func roomList(n *node) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "list", Short: "List the rooms", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			rooms, err := client.Rooms(c.Context())
			if err != nil {
				return err
			}
			return show(c, output, rooms, func(t *table) {
				t.row("ROOM", "MEMBERS", "LOCKED", "PASSWORD", "SINCE")
				for _, r := range rooms {
					t.row(r.ID, members(r), yes(r.Locked), yes(len(r.Secured) > 0), r.Created.Local().Format(time.DateTime))
				}
			})
		},
	}
	outputFlag(c, &output)
	return c
}

func members(r admin.Room) string {
	if r.Max > 0 {
		return fmt.Sprintf("%d of %d", r.Members, r.Max)
	}
	return strconv.Itoa(r.Members)
}

func roomShow(n *node) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "show ROOM", Short: "Show a room and who is in it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			r, err := client.Room(c.Context(), args[0])
			if err != nil {
				return err
			}
			return show(c, output, r, func(t *table) { describe(t, r) })
		},
	}
	outputFlag(c, &output)
	return c
}

func describe(t *table, r admin.Room) {
	t.row("room", r.ID)
	if r.Title != "" && r.Title != r.ID {
		t.row("title", r.Title)
	}
	t.row("members", members(r))
	t.row("locked", yes(r.Locked))
	if len(r.Secured) > 0 {
		t.row("passwords", strings.Join(r.Secured, ", "))
	}
	if r.Ends != nil {
		t.row("ends", r.Ends.Local().Format(time.DateTime))
	}
	if len(r.Participants) == 0 {
		return
	}
	t.row()
	t.row("NAME", "DIALECT", "ROLE", "STREAMS", "ID")
	for _, p := range r.Participants {
		var streams []string
		for _, s := range p.Streams {
			streams = append(streams, fmt.Sprintf("%s (audio %s, video %s)", s.Source, s.Audio, s.Video))
		}
		name := p.Name
		if p.Waiting {
			name += " (waits)"
		}
		if p.Kind == "federated" {
			name += strings.TrimSuffix(" (federated from "+p.From, " from ") + ")"
		}
		t.row(name, p.Dialect, p.Role, strings.Join(streams, ", "), p.ID)
	}
}

func roomCreate(n *node) *cobra.Command {
	var (
		output  string
		spec    admin.Spec
		secrets = map[string]*string{"listener": new(string), "speaker": new(string), "moderator": new(string)}
	)
	c := &cobra.Command{
		Use: "create ROOM", Short: "Make a room", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			spec.ID, spec.Secrets = args[0], map[string]string{}
			for role, name := range secrets {
				if *name == "" {
					continue
				}
				data, err := os.ReadFile(*name)
				if err != nil {
					return fmt.Errorf("password of the %ss: %w", role, err)
				}
				spec.Secrets[role] = strings.TrimRight(string(data), "\r\n")
			}
			r, err := client.Create(c.Context(), spec)
			if err != nil {
				return err
			}
			return show(c, output, r, func(t *table) { describe(t, r) })
		},
	}
	f := c.Flags()
	f.StringVar(&spec.Title, "title", "", "shown instead of the name")
	f.StringVar(&spec.About, "about", "", "a description")
	f.IntVar(&spec.Max, "max", 0, "participants at the same time; 0: no limit")
	f.StringVar(&spec.Limit, "limit", "", "how long it may last from the first who joins, like 1h30m")
	f.StringVar(&spec.DefaultRole, "default-role", "", "role of those without a password: listener, speaker or moderator")
	f.BoolVar(&spec.WaitingRoom, "waiting-room", false, "those who join wait for a moderator")
	f.BoolVar(&spec.Keep, "keep", false, "it stays when it is empty")
	f.StringVar(&spec.Home, "home", "", "LiveKit server with a room of which it is one: its name, or name/their room")
	f.BoolVar(&spec.Unlisted, "unlisted", false, "lists leave it out")
	for role, to := range secrets {
		f.StringVar(to, role+"-password-file", "", "file with the password of "+role+"s")
	}
	outputFlag(c, &output)
	return c
}

func roomClose(n *node) *cobra.Command {
	return &cobra.Command{
		Use: "close ROOM", Short: "Close a room for everybody in it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			return client.Close(c.Context(), args[0])
		},
	}
}

func roomCard(n *node) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "card ROOM", Short: "Print how to reach a room from every dialect", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := n.client()
			if err != nil {
				return err
			}
			ways, err := client.Card(c.Context(), args[0])
			if err != nil {
				return err
			}
			return show(c, output, ways, func(t *table) {
				t.row("DIALECT", "HOW", "ADDRESS", "ROOM")
				for _, w := range ways {
					t.row(w.Dialect, w.How, w.URL, w.Room)
				}
			})
		},
	}
	outputFlag(c, &output)
	return c
}
