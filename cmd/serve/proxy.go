package serve

import (
	"net/http"
	"net/netip"
	"strings"

	"dragoman/dialects"
)

// proxies takes from requests what only a trusted reverse proxy may say, and puts
// the client's real address into RemoteAddr. Everything behind it may believe
// X-Forwarded-Proto; the other forwarding headers are gone.
func proxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	isTrusted := func(a netip.Addr) bool {
		for _, p := range trusted {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := dialects.Remote(r)
		hops, proto := forwarded(r.Header)
		for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip"} {
			r.Header.Del(h)
		}
		if isTrusted(peer) {
			// Each proxy appends who it got the request from. The last one that is not
			// a proxy of ours is the client; what stands before it, the client wrote.
			client := peer
			for i := len(hops) - 1; i >= 0 && isTrusted(client); i-- {
				if !hops[i].IsValid() {
					break
				}
				client = hops[i]
			}
			r.RemoteAddr = client.String()
			if proto == "http" || proto == "https" {
				r.Header.Set("X-Forwarded-Proto", proto)
			}
		} else if peer.IsValid() {
			r.RemoteAddr = peer.String()
		}
		if r.TLS != nil {
			r.Header.Set("X-Forwarded-Proto", "https")
		}
		next.ServeHTTP(w, r)
	})
}

// forwarded reads the way of a request and the scheme that the nearest proxy was
// asked with. Forwarded (RFC 7239) wins over the older headers. An address that
// is hidden or not understood is invalid.
func forwarded(h http.Header) (hops []netip.Addr, proto string) {
	if all := strings.Join(h.Values("Forwarded"), ","); all != "" {
		for element := range strings.SplitSeq(all, ",") {
			var hop netip.Addr
			for pair := range strings.SplitSeq(element, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				value = strings.Trim(value, `"`)
				switch strings.ToLower(name) {
				case "for":
					hop = address(value)
				case "proto":
					proto = strings.ToLower(value)
				}
			}
			hops = append(hops, hop)
		}
		return hops, proto
	}
	for value := range strings.SplitSeq(strings.Join(h.Values("X-Forwarded-For"), ","), ",") {
		if value = strings.TrimSpace(value); value != "" {
			hops = append(hops, address(value))
		}
	}
	_, last, more := cutLast(h.Get("X-Forwarded-Proto"), ",")
	if !more {
		last = h.Get("X-Forwarded-Proto")
	}
	return hops, strings.ToLower(strings.TrimSpace(last))
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// address reads an address with or without a port.
func address(s string) netip.Addr {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone("")
	}
	ap, _ := netip.ParseAddrPort(s)
	return ap.Addr().Unmap().WithZone("")
}
