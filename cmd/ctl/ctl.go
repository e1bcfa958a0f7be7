// Package ctl is the client of the admin API, for the command line and for
// tests.
package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/admin"
)

// Client asks the admin listener of one node.
type Client struct {
	Base string        // http://127.0.0.1:9090
	Key  bridge.Secret // empty: none
	HTTP *http.Client  // nil: one with a timeout of 10 s
}

// A Refusal is an answer that says no.
type Refusal struct {
	Status  int
	Message string // fit to be shown
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// Unreachable says that nobody answers at the address.
type Unreachable struct {
	Base string
	Err  error
}

// Error implements error.
func (u *Unreachable) Error() string {
	return fmt.Sprintf("no node answers at %s: %v", u.Base, u.Err)
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// Rooms lists the rooms that are not unlisted.
func (c *Client) Rooms(ctx context.Context) ([]admin.Room, error) {
	var out struct{ Rooms []admin.Room }
	err := c.Do(ctx, http.MethodGet, "/api/v1/rooms", nil, &out)
	return out.Rooms, err
}

// Room tells of one room and of everybody in it.
func (c *Client) Room(ctx context.Context, name string) (out admin.Room, err error) {
	return out, c.Do(ctx, http.MethodGet, roomPath(name), nil, &out)
}

// Create makes a room.
func (c *Client) Create(ctx context.Context, s admin.Spec) (out admin.Room, err error) {
	return out, c.Do(ctx, http.MethodPost, "/api/v1/rooms", s, &out)
}

// Close ends a room for everybody.
func (c *Client) Close(ctx context.Context, name string) error {
	return c.Do(ctx, http.MethodDelete, roomPath(name), nil, nil)
}

// Card tells how to reach a room from each dialect.
func (c *Client) Card(ctx context.Context, name string) ([]admin.Way, error) {
	var out struct{ Ways []admin.Way }
	err := c.Do(ctx, http.MethodGet, roomPath(name)+"/card", nil, &out)
	return out.Ways, err
}

// Nodes lists the nodes of the cluster; none: the node is by itself.
func (c *Client) Nodes(ctx context.Context) ([]admin.Node, error) {
	var out struct{ Nodes []admin.Node }
	err := c.Do(ctx, http.MethodGet, "/api/v1/nodes", nil, &out)
	return out.Nodes, err
}

// Drain makes a node ready to go, or with on false takes that back. Empty: the one
// that is asked. It does not wait until the node is empty.
func (c *Client) Drain(ctx context.Context, node string, on bool) error {
	return c.Do(ctx, http.MethodPost, "/api/v1/nodes/drain", admin.Drain{Node: node, On: on}, nil)
}

// Peerings lists the rooms that are one with a room of a LiveKit server, and the servers
// that are configured.
func (c *Client) Peerings(ctx context.Context) (servers []string, all []admin.Peering, err error) {
	var out struct {
		Servers  []string
		Peerings []admin.Peering
	}
	err = c.Do(ctx, http.MethodGet, "/api/v1/peerings", nil, &out)
	return out.Servers, out.Peerings, err
}

// Peer makes a room one with a room of a LiveKit server. Empty theirs: the room there is
// named as the configuration of the server says.
func (c *Client) Peer(ctx context.Context, room, server, theirs string) error {
	return c.Do(ctx, http.MethodPost, roomPath(room)+"/peerings", admin.Peer{Server: server, Theirs: theirs}, nil)
}

// Unpeer takes that back.
func (c *Client) Unpeer(ctx context.Context, room, server string) error {
	return c.Do(ctx, http.MethodDelete, roomPath(room)+"/peerings/"+url.PathEscape(server), nil, nil)
}

// Health asks one of the paths livez, readyz and startupz. A Refusal is what the
// node says is wrong.
func (c *Client) Health(ctx context.Context, path string) error {
	return c.Do(ctx, http.MethodGet, "/"+path, nil, nil)
}

func roomPath(name string) string { return "/api/v1/rooms/" + url.PathEscape(name) }

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 32 << 20

// Do asks for what has no method of its own: path is from the root, in and out may be nil.
// Errors are a *Refusal, an *Unreachable, or of what cannot be read or written.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		r.Header.Set("Authorization", "Bearer "+string(c.Key))
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	}
	resp, err := client.Do(r)
	if err != nil {
		return &Unreachable{c.Base, err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &Unreachable{c.Base, err}
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return refusal(resp.StatusCode, data)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s answers something else than the admin API: %w", c.Base, err)
	}
	return nil
}

func refusal(status int, data []byte) error {
	var f struct{ Error struct{ Message string } }
	if json.Unmarshal(data, &f) == nil && f.Error.Message != "" {
		return &Refusal{status, f.Error.Message}
	}
	if text := strings.TrimSpace(string(data)); text != "" && len(text) < 200 {
		return &Refusal{status, text}
	}
	return &Refusal{status, http.StatusText(status)}
}
