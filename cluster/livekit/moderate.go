package livekit

import (
	"context"

	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
)

// maxChores is how much may wait to be asked of a server's API.
const maxChores = 64

// chore has something asked of the API, after what waits already.
func (r *roster) chore(what string, f func(context.Context, livekit.RoomService) error) {
	select {
	case r.chores <- func() {
		if err := r.server.ask(r.ctx, r.theirs, f); err != nil {
			r.log.Warn("the LiveKit server does not do what it was asked", "what", what, "err", err)
		}
	}:
	default:
		r.count.dropped.Add(1)
	}
}

// work does what is to be asked of the API, one after the other.
func (r *roster) work() {
	for {
		select {
		case f := <-r.chores:
			f()
		case <-r.ctx.Done():
			return
		}
	}
}

// obey mutes somebody of LiveKit there whom a moderator of ours has silenced.
func (r *roster) obey(s *seat, p bridge.Publication) {
	for _, t := range []bridge.Track{bridge.Audio, bridge.Video} {
		if p.State(t) == bridge.Silenced {
			r.hush(s, p.Source, t)
		}
	}
}

// hush mutes tracks of somebody of LiveKit there. Unmuting is up to them.
func (r *roster) hush(s *seat, src bridge.Source, tracks ...bridge.Track) {
	who := s.person.identity // the chore is done elsewhere
	for _, info := range s.person.tracks {
		of, kind := sourceOf(info)
		for _, t := range tracks {
			if of != src || kind != t || info.Muted {
				continue
			}
			sid := info.Sid
			r.chore("mute", func(ctx context.Context, api livekit.RoomService) error {
				_, err := api.MutePublishedTrack(ctx, &livekit.MuteRoomTrackRequest{
					Room: r.theirs, Identity: who, TrackSid: sid, Muted: true,
				})
				return err
			})
		}
	}
}

// expel removes somebody from the LiveKit room whom a moderator has removed from ours.
func (r *roster) expel(s *seat) {
	who := s.person.identity
	r.count.removed.Add(1)
	r.chore("remove", func(ctx context.Context, api livekit.RoomService) error {
		_, err := api.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: r.theirs, Identity: who})
		return err
	})
}

// lower lowers the hand of somebody of LiveKit there.
func (r *roster) lower(s *seat) {
	down := map[string]string{}
	for _, key := range hand(s.person.attrs) {
		down[key] = ""
	}
	if len(down) == 0 {
		return
	}
	who := s.person.identity
	r.chore("lower the hand", func(ctx context.Context, api livekit.RoomService) error {
		_, err := api.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: r.theirs, Identity: who, Attributes: down})
		return err
	})
}
