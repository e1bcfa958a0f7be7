// Package client is a scripted signalling client of the asn dialect, in JSON or in
// BER. It behaves as generated clients do: it counts invokeIDs, gives up a call after
// five seconds, keeps its party alive, and receives whatever others publish: camera
// and microphone in one subscription, a screen in another.
//
// It knows no media: it is handed the client's side of each leg through
// Config.Peers.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// ErrClosed is what calls answer once the connection is over.
var ErrClosed = errors.New("the connection is closed")

// callTime is how long a client waits for an answer (reference 2.3).
const callTime = 5 * time.Second

// Refusal is the error or the reject that a call was answered with.
type Refusal struct {
	Number  int64 // of an error; 0: it is a reject
	Problem int64 // of a reject
	Text    string
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Number == 0 {
		return fmt.Sprintf("rejected, problem %d: %s", r.Problem, r.Text)
	}
	return fmt.Sprintf("error %d: %s", r.Number, r.Text)
}

// Media is what is published, or received.
type Media struct{ Audio, Video, Screen bool }

// Use is what a leg is for.
type Use struct {
	Publish bool
	Party   string // whose media it brings, unless Publish
	Screen  bool   // it brings the screen; otherwise camera and microphone
}

// A Negotiator is the client's side of one leg.
type Negotiator interface {
	// Offer is called for the publishing leg: what it sends from now on is m. The
	// sections say what is on which m-line; nil: the rule of reference 11.2.
	Offer(ctx context.Context, m Media) (offer string, sections []rose.MediaSection, err error)
	Accept(ctx context.Context, answer string) error
	// Answer is called for subscriptions.
	Answer(ctx context.Context, offer string) (answer string, err error)
	AddCandidate(text, mid string, index int) error
	// OnCandidate takes a function for the own candidates, as they are found; an empty
	// text is their end. It is called before anything else, and may never call back.
	OnCandidate(func(text, mid string, index int))
	Close()
}

// Config is what a client needs.
type Config struct {
	URL      string            // ws:// or wss://, of the conference instance
	Dialer   *websocket.Dialer // nil: websocket.DefaultDialer
	Encoding rose.Encoding
	// Peers makes the client's side of a leg; nil: the client has no media, and joins
	// as a member.
	Peers func(ctx context.Context, u Use) (Negotiator, error)
}

// Ticket is what a client joins with.
type Ticket struct {
	Conference   string
	Name         string
	Token        bridge.Secret // empty: a guest
	Session      bridge.Secret // comes back as the party of it
	Capabilities []int64       // nil: audio, video and screen
	Properties   []rose.StringPair
}

// Token gets a token from the instance at an http:// or https:// address, for a user
// account.
func Token(ctx context.Context, h *http.Client, base, user, password, conference string) (bridge.Secret, error) {
	a := rose.RequestAuthTokenArgument{}
	if conference != "" {
		a.ConferenceID = &conference
	}
	var r rose.RequestAuthTokenResult
	err := Post(ctx, h, base, user, password, "asnRequestAuthToken", &a, &r)
	return r.Token, err
}

// Post calls an operation over HTTP.
func Post(ctx context.Context, h *http.Client, base, user, password, operation string, argument, result rose.Value) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/rest/"+operation, bytes.NewReader(rose.JSON.Marshal(argument)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	const most = 4 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		return rose.JSON.Unmarshal(body, result)
	}
	var e rose.RequestError
	if rose.JSON.Unmarshal(body, &e) == nil {
		return &Refusal{Number: e.ErrorDetail, Text: e.ErrorString}
	}
	return fmt.Errorf("%s: %s", operation, resp.Status)
}

// Dial connects, and joins nothing yet.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	d := cfg.Dialer
	if d == nil {
		d = websocket.DefaultDialer
	}
	ws, answer, err := d.DialContext(ctx, cfg.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.URL, err)
	}
	answer.Body.Close()
	return start(cfg, ws), nil
}

// Join connects and joins.
func Join(ctx context.Context, cfg Config, t Ticket) (*Client, error) {
	c, err := Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.join(ctx, t); err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}

func (c *Client) join(ctx context.Context, t Ticket) error {
	caps := t.Capabilities
	if caps == nil {
		caps = []int64{int64(rose.CapabilityAudio), int64(rose.CapabilityVideo), int64(rose.CapabilityScreenShare)}
	}
	a := &rose.JoinConferenceArgument{
		ConferenceID: t.Conference, Contact: rose.ConferenceContact{DisplayName: t.Name}, Publisher: c.cfg.Peers != nil,
		Capabilities: rose.ConferenceCapabilities{ClientCapabilities: caps, CustomCapabilities: []rose.StringPair{}},
		Properties:   t.Properties,
	}
	if t.Token != "" {
		a.Token = &t.Token
	}
	if t.Session != "" {
		a.SessionToken = &t.Session
	}
	return c.Call(ctx, rose.OpJoinConference, a, new(rose.JoinConferenceResult))
}

// Self returns the own party; nil: it has not joined.
func (c *Client) Self(ctx context.Context) (p *rose.ConferenceParty, err error) {
	err = c.look(ctx, func() {
		if x := c.parties[c.self]; x != nil {
			p = new(*x)
		}
	})
	return p, err
}

// Session returns the session token of the party.
func (c *Client) Session(ctx context.Context) (s bridge.Secret, err error) {
	return s, c.look(ctx, func() { s = c.session })
}

// Parties returns the others.
func (c *Client) Parties(ctx context.Context) (all []rose.ConferenceParty, err error) {
	err = c.look(ctx, func() {
		for id, p := range c.parties {
			if id != c.self {
				all = append(all, *p)
			}
		}
	})
	return all, err
}

// Configure changes a leg: the own one, or with a party id that of another.
func (c *Client) Configure(ctx context.Context, party string, settings ...rose.MediaSetting) error {
	a := &rose.ConfigurePublishingArgument{Media: settings}
	if party != "" {
		a.PartyID = &party
	}
	var err error
	if a.SessionToken, err = c.Session(ctx); err != nil {
		return err
	}
	return c.Call(ctx, rose.OpConfigurePublishing, a, new(rose.ConfigurePublishingResult))
}

// Mute mutes a media or unmutes it, one's own or another's.
func (c *Client) Mute(ctx context.Context, party string, m rose.ConferenceMediaType, on bool) error {
	return c.Configure(ctx, party, rose.MediaSetting{MediaType: m, Muted: &on})
}

// Remove throws somebody out.
func (c *Client) Remove(ctx context.Context, party, reason string) error {
	s, err := c.Session(ctx)
	if err != nil {
		return err
	}
	a := &rose.RemovePartyArgument{SessionToken: s, PartyID: party}
	if reason != "" {
		a.Reason = &reason
	}
	return c.Call(ctx, rose.OpRemoveParty, a, new(rose.RemovePartyResult))
}

// Leave leaves the conference and closes the connection.
func (c *Client) Leave(ctx context.Context) error {
	s, err := c.Session(ctx)
	if err != nil {
		return err
	}
	err = c.Call(ctx, rose.OpLeaveConference, &rose.LeaveConferenceArgument{SessionToken: s}, new(rose.LeaveConferenceResult))
	c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	c.Kill()
	return err
}

// Kill gives the connection up without a word, and returns when nothing of the
// client runs any more. Its party stays for a while.
func (c *Client) Kill() {
	c.stop()
	<-c.after
}

// Event is something that the client was told, or that has happened to it.
type Event struct {
	N        int    // counts from 1
	Name     string // of the operation, or Negotiated or Disconnected
	Argument rose.Value
	JSON     json.RawMessage
	Use      Use // of Negotiated
}

// Events that are the client's own.
const (
	Joined       = "joined"       // with the result of the join
	Negotiated   = "negotiated"   // a subscription was offered and answered
	Disconnected = "disconnected" // the last one
)
