package node

import (
	"net/http"
	"time"

	"dragoman/cmd/ctl"
)

// Operator returns a client of the admin API at an address, "http://127.0.0.1:9090", that
// leaves no connection open.
func Operator(root string) *ctl.Client {
	return &ctl.Client{Base: root, HTTP: &http.Client{
		Timeout: 5 * time.Second, Transport: local{&http.Transport{DisableKeepAlives: true}},
	}}
}

// local says that it is on the machine of the node, which answers nobody else without a
// key; the node may be in a network of its own.
type local struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = "localhost"
	return l.Transport.RoundTrip(r)
}
