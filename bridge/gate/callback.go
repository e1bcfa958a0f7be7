package gate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"dragoman/bridge"
)

// CallbackConfig says whom a Callback asks.
type CallbackConfig struct {
	URL     string        // http:// or https://
	Secret  bridge.Secret // sent as "Authorization: Bearer …"; empty: nothing is
	Timeout time.Duration // of an answer; default 4 s
	Most    int           // questions at a time; default 64. More are Unavailable
	Client  *http.Client  // default: one that follows no redirects
}

// maxReply is how long an answer may be, in bytes.
const maxReply = 64 << 10

// Callback asks a program of the operator's by HTTP who may come in. It posts
//
//	{"dialect":"…","user":"…","password":"…","room":"…","remote":"192.0.2.1"}
//
// and is answered 200 with {"user":"…","name":"…","role":"listener"}, all of
// which may be missing (the role is at most that; none: whatever the room gives), or
// 204. 401 and 403 refuse, 429 refuses for now; anything else is Unavailable.
type Callback struct {
	cfg  CallbackConfig
	busy chan struct{}
}

// NewCallback makes a Callback.
func NewCallback(cfg CallbackConfig) (*Callback, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, bridge.Errorf(bridge.BadRequest, "the callback is no http:// or https:// address")
	}
	cfg.Timeout, cfg.Most = cmp.Or(cfg.Timeout, 4*time.Second), cmp.Or(cfg.Most, 64)
	if cfg.Client == nil {
		cfg.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Callback{cfg: cfg, busy: make(chan struct{}, cfg.Most)}, nil
}

// asked is what is posted.
type asked struct {
	Dialect  string `json:"dialect"`
	User     string `json:"user"`
	Password string `json:"password"`
	Room     string `json:"room,omitempty"`
	Remote   string `json:"remote,omitempty"`
}

// vouched is what is answered.
type vouched struct {
	User string `json:"user"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// Admit implements bridge.Gate.
func (g *Callback) Admit(ctx context.Context, c bridge.Credentials) (bridge.Grant, error) {
	select {
	case g.busy <- struct{}{}:
		defer func() { <-g.busy }()
	default:
		return bridge.Grant{}, bridge.Errorf(bridge.Unavailable, "too many are asked for at a time")
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	res, err := g.post(ctx, c)
	if err != nil {
		return bridge.Grant{}, unclear(err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return grantOf(res, c)
	case http.StatusUnauthorized, http.StatusForbidden:
		return bridge.Grant{}, bridge.Errorf(bridge.Unauthenticated, "the user or the password is wrong")
	case http.StatusTooManyRequests:
		return bridge.Grant{}, bridge.Errorf(bridge.TooMany, "there were too many attempts: try again later")
	}
	return bridge.Grant{}, unclear(fmt.Errorf("the callback answers %s", res.Status))
}

func unclear(err error) error {
	return &bridge.Error{Code: bridge.Unavailable, Msg: "nobody can be asked who you are", Err: err}
}

func (g *Callback) post(ctx context.Context, c bridge.Credentials) (*http.Response, error) {
	q := asked{Dialect: c.Dialect, User: c.User, Password: string(c.Secret), Room: string(c.Room)}
	if c.Remote.IsValid() {
		q.Remote = c.Remote.String()
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if g.cfg.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+string(g.cfg.Secret))
	}
	return g.cfg.Client.Do(req)
}

// grantOf reads an answer that lets somebody in.
func grantOf(res *http.Response, c bridge.Credentials) (bridge.Grant, error) {
	var v vouched
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err == nil && len(body) > maxReply {
		err = fmt.Errorf("the callback answers more than %d bytes", maxReply)
	}
	if err == nil && len(bytes.TrimSpace(body)) > 0 {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		return bridge.Grant{}, unclear(err)
	}
	role, ok := map[string]bridge.Role{
		"": bridge.NoRole, "listener": bridge.Listener, "speaker": bridge.Speaker, "moderator": bridge.Moderator,
	}[v.Role]
	if !ok {
		return bridge.Grant{}, unclear(fmt.Errorf("the callback knows a role %q, which is none", v.Role))
	}
	return bridge.Grant{
		User: bridge.UserID("callback:" + cmp.Or(v.User, c.User)), Name: short(cmp.Or(v.Name, c.User)), Role: role,
	}, nil
}

// Failed implements bridge.Gate. Brakes are elsewhere.
func (*Callback) Failed(bridge.Credentials) {}
