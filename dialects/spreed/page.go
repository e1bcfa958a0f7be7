package spreed

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"

	"dragoman/dialects"
)

// pages are the page and the assets of the original web client (reference 1.3), or
// without them a page that says what this is.
type pages struct {
	page   *template.Template
	static http.Handler // nil: there are no assets
}

// plainPage is shown where no web client is installed.
const plainPage = `<!doctype html>
<html><head><meta charset="utf-8"><title>{{.Cfg.Title}}</title></head>
<body><h1>{{.Cfg.Title}}</h1>
<p>This is a conferencing bridge. It speaks the Spreed WebRTC channeling protocol at {{.Cfg.B}}ws;
the web client is not installed here.</p></body></html>
`

// clientPage is what the original web client needs of its page, for a directory
// without templates.
const clientPage = `<!doctype html>
<html class="no-js wf-loading"><head><meta charset="utf-8"><title>{{.Cfg.Title}}</title>
<base href="{{.Cfg.B}}">
<link rel="stylesheet" type="text/css" href="{{.S}}/css/bootstrap.min.css">
<link rel="stylesheet" type="text/css" href="{{.S}}/css/font-awesome.min.css">
<link rel="stylesheet" type="text/css" href="{{.S}}/css/main.min.css">
<script id="globalcontext" type="application/json">{{.}}</script></head>
<body spreed-webrtc><ui></ui>
<script data-main="{{.S}}/js/{{.App}}" data-plugin="{{.Cfg.Plugin}}" src="{{.S}}/js/libs/require/require.js"></script>
</body></html>
`

// mainTemplate is what the client's own templates call the page.
const mainTemplate = "mainPage"

func openPages(cfg Config) (pages, error) {
	if cfg.Assets == "" {
		t, err := template.New("page").Parse(plainPage)
		return pages{page: t}, err
	}
	dir := os.DirFS(cfg.Assets)
	if _, err := fs.Stat(dir, assetPath); err != nil {
		return pages{}, fmt.Errorf("assets: %w", err)
	}
	static, err := fs.Sub(dir, assetPath) // nothing beside it is anybody's business
	if err != nil {
		return pages{}, fmt.Errorf("assets: %w", err)
	}
	p := pages{static: http.FileServerFS(static)}
	found, err := fs.Glob(dir, "html/*.html")
	if err != nil {
		return p, fmt.Errorf("assets: %w", err)
	}
	if len(found) == 0 {
		p.page, err = template.New("page").Parse(clientPage)
		return p, err
	}
	// The client's templates have their own delimiters.
	all, err := template.New("").Delims("<%", "%>").ParseFS(dir, "html/*.html")
	if err != nil {
		return p, fmt.Errorf("assets: %w", err)
	}
	if p.page = all.Lookup(mainTemplate); p.page == nil {
		return p, fmt.Errorf("assets: the templates in html define no %s", mainTemplate)
	}
	return p, nil
}

// settings is what the web client is told of the server (reference 1.1).
type settings struct {
	Title                  string
	S, B                   string
	Token                  string
	Renegotiation          bool
	StunURIs, TurnURIs     []string
	Tokens                 bool
	Version                string
	UsersEnabled           bool
	UsersAllowRegistration bool
	UsersMode              string
	DefaultRoomEnabled     bool
	Plugin                 string
	AuthorizeRoomCreation  bool
	AuthorizeRoomJoin      bool
	Modules                []string
}

// assetPath is where the page finds its assets. A version in it would only have to
// be dropped again.
const assetPath = "static"

func (s *server) settings(r *http.Request) settings {
	u := s.cfg.Users
	c := settings{
		Title: s.cfg.Title, S: assetPath, B: dialects.Base(r), Token: s.forms.mac("spreed-server", nil),
		StunURIs: []string{}, TurnURIs: []string{}, Tokens: len(s.cfg.Codes) > 0, Version: s.cfg.Version,
		UsersEnabled: u.Enabled, UsersAllowRegistration: u.Enabled && u.AllowRegistration,
		DefaultRoomEnabled: s.cfg.DefaultRoom != "", Plugin: s.cfg.Plugin, Modules: s.cfg.Modules,
		AuthorizeRoomCreation: u.Enabled && u.AuthorizeRoomCreation, AuthorizeRoomJoin: u.Enabled && u.AuthorizeRoomJoin,
	}
	if u.Enabled {
		c.UsersMode = u.Mode
	}
	return c
}

// frame is what the page gives to the client's scripts, under names that they
// expect.
type frame struct {
	App       string
	Cfg       settings
	Host      string
	Ssl, Csp  bool
	Languages []string
	S         string
}

// room serves the page of a room: any path that is nothing else (reference 1).
func (s *server) room(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	f := frame{
		App: "main", Cfg: s.settings(r), Host: r.Host, Ssl: scheme(r) == "https", Languages: []string{"en"}, S: assetPath,
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if err := s.pages.page.Execute(w, f); err != nil {
		s.env.Log.Debug("page", "err", err)
	}
}

// asset serves static/…; a ver= segment behind it changes nothing but how long it
// may be kept.
func (s *server) asset(w http.ResponseWriter, r *http.Request) {
	rest := r.PathValue("path")
	if version, tail, ok := strings.Cut(rest, "/"); ok && strings.HasPrefix(version, "ver=") {
		rest = tail
		w.Header().Set("Cache-Control", "public, max-age=31536000")
	}
	if s.pages.static == nil || rest == "" || strings.HasSuffix(rest, "/") {
		http.NotFound(w, r)
		return
	}
	q := r.Clone(r.Context())
	q.URL.Path, q.URL.RawPath = path.Join("/", rest), ""
	s.pages.static.ServeHTTP(w, q)
}

// scheme returns how the page is reached: http or https.
func scheme(r *http.Request) string {
	switch p := r.Header.Get("X-Forwarded-Proto"); {
	case p == "http" || p == "https":
		return p
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// wellKnown tells the iOS client where the server is.
func (s *server) wellKnown(w http.ResponseWriter, r *http.Request) {
	s.json(w, http.StatusOK, map[string]string{
		"spreed-webrtc_endpoint": scheme(r) + "://" + r.Host + strings.TrimSuffix(dialects.Base(r), "/"),
	})
}

// json writes a document of the REST API: indented (reference 1).
func (s *server) json(w http.ResponseWriter, status int, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		s.env.Log.Error("encode", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}
