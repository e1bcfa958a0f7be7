package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dragoman/bridge"
	"dragoman/cmd/ctl"
	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/dialects/asn"
	"dragoman/dialects/nkmedia"
)

// finding is what one check found.
type finding struct {
	What   string `json:"what"`
	Grade  string `json:"grade"` // ok, warn, fail
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// patient is what the checks look at.
type patient struct {
	cfg     config.Config
	raw     map[string]string // listeners for plain TCP, by key
	running bool              // a node of this configuration answers already
	now     time.Time
}

// checks are made in this order.
func checks() []func(context.Context, *patient) []finding {
	return []func(context.Context, *patient) []finding{
		checkNode, checkPorts, checkAddresses, checkCertificate, checkProxy, checkClock, checkSystem, checkData, checkOthers, checkCluster, checkLiveKit, checkLogins, checkMeetings,
	}
}

func doctorCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "doctor", Short: "Check ports, addresses, certificate and machine, and say what to change", Args: cobra.NoArgs,
		Long: "Checks whether a node with this configuration would work on this machine: ports, the\n" +
			"addresses that clients are told, certificate, clock, limits of the system, reverse proxy,\n" +
			"database, identity provider, log-ins, mail, cluster, LiveKit servers.",
	}
	src := sourceFlags(c)
	outputFlag(c, &output)
	c.RunE = func(c *cobra.Command, _ []string) error {
		loaded, err := src.load()
		if err != nil {
			return err
		}
		raw, err := serve.RawListeners(loaded.Config)
		if err != nil {
			return loaded.Explain(err)
		}
		p := &patient{cfg: loaded.Config, raw: raw, now: time.Now()}
		found := []finding{{What: "configuration", Grade: "ok", Text: "is right"}}
		for _, check := range checks() {
			found = append(found, check(c.Context(), p)...)
		}
		failed := 0
		for _, f := range found {
			if f.Grade == "fail" {
				failed++
			}
		}
		err = show(c, output, found, func(t *table) {
			for _, f := range found {
				t.row(f.Grade, f.What, f.Text)
				if f.Advice != "" {
					t.row("", "", "→ "+f.Advice)
				}
			}
		})
		if err == nil && failed > 0 {
			err = fmt.Errorf("%d of %d checks failed", failed, len(found))
		}
		return err
	}
	return c
}

func checkNode(ctx context.Context, p *patient) []finding {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := &ctl.Client{Base: "http://" + p.cfg.Admin.Listen}
	if strings.HasPrefix(p.cfg.Admin.Listen, ":") {
		client.Base = "http://localhost" + p.cfg.Admin.Listen
	}
	if err := client.Health(ctx, "livez"); err != nil {
		return []finding{{"node", "ok", "none runs with this configuration yet", ""}}
	}
	p.running = true
	if err := client.Health(ctx, "readyz"); err != nil {
		return []finding{{"node", "warn", "runs, and takes no new clients: " + err.Error(), ""}}
	}
	return []finding{{"node", "ok", "runs and takes clients", ""}}
}

// checkPorts tries every address, unless the node itself holds them.
func checkPorts(ctx context.Context, p *patient) []finding {
	if p.running {
		return nil
	}
	type place struct{ what, network, address string }
	places := []place{
		{"http.listen", "tcp", p.cfg.HTTP.Listen},
		{"admin.listen", "tcp", p.cfg.Admin.Listen},
		{"media.udp", "udp", p.cfg.Media.UDP},
		{"media.tcp", "tcp", p.cfg.Media.TCP},
		{"media.turn.udp", "udp", p.cfg.Media.TURN.UDP},
		{"media.turn.tcp", "tcp", p.cfg.Media.TURN.TCP},
		{"media.turn.tls", "tcp", p.cfg.Media.TURN.TLS},
	}
	if p.cfg.Cluster.Enabled() {
		places = append(places,
			place{"cluster.bind", "tcp", p.cfg.Cluster.Bind}, place{"cluster.bind", "udp", p.cfg.Cluster.Bind},
			place{"cluster.link.listen", "tcp", p.cfg.Cluster.Link.Listen})
	}
	for _, d := range p.cfg.Dialects {
		if d.Enabled && d.Listen != "" {
			places = append(places, place{"dialects." + d.Name + ".listen", "tcp", d.Listen})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.raw)) {
		places = append(places, place{key, "tcp", p.raw[key]})
	}
	var found []finding
	for _, at := range places {
		if at.address == "" {
			continue
		}
		if err := try(ctx, at.network, at.address); err != nil {
			found = append(found, finding{
				at.what, "fail", fmt.Sprintf("%s %s cannot be opened: %v", at.network, at.address, err),
				"stop what holds the port, or choose another: " + config.EnvName(at.what) + ", --" + config.FlagName(at.what),
			})
			continue
		}
		found = append(found, finding{at.what, "ok", at.network + " " + at.address + " is free", ""})
	}
	return found
}

func try(ctx context.Context, network, address string) error {
	var l net.ListenConfig
	if network == "udp" {
		c, err := l.ListenPacket(ctx, network, address)
		if err != nil {
			return err
		}
		return c.Close()
	}
	c, err := l.Listen(ctx, network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

// checkAddresses says what clients will be told of where media goes.
func checkAddresses(_ context.Context, p *patient) []finding {
	const what = "media address"
	if len(p.cfg.Media.Advertise) > 0 {
		return []finding{{what, "ok", "clients are told " + strings.Join(p.cfg.Media.Advertise, ", "), ""}}
	}
	host, _, err := net.SplitHostPort(p.cfg.Media.UDP)
	if err != nil {
		return nil // the configuration is checked elsewhere
	}
	told := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
		told = append(told, ip)
	} else {
		told = local()
	}
	var names []string
	public, loopback := false, true
	for _, a := range told {
		names = append(names, a.String())
		public = public || a.IsGlobalUnicast() && !a.IsPrivate()
		loopback = loopback && a.IsLoopback()
	}
	text := "clients are told " + strings.Join(names, ", ")
	switch {
	case len(told) == 0:
		return []finding{{what, "fail", "this machine has no address but loopback", "connect it, or set media.advertise"}}
	case loopback && p.cfg.Dev:
		return []finding{{what, "ok", text + ": this machine only", ""}}
	case loopback:
		return []finding{{what, "fail", text + ": nobody else gets audio or video", "set media.udp to :7000"}}
	case !public:
		return []finding{{what, "warn", text + ": private addresses only", "if clients come from elsewhere, set media.advertise to the public address"}}
	}
	return []finding{{what, "ok", text, ""}}
}

// local lists the addresses of this machine, loopback left out.
func local() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out
}

func checkProxy(_ context.Context, p *patient) []finding {
	u, err := url.Parse(p.cfg.HTTP.PublicURL)
	if p.cfg.Dev || err != nil {
		return nil
	}
	behind := u.Scheme == "https" && p.cfg.TLS.Mode == "off"
	switch {
	case p.cfg.HTTP.PublicURL == "" && p.cfg.TLS.Mode == "off":
		return []finding{{"https", "warn", "browsers give a page a camera only over https", "set tls, or put a reverse proxy in front and set http.public_url"}}
	case behind && len(p.cfg.HTTP.TrustedProxies) == 0:
		return []finding{{
			"reverse proxy", "warn", "all clients seem to come from the proxy: one who guesses passwords slows down all",
			"set http.trusted_proxies to its address, and have it send X-Forwarded-For and X-Forwarded-Proto",
		}}
	case behind:
		return []finding{{"reverse proxy", "ok", strings.Join(p.cfg.HTTP.TrustedProxies, ", ") + " says who the client is", ""}}
	}
	return nil
}

func checkData(_ context.Context, p *patient) []finding {
	const what = "data directory"
	if p.cfg.DataDir == "" {
		if p.cfg.Dev {
			return nil
		}
		return []finding{{what, "warn", "none: after a restart clients cannot take their seats again", "set data_dir"}}
	}
	f, err := os.CreateTemp(p.cfg.DataDir, ".doctor-*")
	if err != nil {
		return []finding{{what, "fail", err.Error(), "make " + filepath.Clean(p.cfg.DataDir) + " writable for the user that runs the node"}}
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	return []finding{{what, "ok", p.cfg.DataDir + " is writable", ""}}
}

// checkOthers asks those whom the node needs.
func checkOthers(ctx context.Context, p *patient) []finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	database, issuer := serve.Reach(ctx, p.cfg)
	var found []finding
	switch {
	case database != nil:
		found = append(found, finding{"store.url", "fail", cause(database), "start the database, or correct store.url: user, password and database have to exist"})
	case p.cfg.Store.URL != "":
		found = append(found, finding{"store.url", "ok", "the database answers", ""})
	}
	switch {
	case issuer != nil:
		found = append(found, finding{
			"oidc.issuer", "fail", p.cfg.OIDC.Issuer + ": " + cause(issuer),
			"it has to answer at /.well-known/openid-configuration below that URL, and to call itself exactly that",
		})
	case p.cfg.OIDC.Issuer != "":
		found = append(found, finding{"oidc.issuer", "ok", p.cfg.OIDC.Issuer + " answers", ""})
	case !p.cfg.Dev:
		found = append(found, finding{"oidc.issuer", "warn", "none: k3k clients come in as guests only", "set oidc.issuer and oidc.client_ids"})
	}
	return found
}

// speaks reports whether a dialect is switched on.
func (p *patient) speaks(dialect string) bool {
	return slices.ContainsFunc(p.cfg.Dialects, func(d config.Dialect) bool { return d.Name == dialect && d.Enabled })
}

// checkMeetings looks whether meetings can be made and mailed about.
func checkMeetings(ctx context.Context, p *patient) []finding {
	c := asn.DefaultConfig()
	if p.cfg.Dev || !p.speaks(asn.Name) || p.cfg.Section(asn.Name)(&c) != nil {
		return nil
	}
	var found []finding
	advice := c.Advice(p.cfg.OIDC.Issuer != "", int64(p.cfg.Limits.Frame))
	for _, key := range slices.Sorted(maps.Keys(advice)) {
		text, todo, _ := strings.Cut(advice[key], ": ")
		if !strings.Contains(key, ".") {
			key = "dialects." + asn.Name + "." + key
		}
		found = append(found, finding{key, "warn", text, todo})
	}
	if p.cfg.Mail.Server == "" {
		return append(found, finding{"mail.server", "warn", "none: nobody gets mail about a meeting", "set mail.server and mail.from"})
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", p.cfg.Mail.Server)
	if err != nil {
		return append(found, finding{"mail.server", "fail", err.Error(), "start the mail server, or correct mail.server"})
	}
	_ = conn.Close()
	return append(found, finding{"mail.server", "ok", p.cfg.Mail.Server + " can be reached", ""})
}

// checkLogins looks whether clients that cannot come in as guests can log in.
func checkLogins(_ context.Context, p *patient) []finding {
	c := nkmedia.DefaultConfig()
	if p.cfg.Dev || !p.speaks(nkmedia.Name) || p.cfg.Section(nkmedia.Name)(&c) != nil || c.UserFile != "" || c.Callback != "" {
		return nil
	}
	return []finding{{
		"dialects." + nkmedia.Name, "warn", "nobody can log in: NkMEDIA clients have no guests",
		"set user_file or callback there, or switch the dialect off",
	}}
}

// cause is what was wrong, below what a client would be told of it.
func cause(err error) string {
	if e, ok := errors.AsType[*bridge.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}
