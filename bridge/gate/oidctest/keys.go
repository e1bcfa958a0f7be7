package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// key is a key that signs, or did. It implements op.SigningKey.
type key struct {
	id      string
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func (k key) ID() string                                  { return k.id }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return k.alg }
func (k key) Key() any                                    { return k.private }

// public is what everybody may know of a key. It implements op.Key.
type public struct{ of key }

func (p public) ID() string                         { return p.of.id }
func (p public) Algorithm() jose.SignatureAlgorithm { return p.of.alg }
func (p public) Use() string                        { return "sig" }
func (p public) Key() any                           { return p.of.private.Public() }

// Rotate makes a new key, for RS256 or ES256, and signs with it from now on. The
// old ones stay in the key set, until Forget.
func (i *Issuer) Rotate(alg string) (err error) {
	k := key{id: rand.Text(), alg: jose.SignatureAlgorithm(alg)}
	switch k.alg {
	case jose.RS256:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("there are no keys for %q here", alg)
	}
	if err != nil {
		return err
	}
	i.with(func() { i.keys = append(i.keys, k) })
	return nil
}

// Forget removes all keys but the one that signs from the key set.
func (i *Issuer) Forget() { i.with(func() { i.keys = i.keys[len(i.keys)-1:] }) }

func (i *Issuer) signing() (k key) {
	i.with(func() { k = i.keys[len(i.keys)-1] })
	return k
}

// Sign signs claims of a test's own. What head says beats what a key of the issuer
// would say of itself; alg cannot be changed.
func (i *Issuer) Sign(head, claims map[string]any) (string, error) {
	k := i.signing()
	o := new(jose.SignerOptions).WithHeader("kid", k.id)
	for name, v := range head {
		if name != "alg" {
			o = o.WithHeader(jose.HeaderKey(name), v)
		}
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.private}, o)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := s.Sign(data)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Resign changes a JWT and signs it again with the key that signs now: for tokens
// that an issuer makes by mistake, or for somebody else.
func (i *Issuer) Resign(jwt string, change func(head, claims map[string]any)) (string, error) {
	head, claims, err := Open(jwt)
	if err != nil {
		return "", err
	}
	delete(head, "kid")
	change(head, claims)
	return i.Sign(head, claims)
}

// Open reads a JWT without looking at its signature.
func Open(jwt string) (head, claims map[string]any, err error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("a JWT has 3 parts, not %d", len(parts))
	}
	for n, into := range []*map[string]any{&head, &claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[n])
		if err != nil {
			return nil, nil, err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return nil, nil, err
		}
	}
	return head, claims, nil
}
