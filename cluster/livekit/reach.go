package livekit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"dragoman/bridge"
)

// Reached is what a server says when it is asked whether it would take us.
type Reached struct {
	Rooms int           // that are there
	Skew  time.Duration // by how much its clock is ahead of ours, to the second; 0: it does not say
}

// Reach asks the API of a server whether it takes the key, for people who want to know
// before they start a node. Unavailable: nobody answers, or not LiveKit;
// Unauthenticated: the key or its secret is not the server's, or a clock is wrong;
// Forbidden: the key may not list rooms. Reached.Skew is also known where the server
// refuses.
func Reach(ctx context.Context, s Settings) (out Reached, err error) {
	jwt, err := auth.NewAccessToken(string(s.Key), string(s.Secret)).
		SetVideoGrant(&auth.VideoGrant{RoomList: true}).SetValidFor(time.Minute).ToJWT()
	if err != nil {
		return out, &bridge.Error{Code: bridge.Internal, Msg: "no token could be made", Err: err}
	}
	header := http.Header{"Authorization": {"Bearer " + jwt}}
	ctx, err = twirp.WithHTTPRequestHeaders(ctx, header)
	if err != nil {
		return out, err
	}
	clock := &clock{}
	client := &http.Client{Transport: clock}
	rooms, err := livekit.NewRoomServiceProtobufClient(httpURL(s.api()), client).ListRooms(ctx, &livekit.ListRoomsRequest{})
	out.Skew = clock.skew
	if err != nil {
		return out, refusal(err)
	}
	out.Rooms = len(rooms.GetRooms())
	return out, nil
}

// refusal says what an answer of the API means.
func refusal(err error) error {
	e, ok := errors.AsType[twirp.Error](err)
	if !ok {
		return &bridge.Error{Code: bridge.Unavailable, Msg: "the server does not answer", Err: err}
	}
	switch e.Code() {
	case twirp.Unauthenticated:
		return bridge.Errorf(bridge.Unauthenticated, "the server does not take the key")
	case twirp.PermissionDenied:
		return bridge.Errorf(bridge.Forbidden, "the key may not list rooms")
	case twirp.Internal:
		if cause := errors.Unwrap(err); cause != nil {
			return &bridge.Error{Code: bridge.Unavailable, Msg: "the server does not answer", Err: cause}
		}
	}
	return &bridge.Error{Code: bridge.Unavailable, Msg: "the server does not answer as LiveKit does", Err: fmt.Errorf("%s: %s", e.Code(), e.Msg())}
}

// clock notes what time it is where answers come from.
type clock struct{ skew time.Duration }

// RoundTrip implements http.RoundTripper.
func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	asked := time.Now()
	answer, err := t.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		here := asked.Add(time.Since(asked) / 2)
		c.skew = at.Sub(here).Truncate(time.Second) // it tells whole seconds
	}
	return answer, nil
}
