package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
)

var errNoMedia = errors.New("the client has no media")

const statusFailed = 500

// Joined returns what the client was told when it joined.
func (c *Client) Joined(ctx context.Context) (j Joined, err error) {
	err = c.look(ctx, func() { j = c.joined })
	return j, err
}

// Members returns everybody else, by name.
func (c *Client) Members(ctx context.Context) (all []Member, err error) {
	err = c.look(ctx, func() {
		all = slices.SortedFunc(maps.Values(c.members), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	})
	return all, err
}

// Member returns the member of that name, and waits until there is one that
// matches; nil matches all.
func (c *Client) Member(ctx context.Context, name string, match func(Member) bool) (Member, error) {
	is := func(m Member) bool { return m.Name == name && (match == nil || match(m)) }
	for n := 0; ; {
		all, err := c.Members(ctx)
		if err != nil {
			return Member{}, err
		}
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i], nil
		}
		e, err := c.Wait(ctx, func(e Event) bool { return e.N > n && e.Member.Name == name })
		if err != nil {
			return Member{}, fmt.Errorf("no member %q: %w", name, err)
		}
		n = e.N
	}
}

// Publish shares microphone and camera, and returns when the server's offer was
// answered. With both false it stops.
func (c *Client) Publish(ctx context.Context, audio, video bool) error {
	return c.share(ctx, Use{Audio: audio, Video: video}, map[string]any{"maxVideoBitrate": 500})
}

func (c *Client) share(ctx context.Context, u Use, m map[string]any) error {
	n := 0
	if err := c.do(ctx, func() {
		n = c.log.count
		c.wanted = u
	}); err != nil {
		return err
	}
	m["audio"], m["video"] = c.cfg.Quirks.flag(u.Audio), c.cfg.Quirks.flag(u.Video)
	if _, err := c.request(ctx, "MEDIA_SHARE_request", m); err != nil {
		return err
	}
	if !u.Audio && !u.Video {
		return c.do(ctx, func() {
			if c.publisher != nil && c.publisher.peer != nil {
				c.publisher.peer.Close()
			}
			c.publisher = nil
		})
	}
	e, err := c.Wait(ctx, func(e Event) bool {
		return e.N > n && e.Use.Publish && (e.Type == Answered || e.Type == Failed)
	})
	if err == nil && e.Type == Failed {
		err = fmt.Errorf("publish: %s", e.Text)
	}
	return err
}

// ShareScreen joins the conference a second time, as the browser extension does:
// by the display name of the conference, under the own name with ScreenSuffix, and
// publishes video. The returned client is that second member; leaving with it
// ends the share.
func (c *Client) ShareScreen(ctx context.Context) (*Client, error) {
	j, err := c.Joined(ctx)
	if err != nil {
		return nil, err
	}
	room := j.Name
	if room == "" {
		room = j.ConferenceID
	}
	cfg := c.cfg
	cfg.Blind = true
	screen, err := Join(ctx, cfg, Ticket{Room: room, Name: screenName(c.ticket.Name), Password: c.ticket.Password})
	if err != nil {
		return nil, fmt.Errorf("join for the screen: %w", err)
	}
	if err := screen.share(ctx, Use{Video: true, Screen: true}, map[string]any{}); err != nil {
		screen.Close()
		return nil, err
	}
	return screen, nil
}

// Say sends a chat message, wrapped as the web client does.
func (c *Client) Say(ctx context.Context, text string) error {
	b, err := json.Marshal(map[string]string{"chat": text})
	if err != nil {
		return err
	}
	return c.SayRaw(ctx, string(b))
}

// SayRaw sends a chat message as it is.
func (c *Client) SayRaw(ctx context.Context, text string) error {
	_, err := c.request(ctx, "CHAT_MESSAGE_request", map[string]any{"message": map[string]string{"text": text}})
	return err
}

// Kick throws a member out.
func (c *Client) Kick(ctx context.Context, memberID string) error {
	_, err := c.request(ctx, "CONFERENCE_KICK_request", map[string]any{"memberID": memberID})
	return err
}

// Lock locks the conference or unlocks it.
func (c *Client) Lock(ctx context.Context, on bool) error {
	_, err := c.request(ctx, "CONFERENCE_LOCK_request", map[string]any{"lock": c.cfg.Quirks.flag(on)})
	return err
}

// Describe changes the description.
func (c *Client) Describe(ctx context.Context, text string) error {
	_, err := c.request(ctx, "CONFERENCE_DESCRIPTION_request", map[string]any{"description": text})
	return err
}

// Destroy ends the conference for everybody.
func (c *Client) Destroy(ctx context.Context) error {
	_, err := c.request(ctx, "CONFERENCE_DESTROY_request", map[string]any{})
	return err
}

// Leave leaves the conference and closes the connection, the way this kind of
// client does: by just closing, or by saying so first.
func (c *Client) Leave(ctx context.Context) error {
	if c.cfg.Quirks.LeaveRequest {
		if err := c.do(ctx, func() {
			c.write(map[string]any{"messageType": "CONFERENCE_LEAVE_request", "transactionID": "leave"})
		}); err != nil && !errors.Is(err, ErrClosed) {
			return err
		}
	}
	c.Close()
	return nil
}

// Close closes the connection and everything that belongs to it, and returns when
// that is done.
func (c *Client) Close() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = c.do(c.ctx, func() { c.ws.WriteMessage(websocket.CloseMessage, bye) }) //nolint:errcheck // it is closed in any case
	c.stop()
	<-c.after
}

// Kill drops the connection without a word, as a crash does, and returns when
// everything that belongs to it has ended.
func (c *Client) Kill() {
	c.stop()
	<-c.after
}

// Done is closed once the connection is over and everything that belongs to it
// has ended.
func (c *Client) Done() <-chan struct{} { return c.after }
