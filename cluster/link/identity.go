package link

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"dragoman/bridge"
)

// Identity is what a node proves itself with to other nodes, and what they have to
// prove themselves with to it: certificates that name nodes.
type Identity struct {
	own   tls.Certificate
	trust *x509.CertPool
}

// NameOf returns the configured name in a node's id.
func NameOf(id bridge.NodeID) string {
	if i := strings.LastIndexByte(string(id), '-'); i >= 0 {
		return string(id[:i])
	}
	return string(id)
}

// FromFiles reads an identity from files in PEM: the node's certificate, which must
// have its name as a DNS name, its key, and the cluster's authorities.
func FromFiles(name, certFile, keyFile, caFile string) (*Identity, error) {
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate of this node: %w", err)
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("authorities of the cluster: %w", err)
	}
	i := &Identity{own: own, trust: x509.NewCertPool()}
	if !i.trust.AppendCertsFromPEM(pem) {
		return nil, bridge.Errorf(bridge.BadRequest, "%s has no certificate", caFile)
	}
	if err := own.Leaf.VerifyHostname(name); err != nil {
		return nil, fmt.Errorf("the certificate does not name this node: %w", err)
	}
	return i, nil
}

// FromKeys derives an identity from the keys of gossip: each of them is the seed of
// an authority, so that whoever has a key is trusted as any node. The first makes
// this node's certificate. It is for clusters whose nodes all trust each other.
func FromKeys[K ~[]byte](name string, keys []K) (*Identity, error) {
	if len(keys) == 0 {
		return nil, bridge.Errorf(bridge.BadRequest, "there is no key to make certificates of")
	}
	i := &Identity{trust: x509.NewCertPool()}
	for n, key := range keys {
		ca, signer, err := authority(key)
		if err != nil {
			return nil, err
		}
		i.trust.AddCert(ca)
		if n > 0 {
			continue
		}
		if i.own, err = issue(name, ca, signer); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// authority makes the authority that a key stands for: always the same.
func authority(key []byte) (*x509.Certificate, ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, key, nil, "dragoman: authority of links", ed25519.SeedSize)
	if err != nil {
		return nil, nil, err
	}
	signer := ed25519.NewKeyFromSeed(seed)
	id := sha256.Sum256(signer.Public().(ed25519.PublicKey))
	ca := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(id[:16]), SubjectKeyId: id[:20],
		Subject:   pkix.Name{CommonName: fmt.Sprintf("dragoman links %x", id[:8])},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, signer.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	ca, err = x509.ParseCertificate(raw)
	return ca, signer, err
}

// issue makes a certificate that names a node.
func issue(name string, ca *x509.Certificate, signer ed25519.PrivateKey) (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0), // as long as the process at most
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, leaf, ca, public, signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}, nil
}

// server is how this node is dialled.
func (i *Identity) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{i.own},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: i.trust,
	}
}

// client is how this node dials the node of a name.
func (i *Identity) client(name string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{i.own},
		RootCAs: i.trust, ServerName: name,
	}
}
