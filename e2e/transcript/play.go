package transcript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	soon   = 5 * time.Second        // the default of "within"
	quiet  = time.Second            // the default of "for" in "nothing"
	settle = 200 * time.Millisecond // after the last step, for frames that nobody has asked for
	answer = 30 * time.Second       // for an HTTP request
)

// player plays one script, in one goroutine.
type player struct {
	world  World
	script *Script
	vars   vars
	conns  map[string]*conn
}

// A play is what a kind of step does.
type play func(p *player, ctx context.Context, s *Step) error

func plays() map[string]play {
	return map[string]play{
		"dial": (*player).dial, "close": (*player).close, "closed": (*player).closed,
		"send": (*player).send, "hear": (*player).hear, "nothing": (*player).nothing,
		"ignore": (*player).ignore, "stall": (*player).stall,
		"http": (*player).http, "wait": (*player).wait,
		"media": (*player).media, "node": (*player).node,
	}
}

// Play plays the script in the world and closes all its connections. The error
// is a *Failure when a step went otherwise than the script says.
func Play(ctx context.Context, s *Script, w World) error {
	p := &player{world: w, script: s, vars: vars{}, conns: map[string]*conn{}}
	defer p.end()
	if err := p.able(); err != nil {
		return err
	}
	table := plays()
	for i := range s.Steps {
		step := &s.Steps[i]
		if err := table[step.kind()](p, ctx, step); err != nil {
			return p.located(err, step)
		}
	}
	return p.finish(ctx)
}

// able refuses a script that needs more than the world can.
func (p *player) able() error {
	for _, need := range p.script.Needs {
		ok := false
		switch need {
		case "media":
			_, ok = p.world.(Stage)
		case "nodes":
			_, ok = p.world.(Cluster)
		}
		if !ok {
			return &Failure{Title: p.script.Title, Line: 1, What: fmt.Sprintf("it needs %q, which there is not here", need)}
		}
	}
	return nil
}

// located adds to a failure where it happened.
func (p *player) located(err error, s *Step) error {
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		f = failf("%v", err)
	}
	f.Title, f.Line, f.Who = p.script.Title, s.Line, s.Who
	if c := p.conns[s.Who]; c != nil {
		if f.Frames == nil {
			f.Frames = slices.Clone(c.log)
		}
		if !c.over && f.Waiting == nil {
			f.Waiting = c.end(0)
		}
	}
	return f
}

// end closes whatever is open.
func (p *player) end() {
	for _, c := range p.conns {
		if !c.over {
			c.end(websocket.CloseGoingAway)
		}
	}
}

// finish fails when a connection has heard what no step has asked for.
func (p *player) finish(ctx context.Context) error {
	if err := sleep(ctx, settle); err != nil {
		return err
	}
	for _, who := range slices.Sorted(maps.Keys(p.conns)) {
		c := p.conns[who]
		if c.over || c.ignored {
			continue
		}
		select {
		case f, ok := <-c.frames:
			what := failf("more came than the script asks for")
			if ok {
				what.Waiting = append([]string{"< " + f.String()}, c.end(0)...)
			} else {
				code, reason := c.closeCode()
				what = failf("closed by the server, code %d %q, which no step asks for", code, reason)
			}
			return p.located(what, &Step{Who: who})
		default:
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conn returns the open connection of a step.
func (p *player) conn(s *Step) (*conn, error) {
	c := p.conns[s.Who]
	if c == nil || c.over {
		return nil, failf("has no open connection")
	}
	return c, nil
}

// target returns URL and header of a request.
func (p *player) target(s *Step, scheme string) (*url.URL, http.Header, error) {
	path, err := p.vars.text(s.Path)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, nil, failf("bad path: %v", err)
	}
	base := p.world.Base()
	u.Scheme, u.Host = scheme, base.Host
	if prefix := strings.TrimSuffix(base.Path, "/"); prefix != "" {
		u.Path = prefix + u.Path
		u.RawPath = ""
	}
	query := u.Query()
	for k, v := range s.Query {
		text, err := p.vars.text(v)
		if err != nil {
			return nil, nil, err
		}
		query.Set(k, text)
	}
	u.RawQuery = query.Encode()
	header := http.Header{}
	for k, v := range s.Headers {
		text, err := p.vars.text(v)
		if err != nil {
			return nil, nil, err
		}
		header.Set(k, text)
	}
	if s.Host != "" {
		header.Set("Host", s.Host)
	}
	return u, header, nil
}

func (p *player) dial(ctx context.Context, s *Step) error {
	if c := p.conns[s.Who]; c != nil && !c.over {
		return failf("is connected already")
	}
	u, header, err := p.target(s, "ws")
	if err != nil {
		return err
	}
	c, status, err := connect(ctx, p.world, websocket.Dialer{Subprotocols: s.Subprotocols}, u.String(), header)
	if c != nil {
		p.conns[s.Who] = c
		go c.read()
	}
	if s.Expect != nil {
		if status != s.Expect.Status {
			return failf("dial: want status %d, got %d (%v)", s.Expect.Status, status, err)
		}
		return nil
	}
	if err != nil {
		return failf("dial: %v, status %d", err, status)
	}
	got := c.ws.Subprotocol()
	if s.Protocol != "" && got != s.Protocol || s.Protocol == "" && len(s.Subprotocols) > 0 && !slices.Contains(s.Subprotocols, got) {
		return failf("dial: the server has chosen subprotocol %q of %q", got, s.Subprotocols)
	}
	return nil
}

func (p *player) close(_ context.Context, s *Step) error {
	c, err := p.conn(s)
	if err != nil {
		return err
	}
	code := s.Code
	switch {
	case s.Abrupt:
		code = 0
	case code == 0:
		code = websocket.CloseNormalClosure
	}
	if unread := c.end(code); len(unread) > 0 && !c.ignored {
		f := failf("heard before it closed what no step asks for")
		f.Waiting = unread
		return f
	}
	return nil
}

func (p *player) closed(ctx context.Context, s *Step) error {
	c, err := p.conn(s)
	if err != nil {
		return err
	}
	within := time.NewTimer(s.Within.or(soon))
	defer within.Stop()
	for {
		select {
		case f, ok := <-c.frames:
			if ok && c.ignored {
				continue
			}
			if ok {
				c.note("< " + f.String())
				return failf("want the connection closed, got a frame")
			}
			return p.checkClose(c, s)
		case <-within.C:
			return failf("want the connection closed, it is open after %s", s.Within.or(soon))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *player) checkClose(c *conn, s *Step) error {
	c.end(0)
	code, reason := c.closeCode()
	if s.Code != 0 && s.Code != code {
		return failf("closed with code %d %q, want %d", code, reason, s.Code)
	}
	if s.Reason.Set {
		if diffs := match(s.Reason.V, reason, p.vars, time.Now()); len(diffs) > 0 {
			return &Failure{What: "closed with another reason", Differences: diffs}
		}
	}
	return nil
}

func (p *player) send(_ context.Context, s *Step) error {
	c, err := p.conn(s)
	if err != nil {
		return err
	}
	kind, data, err := p.payload(s)
	if err != nil {
		return err
	}
	for range max(1, s.Repeat) {
		if err := c.send(kind, data); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) payload(s *Step) (kind int, data []byte, err error) {
	switch {
	case s.Msg.Set:
		v, err := p.render(s.Who, s.Msg.V)
		if err != nil {
			return 0, nil, err
		}
		if coder, ok := p.world.(Coder); ok {
			data, err = coder.Encode(s.Who, v)
			return websocket.BinaryMessage, data, err
		}
		data, err = encode(v)
		return websocket.TextMessage, data, err
	case s.Text.Set:
		v, err := p.render(s.Who, s.Text.V)
		if err != nil {
			return 0, nil, err
		}
		return websocket.TextMessage, []byte(plain(v)), nil
	}
	return websocket.BinaryMessage, s.Binary, nil
}

// describe makes a session description to send.
func (p *player) describe(who string, arg any) (any, error) {
	w, err := wishOf(arg)
	if err != nil {
		return nil, err
	}
	offer := ""
	switch {
	case w.Type == "offer":
	case w.Of != "":
		v, err := p.vars.get(w.Of)
		if err != nil {
			return nil, err
		}
		offer = plain(v)
	default:
		if offer = p.conns[who].offer; offer == "" {
			return nil, failf("there was no offer to answer")
		}
	}
	if stage, ok := p.world.(Stage); ok {
		ctx, cancel := context.WithTimeout(context.Background(), answer)
		defer cancel()
		return stage.Describe(ctx, who, w, offer)
	}
	if w.Type == "offer" {
		return w.Offer(), nil
	}
	return w.Answer(offer)
}

func (p *player) nothing(ctx context.Context, s *Step) error {
	c, err := p.conn(s)
	if err != nil {
		return err
	}
	wait := time.NewTimer(s.For.or(quiet))
	defer wait.Stop()
	select {
	case f, ok := <-c.frames:
		if !ok {
			code, reason := c.closeCode()
			return failf("want nothing for %s, the connection was closed, code %d %q", s.For.or(quiet), code, reason)
		}
		c.note("< " + f.String())
		return failf("want nothing for %s, got a frame", s.For.or(quiet))
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *player) ignore(_ context.Context, s *Step) error {
	c, err := p.conn(s)
	if err == nil {
		c.ignored = true
	}
	return err
}

func (p *player) stall(_ context.Context, s *Step) error {
	c, err := p.conn(s)
	if err == nil {
		c.ignored = true
		c.gate.stall.Do(func() { close(c.gate.stalled) })
	}
	return err
}

func (p *player) wait(ctx context.Context, s *Step) error { return sleep(ctx, time.Duration(s.For)) }

func (p *player) media(ctx context.Context, s *Step) error {
	stage, ok := p.world.(Stage)
	if !ok {
		return failf(`there is no media here: the header has to need "media"`)
	}
	ctx, cancel := context.WithTimeout(ctx, s.Within.or(answer))
	defer cancel()
	return stage.Media(ctx, *s)
}

func (p *player) node(ctx context.Context, s *Step) error {
	cluster, ok := p.world.(Cluster)
	if !ok {
		return failf(`there are no nodes here: the header has to need "nodes"`)
	}
	return cluster.Node(ctx, *s)
}

func (p *player) http(ctx context.Context, s *Step) error {
	u, header, err := p.target(s, "http")
	if err != nil {
		return err
	}
	body, err := p.body(s, header)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	method := s.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return err
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	header.Del("Host")
	req.Header = header
	return p.fetch(req, s.Expect)
}

func (p *player) body(s *Step, header http.Header) (io.Reader, error) {
	switch {
	case s.Body.Set:
		v, err := p.render(s.Who, s.Body.V)
		if err != nil {
			return nil, err
		}
		data, err := encode(v)
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
		return strings.NewReader(string(data)), err
	case s.Text.Set:
		v, err := p.render(s.Who, s.Text.V)
		if err != nil {
			return nil, err
		}
		return strings.NewReader(plain(v)), nil
	}
	return http.NoBody, nil
}
