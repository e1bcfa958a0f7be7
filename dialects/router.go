package dialects

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// A Route is one dialect and how clients find it on a shared listener.
type Route struct {
	Dialect Dialect
	Env     Env
	Hosts   []string // the dialect owns the root of these host names
	Prefix  string   // "/ahoy/"; empty: "/" + name + "/"
}

// Router brings each request to its dialect: by host name, by WebSocket
// subprotocol, by path prefix, in this order; what is left goes to a fallback. A
// subprotocol is good on any path; the dialect's own prefix is taken off one.
type Router struct {
	hosts     map[string]http.Handler
	protocols map[string]claimed
	prefixes  map[string]http.Handler // by first path segment, without slashes
	roots     map[string]http.Handler // by name
	fallback  http.Handler
}

// NewRouter mounts all dialects. An error says which two want the same thing, or
// which dialect's section is wrong.
func NewRouter(routes []Route, fallback http.Handler) (*Router, error) {
	r := &Router{
		hosts: map[string]http.Handler{}, protocols: map[string]claimed{},
		prefixes: map[string]http.Handler{}, roots: map[string]http.Handler{}, fallback: fallback,
	}
	for _, route := range routes {
		name := route.Dialect.Name()
		mux := http.NewServeMux()
		if err := route.Dialect.Mount(mux, route.Env); err != nil {
			return nil, fmt.Errorf("dialect %s: %w", name, err)
		}
		root := based("/", mux)
		if err := claim(r.roots, name, root, "name"); err != nil {
			return nil, err
		}
		for _, h := range route.Hosts {
			if err := claim(r.hosts, strings.ToLower(h), root, "host"); err != nil {
				return nil, err
			}
		}
		prefix := strings.Trim(route.Prefix, "/")
		if prefix == "" {
			prefix = name
		}
		if strings.Contains(prefix, "/") {
			return nil, fmt.Errorf("dialect %s: prefix %q: must be one path segment", name, route.Prefix)
		}
		below := based("/"+prefix+"/", http.StripPrefix("/"+prefix, mux))
		if err := claim(r.prefixes, prefix, below, "prefix"); err != nil {
			return nil, err
		}
		for _, p := range route.Dialect.Subprotocols() {
			if err := claim(r.protocols, p, claimed{root, prefix, below}, "subprotocol"); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// claimed is where a subprotocol leads: to the dialect, which is below its prefix,
// too.
type claimed struct {
	root   http.Handler
	prefix string
	below  http.Handler
}

func claim[H any](m map[string]H, key string, h H, what string) error {
	if _, taken := m[key]; taken {
		return fmt.Errorf("two dialects want the %s %q: change one of them", what, key)
	}
	m[key] = h
	return nil
}

// Only returns the handler of one dialect at the root, for a listener of its
// own; nil: it is not mounted.
func (r *Router) Only(name string) http.Handler { return r.roots[name] }

// ServeHTTP implements http.Handler.
func (r *Router) ServeHTTP(w http.ResponseWriter, q *http.Request) { r.find(q).ServeHTTP(w, q) }

func (r *Router) find(q *http.Request) http.Handler {
	host := q.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if h := r.hosts[strings.ToLower(host)]; h != nil {
		return h
	}
	first, _, rest := strings.Cut(strings.TrimPrefix(q.URL.Path, "/"), "/")
	if websocket.IsWebSocketUpgrade(q) {
		for _, p := range websocket.Subprotocols(q) {
			switch c, known := r.protocols[p]; {
			case known && rest && first == c.prefix:
				return c.below
			case known:
				return c.root
			}
		}
	}
	if h := r.prefixes[first]; h != nil {
		if rest {
			return h
		}
		if q.Method == http.MethodGet && !websocket.IsWebSocketUpgrade(q) {
			return http.RedirectHandler("/"+first+"/", http.StatusPermanentRedirect)
		}
	}
	return r.fallback
}

type baseKey struct{}

// based notes in each request what path the dialect's root has for the client.
func based(base string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), baseKey{}, base)))
	})
}

// Base returns the path of the dialect's root as the client sees it. It begins
// and ends with a slash.
func Base(r *http.Request) string {
	if b, ok := r.Context().Value(baseKey{}).(string); ok {
		return b
	}
	return "/"
}
