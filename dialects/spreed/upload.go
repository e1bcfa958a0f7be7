package spreed

import (
	"context"

	"dragoman/bridge"
)

// upload is what the client sends. It sends the same on every leg; it is taken on
// one, and on another when that one ends (reference 14.9).
//
// A client cannot be renegotiated, so what may be taken later has to be agreed on
// when the leg is made: some legs receive, for a publication that nobody knows and
// that is dropped when the leg's turn comes. The others are answered sendonly, to
// spare the client's uplink. Those that are offered to the client all receive: it
// adds its tracks before it looks at the offer, and renegotiates at once when there
// is no place for them.
type upload struct {
	m   *meeting
	id  bridge.PublicationID
	on  *leg // nil: nothing is taken
	now bridge.Publication
	off [2]bool // per bridge.Track: nothing comes
	// takes back the end of waiting for the other track; nil: it is not waited for
	late func()
}

// spares is how many legs besides the one in use could be taken over to at once.
const spares = 2

func newUpload(m *meeting) upload {
	return upload{m: m, id: bridge.NewPublicationID(), off: [2]bool{true, true}}
}

func (u *upload) allowed() bool {
	return u.m.self.Can&(bridge.PublishAudio|bridge.PublishVideo) != 0
}

// prepare decides before a leg is negotiated what the client is to send on it.
func (u *upload) prepare(ctx context.Context, l *leg) {
	switch {
	case !u.allowed():
		return
	case u.on == nil:
		u.take(ctx, l)
		return
	}
	others := 0
	for _, o := range u.m.calls.order {
		if o.takes && o != u.on {
			others++
		}
	}
	if others >= spares && u.m.key.automatic() && l.state != legOffered {
		return // another can be called anew when it comes to that
	}
	u.hold(l)
}

// hold has a leg receive for nobody, so that it can be taken over to.
func (u *upload) hold(l *leg) {
	id := bridge.NewPublicationID()
	if err := l.peer.Receive(id, bridge.Camera); err != nil {
		_ = u.m.s.gentle(err)
		return
	}
	l.spare, l.takes = id, true
}

// feed chooses the leg: the one it is, while that is connected or no other is; else
// the first that is connected; else the first there is.
func (u *upload) feed(ctx context.Context) {
	if !u.allowed() {
		u.on = nil
		return
	}
	var best *leg
	for _, l := range u.m.calls.order {
		better := best == nil || l.connected && !best.connected || l == u.on && l.connected == best.connected
		if l.takes && better {
			best = l
		}
	}
	switch {
	case best != nil && best != u.on:
		u.take(ctx, best)
	case best == nil:
		u.on = nil
		u.silence(ctx)
		u.revive()
	}
}

// take takes the upload on a leg from now on.
func (u *upload) take(ctx context.Context, l *leg) {
	if !l.spare.IsZero() {
		_ = u.m.s.gentle(l.peer.Drop(l.spare))
		l.spare = bridge.PublicationID{}
	}
	if err := l.peer.Receive(u.id, bridge.Camera); err != nil {
		_ = u.m.s.gentle(err)
		return
	}
	old := u.on
	u.on, l.takes = l, true
	if old != nil && old != l && old.takes { // it may come back
		_ = u.m.s.gentle(old.peer.Drop(u.id))
		u.hold(old)
	}
	off := [2]bool{u.off[0] && !l.live[0], u.off[1] && !l.live[1]}
	if off != u.off {
		u.off = off
		_ = u.m.s.gentle(u.tell(ctx))
	}
}

// revive has a leg made anew when none is left on which the client sends.
func (u *upload) revive() {
	k := &u.m.calls
	k.s().after(redialFirst, func(ctx context.Context) error {
		if u.on != nil || k.s().at != u.m || !u.allowed() {
			return nil
		}
		for _, l := range k.order {
			if l.state == legUp {
				return k.renew(ctx, l)
			}
		}
		return nil
	})
}

// tell makes known what the client publishes.
func (u *upload) tell(ctx context.Context) error {
	u.hurry()
	return u.m.session.Do(ctx, bridge.Publish{Publication: bridge.Publication{
		ID: u.id, Source: bridge.Camera, Audio: u.track(bridge.Audio), Video: u.track(bridge.Video),
	}})
}

func (u *upload) track(t bridge.Track) bridge.TrackState {
	may := [...]bridge.Permissions{bridge.Audio: bridge.PublishAudio, bridge.Video: bridge.PublishVideo}
	switch was := u.now.State(t); {
	case u.off[t] || !u.m.self.Can.Has(may[t]):
		return bridge.Absent
	case was == bridge.Muted || was == bridge.Silenced:
		return bridge.Muted // the room knows better
	}
	return bridge.Live
}

// heard takes in that a track of the client comes on a leg, or comes no more.
func (u *upload) heard(ctx context.Context, l *leg, e bridge.PeerTrack) error {
	if e.Track > bridge.Video || e.Pub != u.id && e.Pub != l.spare {
		return nil
	}
	l.live[e.Track] = e.Live
	if l != u.on || u.off[e.Track] != e.Live {
		return nil
	}
	first := u.off[bridge.Audio] && u.off[bridge.Video]
	u.off[e.Track] = !e.Live
	if first {
		u.wait()
		return nil
	}
	return u.m.s.gentle(u.tell(ctx))
}

// wait gives the other track the time to come before the first one is told: clients
// of some dialects make a connection anew for each change.
func (u *upload) wait() {
	u.late = u.m.s.after(otherTime, func(ctx context.Context) error {
		if u.m.s.at != u.m {
			return nil
		}
		return u.m.s.gentle(u.tell(ctx))
	})
}

// hurry ends waiting.
func (u *upload) hurry() {
	if u.late != nil {
		u.late()
		u.late = nil
	}
}

// attach goes on for a client that came back.
func (u *upload) attach(ctx context.Context) {
	if u.late != nil { // the timer has gone with the last connection
		u.late = nil
		_ = u.m.s.gentle(u.tell(ctx))
	}
}

// silence says that nothing comes any more: the client has hung up everywhere.
func (u *upload) silence(ctx context.Context) {
	if u.off[bridge.Audio] && u.off[bridge.Video] || u.m.s.at != u.m {
		return
	}
	u.off = [2]bool{true, true}
	_ = u.m.s.gentle(u.tell(ctx))
}

// changed takes in what the room makes of it.
func (u *upload) changed(p bridge.Publication) {
	if p.ID == u.id {
		u.now = p
	}
}

// unpublished: a moderator has ended the stream. It is told again with the next
// track.
func (u *upload) unpublished(p bridge.Publication) {
	if p.ID == u.id {
		u.hurry()
		u.now, u.off = bridge.Publication{}, [2]bool{true, true}
	}
}
