package livekit

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net/http"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
)

// maxWebhook is how long the body of a webhook may be, in bytes.
const maxWebhook = 1 << 20

// verify reads a webhook that a server has signed: its token holds the hash of the body.
func (s *server) verify(header string, body []byte) (*livekit.WebhookEvent, bool) {
	token, err := auth.ParseAPIToken(header)
	if err != nil || token.APIKey() != string(s.Key) {
		return nil, false
	}
	_, claims, err := token.Verify(string(s.Secret))
	if err != nil {
		return nil, false
	}
	sum := sha256.Sum256(body)
	if subtle.ConstantTimeCompare([]byte(claims.Sha256), []byte(base64.StdEncoding.EncodeToString(sum[:]))) != 1 {
		return nil, false
	}
	event := &livekit.WebhookEvent{}
	err = protojson.UnmarshalOptions{DiscardUnknown: true, AllowPartial: true}.Unmarshal(body, event)
	return event, err == nil
}

// ServeHTTP takes webhooks of LiveKit servers: what they tell is looked up at once. Those
// whose signature is wrong are refused with 401.
func (f *Federation) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxWebhook))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	signed := false
	for _, s := range f.servers {
		if event, ok := s.verify(q.Header.Get("Authorization"), body); ok {
			signed = true
			f.happened(s, event)
		}
	}
	if !signed {
		f.count.forged.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.count.webhooks.Add(1)
	w.WriteHeader(http.StatusOK)
}

// happened tells the rooms that are peered with one of a server.
func (f *Federation) happened(s *server, event *livekit.WebhookEvent) {
	theirs := event.GetRoom().GetName()
	if theirs == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rooms {
		r.call(func() { r.webhook(s.Name, theirs) })
	}
}
