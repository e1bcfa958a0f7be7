package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"time"
)

// soon is how long before its end a certificate is worth a word.
const soon = 14 * 24 * time.Hour

// checkCertificate looks at the certificate as a client would.
func checkCertificate(_ context.Context, p *patient) []finding {
	const what = "certificate"
	if p.cfg.TLS.Mode != "files" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(p.cfg.TLS.CertFile, p.cfg.TLS.KeyFile)
	if err != nil {
		return []finding{{what, "fail", err.Error(), "tls.cert_file needs the certificate with its chain, tls.key_file the key that belongs to it"}}
	}
	leaf := pair.Leaf
	var found []finding
	switch left := leaf.NotAfter.Sub(p.now); {
	case p.now.Before(leaf.NotBefore):
		found = append(found, finding{what, "fail", "is not valid before " + leaf.NotBefore.Format(time.DateTime), "is the clock of this machine right?"})
	case left < 0:
		found = append(found, finding{what, "fail", "has expired on " + leaf.NotAfter.Format(time.DateTime), "renew it; the node reads it again by itself"})
	case left < soon:
		found = append(found, finding{what, "warn", fmt.Sprintf("expires in %d days", int(left.Hours()/24)), "renew it; the node reads it again by itself"})
	default:
		found = append(found, finding{what, "ok", "is good until " + leaf.NotAfter.Format(time.DateOnly), ""})
	}
	if len(pair.Certificate) == 1 && leaf.Issuer.String() != leaf.Subject.String() {
		found = append(found, finding{what, "warn", "has no chain: some clients will not trust it", "append the issuer's certificates to tls.cert_file"})
	}
	return append(append(found, hostsCovered(p, leaf)...), keyGuarded(p)...)
}

// hostsCovered says which names of ours the certificate does not hold for.
func hostsCovered(p *patient, leaf *x509.Certificate) (found []finding) {
	var hosts []string
	if u, err := url.Parse(p.cfg.HTTP.PublicURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	for _, d := range p.cfg.Dialects {
		if d.Enabled {
			hosts = append(hosts, d.Hosts...)
		}
	}
	for _, h := range hosts {
		if err := leaf.VerifyHostname(h); err != nil {
			found = append(found, finding{"certificate", "fail", "does not hold for " + h, "get one with this name in it"})
		}
	}
	return found
}

func keyGuarded(p *patient) []finding {
	info, err := os.Stat(p.cfg.TLS.KeyFile)
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return nil
	}
	return []finding{{"private key", "warn", p.cfg.TLS.KeyFile + " can be read by everybody on this machine", "chmod 600"}}
}
