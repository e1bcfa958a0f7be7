package livekit

import (
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
)

// The attributes of those who are ours in LiveKit rooms.
const (
	attrCluster     = "bridge.cluster"
	attrNode        = "bridge.node"
	attrParticipant = "bridge.participant"
	attrDialect     = "bridge.dialect"
	attrPath        = "bridge.path"   // clusters through which somebody has come, one after the other
	attrOrigin      = "bridge.origin" // the LiveKit server that somebody comes from, with transit
	attrHand        = "bridge.hand"   // when the hand was raised, in ms since 1970; empty: down
)

// tokenTime is how long a token opens the door. The server renews those of who is in.
const tokenTime = time.Hour

// identity is who somebody is to be in a LiveKit room.
type identity struct {
	id, name string
	kind     livekit.ParticipantInfo_Kind
	attrs    map[string]string
	grant    auth.VideoGrant
}

// token signs who somebody is. It is as secret as the key.
func (s Settings) token(who identity) (bridge.Secret, error) {
	t := auth.NewAccessToken(string(s.Key), string(s.Secret)).SetIdentity(who.id).SetName(who.name).
		SetKind(who.kind).SetAttributes(who.attrs).SetVideoGrant(&who.grant).SetValidFor(tokenTime)
	jwt, err := t.ToJWT()
	if err != nil {
		return "", &bridge.Error{Code: bridge.Internal, Msg: "no token could be made", Err: err}
	}
	return bridge.Secret(jwt), nil
}

// observerGrant lets one see all and be seen by nobody: hidden and an agent, it neither
// counts nor keeps the room open.
func observerGrant(room string) auth.VideoGrant {
	g := auth.VideoGrant{RoomJoin: true, Room: room, Hidden: true, Agent: true}
	g.SetCanSubscribe(true)
	g.SetCanPublish(false)
	g.SetCanPublishData(false)
	return g
}

// puppetGrant lets one give what a participant may give, and take what is said. It
// subscribes to nothing; but who may not would be told on the channel that the SDK opens,
// to which ears have no way.
func puppetGrant(room string, can bridge.Permissions) auth.VideoGrant {
	g := auth.VideoGrant{RoomJoin: true, Room: room}
	g.SetCanSubscribe(true)
	g.SetCanPublishData(true)
	sources := puppetSources(can)
	g.SetCanPublish(len(sources) > 0)
	g.SetCanPublishSources(sources)
	return g
}

// puppetSources are the sources that go with permissions.
func puppetSources(can bridge.Permissions) (all []livekit.TrackSource) {
	for _, of := range []struct {
		needs   bridge.Permissions
		sources []livekit.TrackSource
	}{
		{bridge.PublishVideo, []livekit.TrackSource{livekit.TrackSource_CAMERA}},
		{bridge.PublishAudio, []livekit.TrackSource{livekit.TrackSource_MICROPHONE}},
		{bridge.PublishScreen, []livekit.TrackSource{livekit.TrackSource_SCREEN_SHARE, livekit.TrackSource_SCREEN_SHARE_AUDIO}},
	} {
		if can.Has(of.needs) {
			all = append(all, of.sources...)
		}
	}
	return all
}
