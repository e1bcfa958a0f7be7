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
// subprotocol, by path prefix, in this order; what is left goes to a fallback.
// What has both the subprotocol and the prefix of a dialect has come by the prefix.
type Router struct {
	hosts     map[string]http.Handler
	protocols map[string]http.Handler
	prefixes  map[string]http.Handler // by first path segment, without slashes
	within    map[string]http.Handler // by subprotocol and path segment: of the same dialect
	roots     map[string]http.Handler // by name
	fallback  http.Handler
}

// NewRouter mounts all dialects. An error says which two want the same thing, or
// which dialect's section is wrong.
func NewRouter(routes []Route, fallback http.Handler) (*Router, error) {
	r := &Router{
		hosts: map[string]http.Handler{}, protocols: map[string]http.Handler{},
		prefixes: map[string]http.Handler{}, within: map[string]http.Handler{}, roots: map[string]http.Handler{}, fallback: fallback,
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
		for _, p := range route.Dialect.Subprotocols() {
			if err := claim(r.protocols, p, root, "subprotocol"); err != nil {
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
			r.within[p+" "+prefix] = below
		}
	}
	return r, nil
}

func claim(m map[string]http.Handler, key string, h http.Handler, what string) error {
	if m[key] != nil {
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
			if h := r.within[p+" "+first]; h != nil && rest {
				return h
			}
			if h := r.protocols[p]; h != nil {
				return h
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
