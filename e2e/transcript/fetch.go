package transcript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// fetch sends a request and compares the answer. Redirects are not followed.
func (p *player) fetch(req *http.Request, want *Expect) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return p.world.Dial(ctx) },
	}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return failf("%s %s: %v", req.Method, req.URL.RequestURI(), err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, readLimit))
	if err != nil {
		return failf("%s %s: %v", req.Method, req.URL.RequestURI(), err)
	}
	if want == nil {
		return nil
	}
	if diffs := p.compare(resp, data, want); len(diffs) > 0 {
		return &Failure{
			What:        fmt.Sprintf("%s %s is answered otherwise: %s", req.Method, req.URL.RequestURI(), resp.Status),
			Differences: diffs,
			Frames:      []string{shorten(string(data))},
		}
	}
	return nil
}

func (p *player) compare(resp *http.Response, data []byte, want *Expect) []Difference {
	var diffs []Difference
	if want.Status != 0 && want.Status != resp.StatusCode {
		diffs = append(diffs, Difference{"status", fmt.Sprint(want.Status), fmt.Sprint(resp.StatusCode)})
	}
	add := func(where string, pattern, got any) {
		for _, d := range match(pattern, got, p.vars, time.Now()) {
			d.Path = where + d.Path[1:]
			diffs = append(diffs, d)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want.Headers)) {
		var got any = absent{}
		if v := resp.Header.Values(k); len(v) > 0 {
			got = v[0]
		}
		add("header "+k, want.Headers[k].V, got)
	}
	if want.Text.Set {
		add("text", want.Text.V, string(data))
	}
	if want.Body.Set {
		body, err := decode(data)
		if err != nil {
			return append(diffs, Difference{"body", "JSON", shorten(string(data))})
		}
		add("body", want.Body.V, body)
	}
	return diffs
}

// hear compares the next frame, or the next few.
func (p *player) hear(ctx context.Context, s *Step) error {
	c, err := p.conn(s)
	if err != nil {
		return err
	}
	var got []frame
	for range max(1, len(s.AnyOrder)) {
		f, open, err := c.next(ctx, s.Within.or(soon))
		if err != nil {
			return err
		}
		if !open {
			code, reason := c.closeCode()
			return failf("want a frame, the connection was closed, code %d %q", code, reason)
		}
		got = append(got, f)
	}
	diffs := p.heard(c, s, got)
	if len(diffs) > 0 {
		return &Failure{What: "heard something else", Differences: diffs}
	}
	return p.answered(ctx, c, s.Who)
}

// answered hands the answers that were heard to the stage.
func (p *player) answered(ctx context.Context, c *conn, who string) error {
	answers := c.answers
	c.answers = nil
	stage, ok := p.world.(Stage)
	if !ok {
		return nil
	}
	for _, a := range answers {
		if err := stage.Answered(ctx, who, a); err != nil {
			return failf("the answer does not hold: %v", err)
		}
	}
	return nil
}

func (p *player) heard(c *conn, s *Step, got []frame) []Difference {
	f := got[0]
	switch {
	case s.Text.Set && f.kind == websocket.TextMessage:
		return match(s.Text.V, string(f.data), p.vars, f.at)
	case s.Binary != nil && f.kind == websocket.BinaryMessage:
		if string(s.Binary) != string(f.data) {
			return []Difference{{"$", fmt.Sprintf("binary %x", s.Binary), f.String()}}
		}
		return nil
	case s.Text.Set || s.Binary != nil:
		return []Difference{{"$", "the other kind of frame", f.String()}}
	}
	var values []any
	for _, f := range got {
		v, err := p.decode(s.Who, f)
		if err != nil {
			return []Difference{{"$", err.Error(), f.String()}}
		}
		c.remember(v)
		values = append(values, v)
	}
	if s.Msg.Set {
		return match(s.Msg.V, values[0], p.vars, f.at)
	}
	patterns := make([]any, len(s.AnyOrder))
	for i, v := range s.AnyOrder {
		patterns[i] = v.V
	}
	return match(map[string]any{"$unordered": patterns}, values, p.vars, f.at)
}

// decode returns what a frame says.
func (p *player) decode(who string, f frame) (any, error) {
	if coder, ok := p.world.(Coder); ok {
		if f.kind != websocket.BinaryMessage {
			return nil, errors.New("a binary frame")
		}
		return coder.Decode(who, f.data)
	}
	v, err := decode(f.data)
	if err != nil || f.kind != websocket.TextMessage {
		return nil, errors.New("a text frame with JSON")
	}
	return v, nil
}

// remember keeps the descriptions that a frame holds: the offer for the answer to
// it, answers for the stage.
func (c *conn) remember(v any) {
	switch v := v.(type) {
	case string:
		m, err := Meaning(v)
		switch {
		case err != nil:
		case m["type"] == "offer":
			c.offer = v
		default:
			c.answers = append(c.answers, Unescape(v))
		}
	case []any:
		for _, x := range v {
			c.remember(x)
		}
	case map[string]any:
		for _, x := range v {
			c.remember(x)
		}
	}
}
