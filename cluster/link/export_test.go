package link

import (
	"crypto/x509"
	"testing"
)

// Table is what tests outside see of the table.
func Table() []any { return table() }

// MakeCertificate returns a node's certificate and key, and the authority, in DER.
func MakeCertificate(t *testing.T, name string, key []byte) (cert, private, ca []byte) {
	t.Helper()
	authority, signer, err := authority(key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := issue(name, authority, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err = x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return own.Certificate[0], private, authority.Raw
}
