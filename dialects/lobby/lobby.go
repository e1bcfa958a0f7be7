// Package lobby is the page at the root of the shared listener: pick a room, a
// name and a dialect, and join from the browser with a small client of that
// dialect. The page speaks the real protocols to the real dialects; nothing here
// takes part in them.
package lobby

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"dragoman/bridge"
)

// Config is what the composition root gives.
type Config struct {
	// Dialects are those that are mounted, in the order in which they are offered.
	Dialects func() []Dialect
	// Rooms lists the rooms to pick from; nil: names have to be known.
	Rooms func(context.Context) ([]bridge.Info, error)
	// Ways says how to reach a room from each dialect.
	Ways func(r *http.Request, room bridge.RoomID) []Way
	// Version is told to the page.
	Version string
}

// Dialect is one that a visitor may choose.
type Dialect struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Path  string `json:"path"` // of its root on this listener, with slashes at both ends
}

// Way is how to reach a room with a client of one dialect.
type Way struct {
	Dialect string `json:"dialect"`
	How     string `json:"how"`
	URL     string `json:"url"`
	Room    string `json:"room,omitempty"` // what to enter there; empty: the URL says it
}

//go:embed page
var files embed.FS

// Speaks reports whether the page has a client of a dialect.
func Speaks(dialect string) bool {
	code, err := files.ReadFile("page/" + dialect + ".js")
	return err == nil && bytes.Contains(code, []byte("\nexport class Client "))
}

// New returns the handler of the page and of what it loads. It owns "/" and
// "/lobby/".
func New(cfg Config) (http.Handler, error) {
	page, err := fs.Sub(files, "page")
	if err != nil {
		return nil, err
	}
	assets := http.StripPrefix("/lobby", http.FileServerFS(page))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, page, "index.html")
	})
	mux.HandleFunc("GET /lobby/{file}", func(w http.ResponseWriter, r *http.Request) {
		switch path.Ext(r.PathValue("file")) {
		case ".js", ".css", ".svg":
			assets.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	mux.HandleFunc("GET /lobby/server.json", cfg.server)
	mux.HandleFunc("GET /lobby/card.json", cfg.card)
	return secured(mux), nil
}

// secured lets the page load nothing but itself, and nobody frame it.
func secured(h http.Handler) http.Handler {
	policy := strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
		"connect-src 'self'", "media-src 'self' blob:", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
	}, "; ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self)")
		// The files have no version in their names, and change with the binary.
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}

// server tells the page what there is to choose from.
func (c Config) server(w http.ResponseWriter, r *http.Request) {
	out := struct {
		Version  string    `json:"version"`
		Dialects []Dialect `json:"dialects"`
		Rooms    []string  `json:"rooms"`
	}{c.Version, []Dialect{}, []string{}}
	for _, d := range c.Dialects() {
		if Speaks(d.Name) {
			out.Dialects = append(out.Dialects, d)
		}
	}
	if c.Rooms != nil {
		infos, err := c.Rooms(r.Context())
		if err != nil {
			http.Error(w, bridge.MessageOf(err), http.StatusServiceUnavailable)
			return
		}
		for _, i := range infos {
			out.Rooms = append(out.Rooms, string(i.ID))
		}
	}
	reply(w, out)
}

// card tells all ways into a room, whether it exists or not.
func (c Config) card(w http.ResponseWriter, r *http.Request) {
	room, err := bridge.Normalize(r.FormValue("room"))
	if err != nil {
		http.Error(w, bridge.MessageOf(err), http.StatusBadRequest)
		return
	}
	ways := []Way{}
	if c.Ways != nil {
		ways = append(ways, c.Ways(r, room)...)
	}
	reply(w, map[string]any{"room": room, "ways": ways})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // who does not wait for the answer does not get it
}
