package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"dragoman/dialects/admin"
)

// metric reads a number of a node.
func (n *node) metric(name string) int {
	n.t.Helper()
	resp, err := http.Get("http://" + n.ports.Admin + "/metrics")
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^dragoman_` + name + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		n.t.Fatalf("there is no metric %s", name)
	}
	value, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		n.t.Fatal(err)
	}
	return int(value)
}

// certificate makes an authority of its own and a certificate of it that names a node.
func (c *town) certificate(name string) (cert, key, ca string) {
	c.Helper()
	write := func(file, kind string, der []byte) string {
		file = filepath.Join(c.dir, file)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			c.Fatal(err)
		}
		return file
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		c.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		c.Fatal(err)
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", raw), write("ca.pem", "CERTIFICATE", der)
}

// TestStrangers: who has another key is no member, and who has a certificate that the
// nodes do not know is a member to which nobody speaks. Neither sees a room. Both are
// counted.
func TestStrangers(t *testing.T) {
	c := newTown(t)
	a, b := c.add("a"), c.add("b")
	c.settled()
	c.enter(a, dialect(t, "ahoy"), "meeting", "Ann")
	c.enter(b, dialect(t, "k3k"), "meeting", "Ben")

	keyless := c.add("keyless", "DRAGOMAN_CLUSTER_KEY_FILE="+c.keyFile("other"))
	cert, key, ca := c.certificate("forger")
	forger := c.add("forger", "DRAGOMAN_CLUSTER_LINK_CERT_FILE="+cert, "DRAGOMAN_CLUSTER_LINK_PRIVATE_KEY_FILE="+key, "DRAGOMAN_CLUSTER_LINK_CA_FILE="+ca)

	c.until("the one without the key is refused", func() bool { return a.metric("cluster_gossip_refused_total") > 0 })
	c.until("the forger is a member", func() bool { return len(a.list()) == 3 && len(forger.list()) == 3 })
	c.until("the forger is refused", func() bool {
		return a.metric("cluster_links_refused_total")+b.metric("cluster_links_refused_total")+forger.metric("cluster_links_refused_total") > 0
	})
	if list := keyless.list(); len(list) != 1 {
		t.Errorf("the one without the key sees %+v", list)
	}
	for _, n := range []*node{a, b} {
		for _, o := range n.list() {
			if known := o.Name == "a" || o.Name == "b"; o.Answers != known {
				t.Errorf("%s: %s answers: %v", n.name, o.Name, o.Answers)
			}
		}
		if links := n.metric("cluster_links"); links != 1 {
			t.Errorf("%s has %d links", n.name, links)
		}
	}
	for _, n := range []*node{keyless, forger} {
		var rooms struct{ Rooms []admin.Room }
		if err := n.call(http.MethodGet, "rooms", nil, &rooms); err != nil || len(rooms.Rooms) != 0 {
			t.Errorf("%s sees %+v, %v", n.name, rooms, err)
		}
		// Its clients have a meeting of their own of that name.
		c.enter(n, dialect(t, "ahoy"), "meeting", "Eve")
		if got := n.people("meeting"); len(got) != 1 || got[0] != "Eve" {
			t.Errorf("at %s are %v", n.name, got)
		}
	}
	for _, n := range []*node{a, b} {
		if got := n.people("meeting"); len(got) != 2 {
			t.Errorf("at %s are %v", n.name, got)
		}
	}
}
