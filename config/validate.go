package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/store"
	"dragoman/cluster/livekit"
)

// redacted is what secrets print as; as input it is a mistake.
const redacted = "redacted"

// Validate says everything that is wrong as Problems, or nil.
func (c *Config) Validate() error {
	var p Problems
	c.HTTP.check(&p)
	c.TLS.check(&p)
	c.Admin.check(&p, c.Dev)
	p.addEach("media", c.Media.Validate())
	if c.Media.TURN.TLS != "" && c.TLS.Mode == "off" {
		p.addf("media.turn.tls", "needs a certificate: set tls.mode to files")
	}
	c.checkRooms(&p)
	c.checkDialects(&p)
	p.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	p.oneOf("log.format", c.Log.Format, "auto", "text", "json")
	p.notNegative("drain.timeout", int64(c.Drain.Timeout))
	p.notNegative("drain.spread", int64(c.Drain.Spread))
	c.Limits.check(&p)
	c.checkBrake(&p)
	c.checkStore(&p)
	c.checkCluster(&p)
	c.checkLiveKit(&p)
	c.OIDC.check(&p)
	p.addEach("mail", c.Mail.Validate())
	p.notNegative("runtime.gogc", int64(c.Runtime.Gogc))
	refuseRedacted(reflect.ValueOf(c).Elem(), "", &p)
	if c.Dev && !c.Insecure {
		c.checkLoopback(&p)
	}
	return p.orNil()
}

func (h HTTP) check(p *Problems) {
	p.address("http.listen", h.Listen)
	if h.PublicURL != "" {
		u, err := url.Parse(h.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
			p.addf("http.public_url", "%q is not like https://meet.example.org", h.PublicURL)
		}
	}
	if _, err := h.Proxies(); err != nil {
		p.addf("http.trusted_proxies", "%v", err)
	}
	p.positive("http.header_timeout", int64(h.HeaderTimeout))
	p.positive("http.idle_timeout", int64(h.IdleTimeout))
	if h.HeaderSize < 1<<10 || h.HeaderSize > 1<<20 {
		p.addf("http.header_size", "%s is not between 1KiB and 1MiB", h.HeaderSize)
	}
}

// Proxies returns the trusted proxies as networks.
func (h HTTP) Proxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(h.TrustedProxies))
	for _, s := range h.TrustedProxies {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", s)
		}
		out = append(out, n.Masked())
	}
	return out, nil
}

func (t TLS) check(p *Problems) {
	p.oneOf("tls.mode", t.Mode, "off", "files")
	for path, file := range map[string]string{"tls.cert_file": t.CertFile, "tls.key_file": t.KeyFile} {
		switch {
		case t.Mode == "files" && file == "":
			p.addf(path, "is missing: tls.mode is files")
		case t.Mode == "off" && file != "":
			p.addf(path, "is not used while tls.mode is off: set it to files, or remove the file")
		}
	}
}

func (a Admin) check(p *Problems, dev bool) {
	p.address("admin.listen", a.Listen)
	if len(a.Keys) == 0 && !isLoopback(a.Listen) && !dev {
		p.addf("admin.listen", "%s can be reached by others and there are no admin.keys: add one with \"dragoman token admin\", or listen on 127.0.0.1", a.Listen)
	}
	names := map[string]bool{}
	for i, k := range a.Keys {
		path := fmt.Sprintf("admin.keys[%d]", i)
		if k.Name == "" || names[k.Name] {
			p.addf(path+".name", "each key needs a name of its own")
		}
		names[k.Name] = true
		switch {
		case (k.Key == "") == (k.Hash == ""):
			p.addf(path, "needs either key, key_file or hash")
		case k.Hash != "":
			if raw, err := hex.DecodeString(k.Hash); err != nil || len(raw) != 32 {
				p.addf(path+".hash", "is not a SHA-256 in hex")
			}
		case len(k.Key) < 16:
			p.addf(path+".key", "has fewer than 16 characters: \"dragoman token admin\" makes a good one")
		}
	}
}

// addEach adds what a package says of its own section. Its errors begin with
// the key.
func (p *Problems) addEach(section string, err error) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			p.addEach(section, one)
		}
		return
	}
	said := err.Error()
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		said = e.Msg // without the name of its code
	}
	key, text, found := strings.Cut(said, ": ")
	if !found || strings.ContainsAny(key, " \"") {
		key, text = "", said
	}
	p.addf(strings.TrimSuffix(section+"."+key, "."), "%s", text)
}

func (l Limits) check(p *Problems) {
	for path, n := range map[string]int64{
		"limits.frame": int64(l.Frame), "limits.burst": int64(l.Burst), "limits.write": int64(l.Write),
		"limits.connections": int64(l.Connections), "limits.rooms": int64(l.Rooms),
	} {
		p.notNegative(path, n)
	}
	if l.Rate < 0 {
		p.addf("limits.rate", "is less than 0")
	}
}

func (c *Config) checkBrake(p *Problems) {
	b := c.Brake
	for path, n := range map[string]int64{
		"brake.failures": int64(b.Failures), "brake.room_failures": int64(b.RoomFailures), "brake.window": int64(b.Window),
		"brake.pause": int64(b.Pause), "brake.size": int64(b.Size),
	} {
		p.notNegative(path, n)
	}
}

func (c *Config) checkStore(p *Problems) {
	scheme, _, _ := strings.Cut(string(c.Store.URL), ":")
	switch {
	case c.Store.Key != "" && len(c.Store.Key) < store.MinKey:
		p.addf("store.key", "has fewer than %d bytes", store.MinKey)
	case c.Store.URL == "":
	case scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql":
		p.addf("store.url", "begins neither with sqlite: nor with postgres://")
	case scheme != "sqlite" && c.Store.Key == "" && !c.Cluster.Enabled():
		p.addf("store.key", "is missing: all nodes that share a database need the same (\"openssl rand -hex 32\" makes one)")
	case c.Store.Key == "" && c.DataDir == "":
		p.addf("store.key", "is missing: without it and data_dir, what is in the database could not be read after a restart")
	}
}

// checkCluster demands what all nodes of a cluster need to have the same.
func (c *Config) checkCluster(p *Problems) {
	if !c.Cluster.Enabled() {
		return
	}
	p.addEach("cluster", c.Cluster.Check())
	p.addEach("relay", c.Relay.Check())
	if c.Store.URL == "" {
		p.addf("store.url", "is missing: the nodes of a cluster share a database. Set it to postgres://… on all of them; nodes of one machine may share a file, sqlite:/path")
	}
	if c.Store.Key == "" {
		p.addf("store.key", "is missing: all nodes of a cluster need the same (\"openssl rand -hex 32\" makes one)")
	}
}

// checkLiveKit looks at the LiveKit servers, and whether rooms name one of them.
func (c *Config) checkLiveKit(p *Problems) {
	if err := livekit.CheckCluster(c.Cluster.Name); err != nil && len(c.LiveKit) > 0 {
		p.addf("cluster.name", "%s", bridge.MessageOf(err))
	}
	names := map[string]bool{}
	for i, s := range c.LiveKit {
		path := fmt.Sprintf("livekit[%d]", i)
		p.addEach(path, s.Check())
		if s.Name != "" && names[s.Name] {
			p.addf(path+".name", "there are two servers %q: each needs a name of its own", s.Name)
		}
		names[s.Name] = true
	}
	for i, r := range c.Rooms {
		server, theirs, named := strings.Cut(r.Home, "/")
		path := fmt.Sprintf("rooms[%d].home", i)
		switch {
		case r.Home == "":
		case !names[server]:
			known := slices.Sorted(maps.Keys(names))
			p.addf(path, "%q is not the name of a server in livekit%s", server, didYouMean(server, known))
		case named && theirs == "":
			p.addf(path, "names no room after the /: leave out the / for the one that livekit[].room says")
		}
	}
}

func (o OIDC) check(p *Problems) {
	p.notNegative("oidc.skew", int64(o.Skew))
	p.positive("oidc.timeout", int64(o.Timeout))
	for i, name := range o.Required {
		if !slices.Contains(gate.Claims(), name) {
			p.addf(fmt.Sprintf("oidc.required[%d]", i), "%q is not one of %s", name, strings.Join(gate.Claims(), ", "))
		}
	}
	if o.Issuer == "" {
		if len(o.ClientIDs) > 0 || o.IntrospectID != "" {
			p.addf("oidc.issuer", "is missing: the other keys of oidc are about it")
		}
		return
	}
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		p.addf("oidc.issuer", "%q is not like https://login.example.org", o.Issuer)
	}
	if len(o.ClientIDs) == 0 {
		p.addf("oidc.client_ids", "is empty: nobody's tokens are for this server")
	}
	if (o.IntrospectID == "") != (o.IntrospectSecret == "") {
		p.addf("oidc.introspect_id", "goes with oidc.introspect_secret: give both or none")
	}
}

func (c *Config) checkRooms(p *Problems) {
	seen := map[bridge.RoomID]bool{}
	for i, r := range c.Rooms {
		path := fmt.Sprintf("rooms[%d]", i)
		id, err := bridge.Normalize(r.Name)
		switch {
		case err != nil:
			p.addf(path+".name", "%s", bridge.MessageOf(err))
		case seen[id]:
			p.addf(path+".name", "there are two rooms %q", id)
		}
		seen[id] = true
		p.oneOf(path+".default_role", r.DefaultRole, "", "listener", "speaker", "moderator")
		for role, secret := range map[string]bridge.Secret{
			"listener": r.Secrets.Listener, "speaker": r.Secrets.Speaker, "moderator": r.Secrets.Moderator,
		} {
			p.add(path+".secrets."+role, gate.Valid(secret))
		}
		p.notNegative(path+".max", int64(r.Max))
		p.notNegative(path+".limit", int64(r.Limit))
		p.notNegative(path+".keep_chat", int64(r.KeepChat))
		p.notNegative(path+".max_bitrate", int64(r.MaxBitrate))
	}
}

func (c *Config) checkDialects(p *Problems) {
	hosts, listeners, prefixes := map[string]string{}, map[string]string{}, map[string]string{}
	for _, d := range c.Dialects {
		if !d.Enabled {
			continue
		}
		path := "dialects." + d.Name
		for _, h := range d.Hosts {
			p.once(path+".hosts", "host name "+strings.ToLower(h), d.Name, hosts)
			if h == "" || strings.ContainsAny(h, "/: ") {
				p.addf(path+".hosts", "%q is not a host name: no scheme, port or path", h)
			}
		}
		if d.Listen != "" {
			p.address(path+".listen", d.Listen)
			if _, port, _ := net.SplitHostPort(d.Listen); port != "0" {
				p.once(path+".listen", "address "+d.Listen, d.Name, listeners)
			}
		}
		prefix := d.RoutePrefix()
		p.once(path+".prefix", "prefix "+prefix, d.Name, prefixes)
		if strings.Contains(strings.Trim(prefix, "/"), "/") {
			p.addf(path+".prefix", "%q has more than one segment", d.Prefix)
		}
	}
}

// RoutePrefix is the path below which the dialect is, with slashes at both ends.
func (d Dialect) RoutePrefix() string {
	s := strings.Trim(d.Prefix, "/")
	if s == "" {
		s = d.Name
	}
	return "/" + s + "/"
}

// checkLoopback keeps a node that lets anybody in to those who are on the same
// machine anyway.
func (c *Config) checkLoopback(p *Problems) {
	listeners := map[string]string{
		"http.listen": c.HTTP.Listen, "admin.listen": c.Admin.Listen,
		"media.udp": c.Media.UDP, "media.tcp": c.Media.TCP,
		"media.turn.udp": c.Media.TURN.UDP, "media.turn.tcp": c.Media.TURN.TCP, "media.turn.tls": c.Media.TURN.TLS,
	}
	if c.Cluster.Enabled() {
		listeners["cluster.bind"], listeners["cluster.link.listen"] = c.Cluster.Bind, c.Cluster.Link.Listen
	}
	for _, d := range c.Dialects {
		if d.Enabled {
			listeners["dialects."+d.Name+".listen"] = d.Listen
		}
	}
	for _, path := range slices.Sorted(maps.Keys(listeners)) {
		p.add(path, c.Local(path, listeners[path]))
	}
}

// Local says as Problems what is wrong with listening at an address, for listeners
// that Validate does not know because they are in the own section of a dialect: in
// development mode all are on loopback.
func (c *Config) Local(path, address string) error {
	if !c.Dev || c.Insecure || address == "" || isLoopback(address) {
		return nil
	}
	var p Problems
	p.addf(path, "%s is not loopback, and in development mode anybody who reaches this node may enter any room and use the admin API without a key: "+
		"write a configuration file (\"dragoman config init\"), or say --insecure if everybody in this network may do that", address)
	return p
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// refuseRedacted finds secrets that were copied from what a program printed.
func refuseRedacted(v reflect.Value, path string, p *Problems) {
	for _, f := range fieldsOf(v) {
		at := join(path, f.name)
		switch {
		case f.value.Type() == secretType && f.value.String() == redacted:
			p.addf(at, "%q is what secrets are printed as, not a secret", redacted)
		case isSection(f.value.Type()):
			refuseRedacted(f.value, at, p)
		case isSections(f.value.Type()):
			for i := range f.value.Len() {
				refuseRedacted(f.value.Index(i), fmt.Sprintf("%s[%d]", at, i), p)
			}
		}
	}
}

func (p *Problems) address(path, s string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		p.addf(path, "%q is not an address with a port, like 127.0.0.1:8080 or :8080", s)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		p.addf(path, "%q is not a port from 0 to 65535", port)
	} else if _, err := netip.ParseAddr(host); err != nil && host != "" && n > 0 && strings.ContainsAny(host, " /") {
		p.addf(path, "%q is not a host", host)
	}
}

func (p *Problems) oneOf(path, s string, allowed ...string) {
	if slices.Contains(allowed, s) {
		return
	}
	shown := slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" })
	p.addf(path, "%q is not one of %s%s", s, strings.Join(shown, ", "), didYouMean(s, shown))
}

func (p *Problems) notNegative(path string, n int64) {
	if n < 0 {
		p.addf(path, "is less than 0")
	}
}

func (p *Problems) positive(path string, n int64) {
	if n <= 0 {
		p.addf(path, "has to be more than 0")
	}
}

func (p *Problems) once(path, what, who string, seen map[string]string) {
	if other := seen[what]; other != "" {
		p.addf(path, "%s is %s's already", what, other)
	}
	seen[what] = who
}
