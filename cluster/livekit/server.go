package livekit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
	"dragoman/cluster/livekit/quiet"
)

// The times of connections (federation-and-cluster.md 6.2, 6.7).
const (
	connectTime = 5 * time.Second
	apiTime     = 5 * time.Second
	minBackoff  = time.Second
	maxBackoff  = 30 * time.Second
	refusedTime = 30 * time.Second // until a server that refused us is asked again
)

// atOnce is how many connections are made to a server at the same time.
const atOnce = 10

// retransmit is how many packets are kept for those who have lost some.
const retransmit = 256

// server is one LiveKit server.
type server struct {
	Settings
	rooms   livekit.RoomService
	http    *http.Transport
	joins   chan struct{} // held while a connection is made; capacity atOnce
	puppets atomic.Int64  // places of MaxPuppets that are taken
	count   *counts
	log     *slog.Logger
}

func newServer(s Settings, count *counts, log *slog.Logger) *server {
	n := &server{
		Settings: s, count: count, log: log.With("livekit", s.Name), joins: make(chan struct{}, atOnce),
		http: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: apiTime},
	}
	n.rooms = livekit.NewRoomServiceProtobufClient(httpURL(s.api()), signer{n})
	return n
}

func httpURL(u string) string {
	if rest, ok := strings.CutPrefix(u, "ws"); ok {
		return "http" + rest
	}
	return u
}

// signer is the HTTP client of the API: it says who asks, and about which room.
type signer struct{ s *server }

// roomKey is where a context has the room that a request is about.
type roomKey struct{}

// Do implements the client of the API.
func (c signer) Do(r *http.Request) (*http.Response, error) {
	theirs, _ := r.Context().Value(roomKey{}).(string)
	token, err := c.s.token(identity{grant: auth.VideoGrant{RoomAdmin: true, Room: theirs}})
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+string(token))
	return (&http.Client{Transport: c.s.http, Timeout: apiTime}).Do(r)
}

// ask asks the API about a room of theirs. The error tells no secret.
func (s *server) ask(ctx context.Context, theirs string, f func(context.Context, livekit.RoomService) error) error {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, roomKey{}, theirs), apiTime)
	defer cancel()
	return s.scrub(f(ctx, s.rooms), "")
}

// list returns who is in a room of theirs, by identity.
func (s *server) list(ctx context.Context, theirs string) (all map[string]*livekit.ParticipantInfo, err error) {
	err = s.ask(ctx, theirs, func(ctx context.Context, api livekit.RoomService) error {
		answer, err := api.ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: theirs})
		all = make(map[string]*livekit.ParticipantInfo, len(answer.GetParticipants()))
		for _, p := range answer.GetParticipants() {
			if p.State != livekit.ParticipantInfo_DISCONNECTED {
				all[p.Identity] = p
			}
		}
		return err
	})
	return all, err
}

// dial connects. listen, if not nil, gives an option for what is said on the connection;
// the error tells no secret.
func (s *server) dial(ctx context.Context, who identity, cb *lksdk.RoomCallback, listen func(*lksdk.Room) lksdk.ConnectOption) (*lksdk.Room, error) {
	select {
	case s.joins <- struct{}{}:
		defer func() { <-s.joins }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	token, err := s.token(who)
	if err != nil {
		return nil, err
	}
	room := lksdk.NewRoom(cb)
	room.SetLogger(quiet.Logger()) // it would log tokens
	options := []lksdk.ConnectOption{
		lksdk.WithAutoSubscribe(false), lksdk.WithDisableRegionDiscovery(), lksdk.WithConnectTimeout(connectTime),
		lksdk.WithRetransmitBufferSize(retransmit), lksdk.WithLogger(quiet.Logger()),
	}
	if listen != nil {
		options = append(options, listen(room), lksdk.WithIncludeDefaultInterceptors(true))
	}
	if s.DisableTURN {
		options = append(options, lksdk.WithDisableTURN())
	}
	ctx, cancel := context.WithTimeout(ctx, 2*connectTime)
	defer cancel()
	if err := room.JoinWithContextAndToken(ctx, s.URL, string(token), options...); err != nil {
		room.Disconnect()
		s.count.refused.Add(1)
		return nil, s.scrub(err, token)
	}
	s.count.joins.Add(1)
	return room, nil
}

// maxErrorText is how much is shown of an error, in bytes.
const maxErrorText = 300

// scrub makes an error that can be shown: without secrets, and not without end.
func (s *server) scrub(err error, token bridge.Secret) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, secret := range []bridge.Secret{token, s.Secret, s.Key} {
		if secret != "" {
			text = strings.ReplaceAll(text, string(secret), "[redacted]")
		}
	}
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return errors.New(strings.ToValidUTF8(text, "?"))
}

// refuses reports whether an error says that the server does not want us, rather than
// that it is not there.
func refuses(err error) bool {
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"401", "403", "404", "unauthorized", "permission", "not allowed", "invalid token", "does not exist"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// backoff is how long to wait before something is tried again.
type backoff struct{ last time.Duration }

// next returns how long to wait this time: between half and all of a time that doubles.
func (b *backoff) next(err error) time.Duration {
	b.last = min(cmp.Or(2*b.last, minBackoff), maxBackoff)
	if err != nil && refuses(err) {
		b.last = refusedTime
	}
	return b.last/2 + rand.N(b.last/2)
}

func (b *backoff) reset() { b.last = 0 }

// place takes one of the places for puppets.
func (s *server) place() bool {
	if s.puppets.Add(1) > int64(s.MaxPuppets) {
		s.puppets.Add(-1)
		return false
	}
	return true
}

func (s *server) free() { s.puppets.Add(-1) }

// pause waits for a time, or until ctx ends; then it reports false.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// nudge signals a channel whose capacity is 1.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
