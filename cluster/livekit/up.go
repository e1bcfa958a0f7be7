package livekit

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	sdkmedia "github.com/pion/webrtc/v4/pkg/media"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/forward"
)

// up is one track of ours in a LiveKit room. What has no lock belongs to the goroutine of
// tracks.
type up struct {
	t      *tracks
	key    upKey
	room   *lksdk.Room
	source livekit.TrackSource
	codec  webrtc.RTPCodecCapability
	seen   time.Time     // since when there is media
	missed time.Time     // since when it is not published though we did so; zero: it is
	retry  time.Time     // not published before
	primed *media.Outlet // wishes for what does not come unless it is wanted; nil: none needed
	rid    string        // that it wishes for
	muted  atomic.Bool   // as we have told LiveKit

	mu     sync.Mutex // guards what follows
	pub    *lksdk.LocalTrackPublication
	layers []*upLayer // lowest first; none: not published
}

// upLayer is a simulcast layer of a track, or all of it.
type upLayer struct {
	rid   string // ours
	track *lksdk.LocalTrack
	out   *media.Outlet
	gauge *gauge       // nil: the layer is always wanted
	asked atomic.Int64 // when LiveKit asked for a key frame last, in ns since 1970

	// Of out's function, which is called by one goroutine at a time.
	packet rtp.Packet
	level  uint8
	levels lksdk.SampleWriteOptions // points to level
}

// gauge finds out whether LiveKit wants a layer. The SDK keeps that to itself, but asks
// those who give it samples for their level only while it does; this one has no samples.
// It implements lksdk.AudioSampleProvider.
type gauge struct {
	lksdk.BaseSampleProvider
	at   atomic.Int64 // when it was wanted last, in ns since 1970
	note func()       // it is wanted again
}

// NextSample implements lksdk.SampleProvider.
func (g *gauge) NextSample(ctx context.Context) (sdkmedia.Sample, error) {
	return sdkmedia.Sample{Duration: gaugeTime}, ctx.Err()
}

// CurrentAudioLevel implements lksdk.AudioSampleProvider.
func (g *gauge) CurrentAudioLevel() uint8 {
	now := time.Now().UnixNano()
	if now-g.at.Swap(now) > int64(4*gaugeTime) {
		g.note()
	}
	return 0
}

// Close implements lksdk.SampleProvider.
func (g *gauge) Close() error { return nil }

// wanted reports whether LiveKit wants the layer.
func (l *upLayer) wanted(now time.Time) bool {
	return l.gauge == nil || now.UnixNano()-l.gauge.at.Load() <= int64(4*gaugeTime) ||
		now.UnixNano()-l.asked.Load() <= int64(askedTime)
}

// write takes a packet of ours. It is media.OutletConfig.Write.
func (l *upLayer) write(h *rtp.Header, payload []byte, level uint8, hasLevel bool) error {
	l.packet.Header, l.packet.Payload = *h, payload
	var o *lksdk.SampleWriteOptions
	if hasLevel {
		l.level = level & 0x7f // the SDK takes no voice bit
		l.levels.AudioLevel, o = &l.level, &l.levels
	}
	return l.track.WriteRTP(&l.packet, o)
}

func (u *up) published() bool { return len(u.flows()) > 0 }

func (u *up) flows() []*upLayer {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.layers
}

// is reports whether the track is published as pub, now or as soon as the SDK says so.
func (u *up) is(pub lksdk.TrackPublication) bool {
	local, ok := pub.(*lksdk.LocalTrackPublication)
	if !ok {
		return false
	}
	for _, l := range u.flows() {
		if local.TrackLocal() == webrtc.TrackLocal(l.track) || slices.Contains(local.TrackLocalForSimulcast(), l.track) {
			return true
		}
	}
	return false
}

// wantKeys asks for key frames of all layers.
func (u *up) wantKeys() {
	for _, l := range u.flows() {
		l.out.WantKey()
	}
}

// outdated reports whether what comes in is not what was published: another codec, or a
// layer that was not among them.
func (u *up) outdated(codec webrtc.RTPCodecCapability, offer media.RelayOffer) bool {
	if codec.MimeType != u.codec.MimeType {
		return true
	}
	return u.key.track == bridge.Video && slices.ContainsFunc(offer.Layers, func(o forward.Offer) bool {
		return !slices.ContainsFunc(u.flows(), func(l *upLayer) bool { return l.rid == o.RID })
	})
}

// ready reports whether enough is known of a track to publish it.
func (u *up) ready(pub bridge.Publication, offer media.RelayOffer, now time.Time) bool {
	if u.seen.IsZero() {
		u.seen = now
	}
	if now.Before(u.retry) {
		return false
	}
	if u.key.track == bridge.Audio || now.Sub(u.seen) > sizesTime {
		return true
	}
	return len(offer.Layers) >= len(pub.Layers) && !slices.ContainsFunc(offer.Layers, func(o forward.Offer) bool { return o.Width == 0 })
}

// prime wishes for a track that comes only when it is wanted, so that its codec gets
// known.
func (u *up) prime(on bool, offer media.RelayOffer) {
	rid := ""
	if u.key.track == bridge.Video && len(offer.Layers) > 0 {
		rid = offer.Layers[0].RID
	}
	if u.primed != nil && (!on || rid != u.rid) {
		u.primed.Close()
		u.primed = nil
	}
	if on && u.primed == nil {
		u.rid = rid
		u.primed, _ = u.t.cfg.engine.NewOutlet(media.OutletConfig{ // refused: the engine is closed
			Publication: u.key.pub, Track: u.key.track, RID: rid, Room: u.t.cfg.room,
			Write: func(*rtp.Header, []byte, uint8, bool) error { return nil },
		})
	}
}

// publish publishes the track. It waits for the server.
func (u *up) publish(codec webrtc.RTPCodecCapability, layers []forward.Offer, now time.Time) {
	made, err := u.make(codec, layers)
	if err == nil {
		u.codec, u.missed = codec, time.Time{}
		u.mu.Lock()
		u.layers = made
		u.mu.Unlock()
		u.muted.Store(false)
		err = u.send(made, layers)
	}
	if err != nil {
		u.t.count.refused.Add(1)
		u.t.cfg.log.Warn("a track cannot be published in a LiveKit room", "publication", u.key.pub, "source", u.source.String(), "err", err)
		u.release()
		u.retry = now.Add(publishRetry)
		return
	}
	u.t.count.published.Add(1)
	u.wantKeys()
}

// make makes the layers.
func (u *up) make(codec webrtc.RTPCodecCapability, layers []forward.Offer) (all []*upLayer, err error) {
	defer func() {
		if err != nil {
			closeLayers(all)
			all = nil
		}
	}()
	id := "TR" + strconv.FormatUint(rand.Uint64(), 36)
	for i, o := range layers {
		l := &upLayer{rid: o.RID}
		options := []lksdk.LocalTrackOptions{lksdk.WithRTCPHandler(func(p rtcp.Packet) { u.obey(l, p) })}
		if len(layers) > 1 {
			options = append(options, lksdk.WithSimulcast(id, &livekit.VideoLayer{
				Quality: livekit.VideoQuality(i), //nolint:gosec // up to three
				Width:   uint32(o.Width), Height: uint32(o.Height), Bitrate: uint32(o.Bitrate),
			}))
		}
		if l.track, err = lksdk.NewLocalTrack(codec, options...); err != nil {
			return all, err
		}
		l.out, err = u.t.cfg.engine.NewOutlet(media.OutletConfig{
			Publication: u.key.pub, Track: u.key.track, RID: o.RID, Room: u.t.cfg.room, Write: l.write,
		})
		if err != nil {
			return all, err
		}
		all = append(all, l)
		l.track.OnBind(l.out.WantKey)
		if len(layers) > 1 {
			l.gauge = &gauge{note: u.t.nudge}
			l.gauge.at.Store(time.Now().UnixNano())
			if err := l.track.StartWrite(l.gauge, nil); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// obey takes what LiveKit says of a layer.
func (u *up) obey(l *upLayer, p rtcp.Packet) {
	switch p.(type) {
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		before := l.asked.Swap(time.Now().UnixNano())
		l.out.WantKey()
		if l.gauge != nil && time.Now().UnixNano()-before > int64(askedTime) {
			u.t.nudge()
		}
	}
}

// send publishes layers that were made.
func (u *up) send(made []*upLayer, layers []forward.Offer) (err error) {
	names := map[livekit.TrackSource]string{
		livekit.TrackSource_MICROPHONE: "microphone", livekit.TrackSource_CAMERA: "camera",
		livekit.TrackSource_SCREEN_SHARE: "screen", livekit.TrackSource_SCREEN_SHARE_AUDIO: "screen sound",
	}
	best := layers[len(layers)-1]
	o := &lksdk.TrackPublicationOptions{Name: names[u.source], Source: u.source, VideoWidth: best.Width, VideoHeight: best.Height}
	var pub *lksdk.LocalTrackPublication
	if len(made) == 1 {
		pub, err = u.room.LocalParticipant.PublishTrack(made[0].track, o)
	} else {
		all := make([]*lksdk.LocalTrack, len(made))
		for i, l := range made {
			all[i] = l.track
		}
		pub, err = u.room.LocalParticipant.PublishSimulcastTrack(all, o)
	}
	u.mu.Lock()
	u.pub = pub
	u.mu.Unlock()
	return err
}

// mute tells LiveKit whether the track is muted. With again, the SDK may have published
// it anew, and has forgotten then.
func (u *up) mute(on, again bool) {
	if again {
		for _, pub := range u.room.LocalParticipant.TrackPublications() {
			if local, ok := pub.(*lksdk.LocalTrackPublication); ok && u.is(local) {
				u.mu.Lock()
				u.pub = local
				u.mu.Unlock()
			}
		}
	}
	if u.muted.Swap(on) != on || again && on {
		u.pub.SetMuted(on)
	}
}

// gone reports whether the track has not been published for too long, though the
// connection is there.
func (u *up) gone(now time.Time) bool {
	if u.room.ConnectionState() != lksdk.ConnectionStateConnected || slices.ContainsFunc(u.room.LocalParticipant.TrackPublications(), u.is) {
		u.missed = time.Time{}
		return false
	}
	if u.missed.IsZero() {
		u.missed = now
	}
	return now.Sub(u.missed) > goneTime
}

// flow lets those layers flow that are wanted.
func (u *up) flow(now time.Time) {
	for _, l := range u.flows() {
		l.out.Pause(u.muted.Load() || !l.wanted(now))
	}
}

// unpublish takes the track out of the LiveKit room.
func (u *up) unpublish() {
	u.mu.Lock()
	pub := u.pub
	u.mu.Unlock()
	u.release()
	if pub != nil {
		_ = u.room.LocalParticipant.UnpublishTrack(pub.SID()) // it may be gone with the connection
	}
}

// release ends what feeds the track.
func (u *up) release() {
	u.mu.Lock()
	all := u.layers
	u.layers, u.pub = nil, nil
	u.mu.Unlock()
	packets, bytes := closeLayers(all)
	u.t.mu.Lock()
	u.t.past.Packets += packets
	u.t.past.Bytes += bytes
	u.t.mu.Unlock()
}

func closeLayers(all []*upLayer) (packets, bytes uint64) {
	for _, l := range all {
		l.out.Close()
		_ = l.track.Close() // which ends its gauge, and never fails
		c := l.out.Stats()
		packets += c.Packets
		bytes += c.Bytes
	}
	return packets, bytes
}

// exported returns the layers to publish a track with, lowest first, one for what has
// none. LiveKit's widths differ, by which the SDK puts them in order.
func exported(pub bridge.Publication, offer media.RelayOffer, track bridge.Track) []forward.Offer {
	if track == bridge.Audio {
		return []forward.Offer{{}}
	}
	all := slices.Clone(offer.Layers)
	for i, l := range pub.Layers {
		if !slices.ContainsFunc(all, func(o forward.Offer) bool { return o.RID == l.RID }) && !slices.ContainsFunc(all, func(o forward.Offer) bool { return o.RID == "" }) {
			all = slices.Insert(all, min(i, len(all)), forward.Offer{RID: l.RID, Width: l.Width, Height: l.Height})
		}
	}
	if len(all) == 0 {
		return []forward.Offer{{Width: 1280, Height: 720}}
	}
	all = all[max(0, len(all)-3):]
	const width, height = 1280, 720
	known := func(i int) bool {
		return all[i].Width > 0 && all[i].Height > 0 && (i == 0 || all[i].Width > all[i-1].Width)
	}
	for i := range all {
		if known(i) {
			continue
		}
		for j := range all { // guess them all, so that they are in order
			down := len(all) - 1 - j
			all[j].Width, all[j].Height = width>>down, height>>down
		}
		break
	}
	return all
}
