package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
)

// mostSkew is how far the clock of a LiveKit server may be off: it takes tokens that are
// made by ours.
const mostSkew = 30 * time.Second

// checkLiveKit asks each LiveKit server whether it takes the key, and looks whether they
// can tell this node what happens.
func checkLiveKit(ctx context.Context, p *patient) []finding {
	var found []finding
	for i, s := range p.cfg.LiveKit {
		what := fmt.Sprintf("livekit[%d]", i)
		found = append(found, checkServer(ctx, what, s)...)
	}
	if len(found) > 0 {
		found = append(found, checkWebhook(ctx, p))
	}
	return found
}

func checkServer(ctx context.Context, what string, s livekit.Settings) []finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := livekit.Reach(ctx, s)
	var found []finding
	if got.Skew.Abs() > mostSkew {
		found = append(found, finding{
			what, "fail", fmt.Sprintf("the clock of %s is %s from ours", s.Name, got.Skew),
			"it takes tokens by its clock: have both machines keep time (chrony, systemd-timesyncd)",
		})
	}
	switch bridge.CodeOf(err) {
	case 0:
		found = append(found, finding{what, "ok", fmt.Sprintf("%s answers and takes the key; rooms there: %d", s.Name, got.Rooms), ""})
	case bridge.Unauthenticated:
		found = append(found, finding{
			what, "fail", s.Name + ": " + bridge.MessageOf(err),
			"key and secret have to be a pair of the list keys in the server's configuration; correct livekit[].key and livekit[].secret",
		})
	default:
		found = append(found, finding{
			what, "fail", s.Name + ": " + cause(err),
			"start the server, or correct livekit[].url, or livekit[].api_url where its API is elsewhere",
		})
	}
	if exposed(s.URL) {
		found = append(found, finding{what, "warn", "tokens go to " + s.Name + " unencrypted", "begin livekit[].url with wss://, unless nobody else is on that network"})
	}
	return found
}

// exposed reports whether what is sent to a URL can be read on its way.
func exposed(to string) bool {
	u, err := url.Parse(to)
	if err != nil || u.Scheme == "wss" || u.Scheme == "https" || u.Hostname() == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err != nil || !ip.IsLoopback()
}

// checkWebhook says where LiveKit servers may tell what happens, and looks whether a node
// that runs can be reached there.
func checkWebhook(ctx context.Context, p *patient) finding {
	const what = "livekit webhook"
	base := strings.TrimSuffix(p.cfg.HTTP.PublicURL, "/")
	if base == "" {
		base = "http://" + p.cfg.HTTP.Listen
		if host, port, err := net.SplitHostPort(p.cfg.HTTP.Listen); err == nil && host == "" {
			base = "http://localhost:" + port
		}
	}
	at := base + "/livekit/webhook"
	hint := "leavers and restarts are noticed sooner when the servers' configuration has webhook: {api_key: …, urls: [" + at + "]}"
	if p.cfg.HTTP.PublicURL == "" && !p.cfg.Dev {
		return finding{what, "warn", "it is not known how the servers reach this node", "set http.public_url; " + hint}
	}
	if !p.running {
		return finding{what, "ok", at + ", once a node runs", hint}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status, err := post(ctx, at)
	switch {
	case err != nil:
		return finding{what, "warn", at + " is not reached from here: " + err.Error(), "have the reverse proxy pass it to the shared listener, or correct http.public_url; " + hint}
	case status != http.StatusUnauthorized: // what an unsigned one is answered with
		return finding{what, "warn", fmt.Sprintf("%s is answered by another program: status %d", at, status), "have the reverse proxy pass it to the shared listener; " + hint}
	}
	return finding{what, "ok", at + " is reached", hint}
}

// post sends nothing, unsigned.
func post(ctx context.Context, to string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, http.NoBody)
	if err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_ = answer.Body.Close()
	return answer.StatusCode, nil
}
