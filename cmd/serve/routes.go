package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"dragoman/bridge"
	"dragoman/config"
	"dragoman/dialects"
	"dragoman/dialects/admin"
	"dragoman/dialects/lobby"
)

// listen opens the shared listener, the admin's, and the dialects' own. The
// admin's comes last: who sees it answer sees a server that is up.
func (s *Server) listen(ctx context.Context) error {
	cert, err := newCertificate(s.cfg.TLS, s.log)
	if err != nil {
		return err
	}
	trusted, err := s.cfg.HTTP.Proxies()
	if err != nil {
		return err
	}
	var slots chan struct{}
	if n := s.cfg.Limits.Connections; n > 0 {
		slots = make(chan struct{}, n)
	}
	public := func(name, key, address string, h http.Handler) binding {
		return binding{name: name, key: key, address: address, handler: proxies(trusted, h), tls: cert.config(), slots: slots}
	}
	bindings := []binding{public("http", "http.listen", s.cfg.HTTP.Listen, s.shared())}
	for i, e := range s.entries {
		if d := s.settings[i]; d.Listen != "" {
			bindings = append(bindings, public(d.Name, "dialects."+d.Name+".listen", d.Listen, s.router.Only(e.New().Name())))
		}
	}
	for _, p := range s.raw {
		if err := s.listenRaw(ctx, p, slots); err != nil {
			return err
		}
	}
	page, err := s.adminPage()
	if err != nil {
		return err
	}
	bindings = append(bindings, binding{name: "admin", key: "admin.listen", address: s.cfg.Admin.Listen, handler: page})
	for _, b := range bindings {
		l, err := listen(ctx, s.base, b, s.cfg.HTTP, s.log)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.listeners = append(s.listeners, l)
		s.mu.Unlock()
	}
	return nil
}

func (s *Server) adminPage() (http.Handler, error) {
	var keys []admin.Key
	for _, k := range s.cfg.Admin.Keys {
		key := admin.Key{Name: k.Name, ReadOnly: k.ReadOnly, Hash: sha256.Sum256([]byte(k.Key))}
		if k.Hash != "" {
			if _, err := hex.Decode(key.Hash[:], []byte(k.Hash)); err != nil {
				return nil, err
			}
		}
		keys = append(keys, key)
	}
	mux := http.NewServeMux()
	c := admin.Config{
		Keys: keys, Open: s.cfg.Dev, Local: s.rooms, Ready: s.ready, Started: s.up.Load,
		Metrics: s.metrics(), Version: s.version, Traffic: s.traffic, Drain: s.drainNode, Peerings: s.peerings(),
		Ways: func(room bridge.RoomID) []admin.Way {
			var out []admin.Way
			for _, w := range s.ways(nil, room) {
				out = append(out, admin.Way(w))
			}
			return out
		},
	}
	if s.cfg.Cluster.Enabled() {
		c.Nodes = s.nodes
	}
	d := admin.New(c)
	return mux, d.Mount(mux, dialects.Env{Host: s.all, Log: s.log.With("dialect", d.Name())})
}

// traffic counts what each publication has brought to this node.
func (s *Server) traffic() []admin.Traffic {
	s.mu.Lock()
	engine := s.engine
	s.mu.Unlock()
	if engine == nil {
		return nil
	}
	var all []admin.Traffic
	for _, p := range engine.PeerStats() {
		for _, in := range p.Receives {
			if in.Publication.IsZero() {
				continue
			}
			t := admin.Traffic{Stream: in.Publication.String(), Track: tracks[in.Track], Layers: []admin.LayerTraffic{}}
			for _, l := range in.Layers {
				t.Layers = append(t.Layers, admin.LayerTraffic{
					RID: l.RID, Width: l.Width, Height: l.Height, Packets: l.Packets, Bytes: l.Bytes, Lost: l.Lost,
				})
			}
			all = append(all, t)
		}
	}
	return all
}

var tracks = map[bridge.Track]string{bridge.Audio: "audio", bridge.Video: "video"}

// ready says why the server should get no new clients.
func (s *Server) ready() error {
	switch {
	case s.draining.Load():
		return bridge.Errorf(bridge.Unavailable, "draining")
	case !s.up.Load():
		return bridge.Errorf(bridge.Unavailable, "starting")
	}
	return nil
}

// lobby returns what answers on the shared listener where no dialect does.
func (s *Server) lobby() (http.Handler, error) {
	if !s.cfg.Lobby.Enabled {
		return http.NotFoundHandler(), nil
	}
	c := lobby.Config{
		Version: s.version,
		Dialects: func() []lobby.Dialect {
			var out []lobby.Dialect
			for i, e := range s.entries {
				out = append(out, lobby.Dialect{Name: s.settings[i].Name, Title: e.Title, Path: s.settings[i].RoutePrefix()})
			}
			return out
		},
		Ways: func(r *http.Request, room bridge.RoomID) []lobby.Way {
			return s.ways(r, room)
		},
	}
	if s.cfg.Lobby.Rooms {
		c.Rooms = func(ctx context.Context) ([]bridge.Info, error) { return s.all.List(ctx) }
	}
	return lobby.New(c)
}

var roles = map[string]bridge.Role{"listener": bridge.Listener, "speaker": bridge.Speaker, "moderator": bridge.Moderator}

// spec is a room of the configuration as the room model takes it.
func spec(r config.Room) bridge.Spec {
	s := bridge.Spec{
		ID: bridge.RoomID(r.Name), Title: r.Title, About: r.About, Secrets: map[bridge.Role]bridge.Secret{},
		Default: roles[r.DefaultRole], Max: r.Max, Limit: r.Limit, WaitingRoom: r.WaitingRoom,
		NoChat: r.NoChat, NoHands: r.NoHands, KeepChat: r.KeepChat, MaxBitrate: r.MaxBitrate, Unlisted: r.Unlisted, Home: r.Home, Keep: true,
	}
	for role, secret := range map[bridge.Role]bridge.Secret{
		bridge.Listener: r.Secrets.Listener, bridge.Speaker: r.Secrets.Speaker, bridge.Moderator: r.Secrets.Moderator,
	} {
		if secret != "" {
			s.Secrets[role] = secret
		}
	}
	return s
}
