package livekit

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media"
)

// tracksConfig is what tracks have to know.
type tracksConfig struct {
	engine *media.Engine
	room   bridge.RoomID // ours, for what must be wished for before it comes
	// transit: the participant is of another LiveKit room, so that nothing comes of it that
	// is not wished for.
	transit bool
	log     *slog.Logger // nil: none
	// onMuted is told that their moderator has muted a track. It does not wait.
	onMuted func(bridge.PublicationID, bridge.Track)
	// renew is told that a new connection is needed: on an old one the server keeps
	// announcing the codec that sound had first. It does not wait. nil: nobody is.
	renew func()
}

// tracks publishes, over a puppet's connection, what its participant publishes here. One
// goroutine compares what should be published with what is, since the SDK waits for the
// server when it publishes; all methods only leave word for it, and do not wait.
type tracks struct {
	cfg  tracksConfig
	wake chan struct{} // capacity 1
	quit chan struct{}
	done chan struct{}
	end  func()

	count struct{ published, refused, theirMutes atomic.Uint64 }

	mu    sync.Mutex // guards what follows
	want  []bridge.Publication
	room  *lksdk.Room
	again bool // the SDK has published anew
	ups   map[upKey]*up
	past  trackStats
}

// upKey is a track of ours.
type upKey struct {
	pub   bridge.PublicationID
	track bridge.Track
}

// trackStats is what tracks have counted.
type trackStats struct {
	Published          int    // now
	Publishes, Refused uint64 // so far; refused by the server, or of a codec that it does not have
	TheirMutes         uint64
	Packets, Bytes     uint64 // of payload, to LiveKit
}

// The times of tracks.
const (
	publishRetry = 5 * time.Second        // after the server has not taken a track
	sizesTime    = time.Second            // layers whose sizes are not known are waited for that long
	gaugeTime    = 200 * time.Millisecond // between looks at whether LiveKit wants a layer
	goneTime     = 12 * time.Second       // until a track counts as lost that the SDK may be publishing anew
	askedTime    = 2 * time.Second        // who asks for a key frame wants the layer that long at least
	closeTime    = 2 * time.Second        // to end
)

func newTracks(cfg tracksConfig) *tracks {
	if cfg.log == nil {
		cfg.log = slog.New(slog.DiscardHandler)
	}
	t := &tracks{
		cfg: cfg, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), ups: map[upKey]*up{},
	}
	t.end = sync.OnceFunc(func() { close(t.quit) })
	go t.run()
	return t
}

// attach gives a connection, to which all is published.
func (t *tracks) attach(room *lksdk.Room) { t.leave(func() { t.room = room }) }

// set takes what the room says of the participant's publications.
func (t *tracks) set(pubs []bridge.Publication) { t.leave(func() { t.want = slices.Clone(pubs) }) }

// look makes what has changed in the media count. It is called some times a second.
func (t *tracks) look(time.Time) { t.nudge() }

// reconnected is called when the connection has come back, perhaps with everything
// published anew, and not muted any more.
func (t *tracks) reconnected() { t.leave(func() { t.again = true }) }

func (t *tracks) leave(note func()) {
	t.mu.Lock()
	note()
	t.mu.Unlock()
	t.nudge()
}

func (t *tracks) nudge() { nudge(t.wake) }

// close ends all. What is being published when the connection goes may hold it up for
// closeTime.
func (t *tracks) close() {
	t.end()
	late := time.NewTimer(closeTime)
	defer late.Stop()
	select {
	case <-t.done:
	case <-late.C:
	}
}

// run compares until close.
func (t *tracks) run() {
	defer close(t.done)
	defer t.clear()
	for {
		select {
		case <-t.wake:
		case <-t.quit:
			return
		}
		t.reconcile(time.Now())
	}
}

// callbacks are for the room that the tracks are attached to.
func (t *tracks) callbacks() lksdk.ParticipantCallback {
	return lksdk.ParticipantCallback{
		OnTrackMuted: func(pub lksdk.TrackPublication, p lksdk.Participant) {
			if _, ours := p.(*lksdk.LocalParticipant); ours {
				t.muted(pub)
			}
		},
		// The SDK has published anew after it had lost the server.
		OnLocalTrackPublished: func(*lksdk.LocalTrackPublication, *lksdk.LocalParticipant) { t.reconnected() },
	}
}

// subscribed is lksdk.RoomCallback.OnLocalTrackSubscribed: somebody looks who did not
// before.
func (t *tracks) subscribed(pub *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
	if u := t.of(pub); u != nil {
		u.wantKeys()
	}
}

// of returns what is published as pub.
func (t *tracks) of(pub lksdk.TrackPublication) *up {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.ups {
		if u.is(pub) {
			return u
		}
	}
	return nil
}

// muted tells of a mute that is not ours.
func (t *tracks) muted(pub lksdk.TrackPublication) {
	u := t.of(pub)
	if u == nil || u.muted.Load() {
		return
	}
	t.count.theirMutes.Add(1)
	if t.cfg.onMuted != nil {
		t.cfg.onMuted(u.key.pub, u.key.track)
	}
}

// reconcile publishes what should be and is not, and so on.
func (t *tracks) reconcile(now time.Time) {
	t.mu.Lock()
	want, room, again := t.want, t.room, t.again
	t.again = false
	t.mu.Unlock()
	if room == nil {
		return
	}
	wanted := map[upKey]bool{}
	for _, pub := range want {
		offer := t.cfg.engine.Offer(pub.ID)
		for _, track := range []bridge.Track{bridge.Audio, bridge.Video} {
			if pub.State(track) != bridge.Absent {
				key := upKey{pub.ID, track}
				wanted[key] = true
				t.compare(t.upOf(key, pub, room), pub, offer, again, now)
			}
		}
	}
	for key, u := range t.ups { // only this goroutine changes them
		if !wanted[key] {
			u.unpublish()
			u.prime(false, media.RelayOffer{})
			t.forget(key)
		}
	}
}

// upOf returns what there is of a track, and begins anew on a new connection.
func (t *tracks) upOf(key upKey, pub bridge.Publication, room *lksdk.Room) *up {
	u := t.ups[key]
	if u != nil && u.room == room {
		return u
	}
	if u != nil {
		u.release()
	}
	next := &up{t: t, key: key, room: room, source: trackSource(pub.Source, key.track)}
	if u != nil {
		next.primed, next.rid = u.primed, u.rid
	}
	t.mu.Lock()
	t.ups[key] = next
	t.mu.Unlock()
	return next
}

// forget ends what is kept of a track.
func (t *tracks) forget(key upKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.ups, key)
}

// compare looks at one track.
func (t *tracks) compare(u *up, pub bridge.Publication, offer media.RelayOffer, again bool, now time.Time) {
	live := pub.State(u.key.track) == bridge.Live
	codec := codecOf(offer, u.key.track)
	if u.published() && codec.MimeType != "" && u.outdated(codec, offer) {
		if u.key.track == bridge.Audio && t.cfg.renew != nil {
			t.cfg.renew()
			return
		}
		u.unpublish()
	}
	if !u.published() {
		u.prime(t.cfg.transit && live && codec.MimeType == "", offer)
		if live && codec.MimeType != "" && u.ready(pub, offer, now) && u.room.ConnectionState() == lksdk.ConnectionStateConnected {
			u.publish(codec, exported(pub, offer, u.key.track), now)
			u.prime(false, offer)
		}
		return
	}
	if u.gone(now) { // the server has unpublished it: it may not be published, for now
		u.release()
		u.retry = now.Add(publishRetry)
		return
	}
	u.mute(!live, again)
	u.flow(now)
}

// clear ends everything at close.
func (t *tracks) clear() {
	for key, u := range t.ups {
		u.release()
		u.prime(false, media.RelayOffer{})
		t.forget(key)
	}
}

// stats returns what was counted.
func (t *tracks) stats() trackStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.past
	s.Publishes, s.Refused, s.TheirMutes = t.count.published.Load(), t.count.refused.Load(), t.count.theirMutes.Load()
	for _, u := range t.ups {
		if u.published() {
			s.Published++
		}
		for _, l := range u.flows() {
			c := l.out.Stats()
			s.Packets += c.Packets
			s.Bytes += c.Bytes
		}
	}
	return s
}

// trackSource is what LiveKit calls a track of ours.
func trackSource(src bridge.Source, track bridge.Track) livekit.TrackSource {
	return [2][2]livekit.TrackSource{
		{livekit.TrackSource_MICROPHONE, livekit.TrackSource_CAMERA},
		{livekit.TrackSource_SCREEN_SHARE_AUDIO, livekit.TrackSource_SCREEN_SHARE},
	}[src&1][track&1]
}

// codecOf returns the codec of what comes in of a track; no MimeType: none does, or
// LiveKit does not have it.
func codecOf(o media.RelayOffer, track bridge.Track) webrtc.RTPCodecCapability {
	rates := map[string]uint32{"PCMU": 8000, "PCMA": 8000, "opus": 48000, "VP8": 90000, "VP9": 90000, "H264": 90000, "AV1": 90000}
	name := o.Codecs[track]
	c := webrtc.RTPCodecCapability{ClockRate: rates[name], SDPFmtpLine: o.Params[track]}
	switch {
	case c.ClockRate == 0: // G722
		return webrtc.RTPCodecCapability{}
	case track == bridge.Video:
		c.MimeType = "video/" + name
	default:
		c.MimeType = "audio/" + name
	}
	if name == "opus" {
		c.Channels = 2
	}
	return c
}
