package serve

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/store"
	"dragoman/config"
)

// lateStore is the store that there will be once the server starts: dialects are
// mounted before the database is opened.
type lateStore struct{ bridge.Store }

// lateHistory is the history of such a store.
type lateHistory struct{ *lateStore }

func (h lateHistory) Append(ctx context.Context, room bridge.RoomID, said bridge.Said, most int) error {
	return h.History().Append(ctx, room, said, most)
}

func (h lateHistory) Last(ctx context.Context, room bridge.RoomID, most int) ([]bridge.Said, error) {
	return h.History().Last(ctx, room, most)
}

func (h lateHistory) Clear(ctx context.Context, room bridge.RoomID) error {
	return h.History().Clear(ctx, room)
}

// Reach asks what a node needs from elsewhere, for people who want to know before
// they start one: a database that is not embedded, and the identity provider. An
// absent one is not asked and is no error.
func Reach(ctx context.Context, cfg config.Config) (database, issuer error) {
	if url := string(cfg.Store.URL); url != "" && !strings.HasPrefix(url, "sqlite:") {
		var db *store.DB
		if db, database = store.Open(ctx, store.Config{URL: url, Key: cfg.Store.Key}); database == nil {
			database = errors.Join(db.Ready(ctx), db.Close())
		}
	}
	if cfg.OIDC.Issuer != "" {
		s := &Server{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		if _, issuer = s.login(); issuer == nil {
			issuer = s.oidc.Reach(ctx)
		}
	}
	return database, issuer
}

// database is the store of a running server.
type database struct {
	*store.DB
	scratch string // a directory that goes with the process; empty: what is stored is kept
}

// openStore opens the database. Without one that is configured it is a file in the
// data directory, or one that is gone with the process.
func (s *Server) openStore(ctx context.Context) (*database, error) {
	cfg := store.Config{URL: string(s.cfg.Store.URL), Key: s.cfg.Store.Key, Log: s.log}
	d := &database{}
	if cfg.URL == "" {
		dir := s.cfg.DataDir
		if dir == "" {
			var err error
			if dir, err = os.MkdirTemp("", "dragoman-"); err != nil {
				return nil, err
			}
			d.scratch = dir
			if !s.cfg.Dev {
				s.log.Warn("events, rooms and invites are gone when this process ends: set data_dir or store.url")
			}
		}
		cfg.URL = "sqlite:" + filepath.Join(dir, "dragoman.db")
	}
	if cfg.Key == "" {
		key, err := hkdf.Key(sha256.New, s.key, nil, "dragoman store", keySize)
		if err != nil {
			return nil, errors.Join(err, d.clean())
		}
		cfg.Key = bridge.Secret(key)
	}
	db, err := store.Open(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, d.clean())
	}
	d.DB = db
	return d, nil
}

// Close closes the database, and removes one that is not kept.
func (d *database) Close() error { return errors.Join(d.DB.Close(), d.clean()) }

func (d *database) clean() error {
	if d.scratch == "" {
		return nil
	}
	return os.RemoveAll(d.scratch)
}

// login is who vouches for users by tokens.
func (s *Server) login() (bridge.Identity, error) {
	o := s.cfg.OIDC
	switch {
	case o.Issuer == "" && s.cfg.Dev:
		return gate.Anyone{}, nil
	case o.Issuer == "":
		return gate.Nobody{}, nil
	}
	var required []string // nil: the default
	if len(o.Required) > 0 {
		required = o.Required
	}
	id, err := gate.NewOIDC(gate.OIDCConfig{
		Issuer: o.Issuer, Name: o.Name, ClientIDs: o.ClientIDs, Audience: o.Audience, Required: required,
		IntrospectID: o.IntrospectID, IntrospectSecret: o.IntrospectSecret, Skew: o.Skew, Timeout: o.Timeout, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.oidc = id
	return id, nil
}
