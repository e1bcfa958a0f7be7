package nkmedia

import (
	"context"
	"time"

	"dragoman/bridge"
)

// update handles update_media (reference 8.7). Only what is given changes.
func (m *media) update(ctx context.Context, q *request) (any, error) {
	was := m.mute
	if q.v.has("mute_audio") {
		m.mute.audio = q.v.flag("mute_audio")
	}
	if q.v.has("mute_video") {
		m.mute.video = q.v.flag("mute_video")
	}
	if m.peer == nil {
		return nil, nil // it is let in later, and as it is told now
	}
	if m.kind == listen {
		return nil, m.prefer(m.pub)
	}
	for track, k := range map[bridge.Track]struct{ there, muted, before bool }{
		bridge.Audio: {m.tracks.audio, m.mute.audio, was.audio},
		bridge.Video: {m.tracks.video, m.mute.video, was.video},
	} {
		if !k.there || k.muted == k.before {
			continue
		}
		if err := m.seat.x.Do(ctx, bridge.SetTrack{ID: m.pub, Track: track, Muted: k.muted}); err != nil {
			m.mute = was
			return nil, err
		}
	}
	if q.v.has("bitrate") {
		return nil, mediaFault(m.peer.Limit(q.v.number("bitrate")))
	}
	return nil, nil
}

// updateForeign mutes a member of another dialect, if the room lets this client do
// that.
func (s *speaker) updateForeign(ctx context.Context, q *request) (any, error) {
	p, ok := s.foreign(ctx, q.v.text("session_id"))
	if !ok {
		return nil, refuse(sessionNotFound)
	}
	var all []bridge.Command
	for track, name := range []string{"mute_audio", "mute_video"} {
		if q.v.has(name) {
			on := q.v.flag(name)
			all = append(all, bridge.Mute{Targets: []bridge.ParticipantID{p.owner.ID}, Track: bridge.Track(track), Force: on, Off: !on})
		}
	}
	return nil, s.moderate(ctx, p, all...)
}

// fitTime is how long it takes to be sure that a stream suits a connection.
const fitTime = 20 * time.Millisecond

// setType handles set_type: another publisher of the same conference, on the same
// connection (reference 8.8).
func (m *media) setType(ctx context.Context, q *request) (any, error) {
	switch {
	case q.v.text("type") != listen || m.kind != listen:
		return nil, refuse(notImplemented)
	case q.v.text("publisher_id") == "":
		return nil, refuse(missingField, "publisher_id")
	case m.answer == nil || m.changing:
		return nil, refuse(invalidOperation)
	}
	p, ok := m.s.locate(ctx, q.v.text("publisher_id"), m.seat.room)
	if !ok || p.role != publisher || p.room != m.seat.room {
		return nil, refuse(invalidPublisher)
	}
	if m.tracks.and(kindsOf(p.stream)).none() {
		return nil, refuse(incompatible)
	}
	if p.pub == m.pub {
		q.after(func(ctx context.Context) error { return m.tell(ctx, "type", m.typed()) })
		return nil, nil
	}
	old := m.pub
	if err := m.change(p.pub, m.tracks.and(kindsOf(p.stream))); err != nil {
		return nil, err
	}
	m.changing = true
	m.s.c.After(fitTime, func(ctx context.Context) error { return m.switched(ctx, q, p, old) })
	return nil, errLater
}

// change sends another publication on the lines that there are.
func (m *media) change(to bridge.PublicationID, tracks kinds) error {
	m.unfit = false
	if err := m.peer.Drop(m.pub); err != nil {
		return mediaFault(err)
	}
	if err := m.send(to, tracks); err != nil {
		_ = m.send(m.pub, m.tracks) // the first error says more
		return err
	}
	m.pub, m.heard = to, kinds{true, true} // on the lines that the client has wanted
	return nil
}

// switched tells how a change has gone. What does not suit is taken back.
func (m *media) switched(ctx context.Context, q *request, p place, old bridge.PublicationID) error {
	m.changing = false
	if m.ended {
		return q.answer(ctx, nil, refuse(sessionNotFound))
	}
	if m.unfit {
		if err := m.change(old, m.tracks); err != nil {
			m.s.log.Info("the stream before is gone", "err", err)
			if err := q.answer(ctx, nil, refuse(incompatible)); err != nil {
				return err
			}
			return m.end(ctx, publisherStopped)
		}
		return q.answer(ctx, nil, refuse(incompatible))
	}
	m.of = p.id
	if err := m.seat.note(ctx, m, "l"+m.of); err != nil {
		return q.answer(ctx, nil, err)
	}
	q.after(func(ctx context.Context) error { return m.tell(ctx, "type", m.typed()) })
	return q.answer(ctx, nil, nil)
}
