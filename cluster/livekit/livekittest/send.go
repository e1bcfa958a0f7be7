package livekittest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"dragoman/media/mediatest"
)

// Sources, as LiveKit calls what we call camera and screen with their sound.
const (
	Camera      = livekit.TrackSource_CAMERA
	Microphone  = livekit.TrackSource_MICROPHONE
	Screen      = livekit.TrackSource_SCREEN_SHARE
	ScreenSound = livekit.TrackSource_SCREEN_SHARE_AUDIO
)

// device is what is published as one source. It is sent by samples: the SDK obeys the
// server's wishes for layers only there. LocalTrack.WriteRTP sends on, muted or not wanted.
type device struct {
	layers []*picture
	tracks []*lksdk.LocalTrack
}

// Publish sends a source: camera, microphone, screen, or its sound. It returns when the
// server has taken it.
func (c *Client) Publish(src livekit.TrackSource) error {
	opts := &lksdk.TrackPublicationOptions{Name: src.String(), Source: src, DisableDTX: true}
	d := &device{}
	var err error
	switch src {
	case Microphone, ScreenSound:
		err = c.speak(d)
	case Camera:
		err = c.shoot(d, opts, c.o.Media.Simulcast)
	case Screen:
		err = c.shoot(d, opts, false)
	default:
		return fmt.Errorf("%v cannot be published", src)
	}
	if err != nil {
		return err
	}
	c.update(func() { c.sends[src], c.muted[src] = d, false })
	if len(d.tracks) > 1 {
		_, err = c.Room.LocalParticipant.PublishSimulcastTrack(d.tracks, opts)
	} else {
		_, err = c.Room.LocalParticipant.PublishTrack(d.tracks[0], opts)
	}
	return err
}

// Unpublish ends what Publish began.
func (c *Client) Unpublish(src livekit.TrackSource) error {
	pub := c.Room.LocalParticipant.GetTrackPublication(src)
	if pub == nil {
		return fmt.Errorf("%v is not published", src)
	}
	c.update(func() { delete(c.sends, src) })
	return c.Room.LocalParticipant.UnpublishTrack(pub.SID())
}

// Mute mutes a source of one's own, the way LiveKit's clients do: the server is told, and
// nothing is sent.
func (c *Client) Mute(src livekit.TrackSource, on bool) error {
	pub, ok := c.Room.LocalParticipant.GetTrackPublication(src).(*lksdk.LocalTrackPublication)
	if !ok {
		return fmt.Errorf("%v is not published", src)
	}
	c.update(func() { c.muted[src] = on })
	pub.SetMuted(on)
	return nil
}

// SentBytes returns how many bytes of payload were sent of a source's layer over the
// connection that there is now: rid "q", "h" or "f", or "" of what has no layers.
func (c *Client) SentBytes(src livekit.TrackSource, rid string) int64 {
	c.mu.Lock()
	d := c.sends[src]
	c.mu.Unlock()
	if d == nil {
		return 0
	}
	for _, t := range d.tracks {
		if t.RID() == rid {
			return c.sent.of(uint32(t.SSRC()))
		}
	}
	return 0
}

// KeyRequests returns how often the server has asked for a key frame of a layer.
func (c *Client) KeyRequests(src livekit.TrackSource, rid string) int {
	c.mu.Lock()
	d := c.sends[src]
	c.mu.Unlock()
	if d == nil {
		return 0
	}
	for i, t := range d.tracks {
		if t.RID() == rid && i < len(d.layers) {
			return int(d.layers[i].asked.Load())
		}
	}
	return 0
}

func (c *Client) speak(d *device) error {
	t, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"})
	if err != nil {
		return err
	}
	d.tracks = []*lksdk.LocalTrack{t}
	m := &mic{sound: c.o.Sound, source: rand.Uint32()}
	if c.o.NoLevels {
		return t.StartWrite(m, nil)
	}
	return t.StartWrite(&meter{m, c.o.Media.Level}, nil)
}

// mic makes sound. It implements lksdk.SampleProvider.
type mic struct {
	lksdk.BaseSampleProvider
	sound  [][]byte // nil: synthetic
	source uint32
	n      uint32
}

// NextSample implements lksdk.SampleProvider.
func (m *mic) NextSample(ctx context.Context) (media.Sample, error) {
	m.n++
	data := mediatest.Sound(m.source, m.n)
	if len(m.sound) > 0 {
		data = m.sound[int(m.n)%len(m.sound)]
	}
	return media.Sample{Data: data, Duration: mediatest.SoundGap}, ctx.Err()
}

// meter is a microphone that tells its level. It implements lksdk.AudioSampleProvider.
type meter struct {
	*mic
	level uint8
}

// CurrentAudioLevel implements lksdk.AudioSampleProvider.
func (m *meter) CurrentAudioLevel() uint8 { return m.level }

// screenLayer marks the frames of screens, as package mediatest does.
const screenLayer = 3

func (c *Client) shoot(d *device, opts *lksdk.TrackPublicationOptions, simulcast bool) error {
	layers := []*picture{{width: 640, bitrate: c.o.Media.Bitrate}}
	if simulcast {
		layers = nil
		for i := range 3 {
			layers = append(layers, &picture{layer: uint8(i), width: 160 << i, bitrate: c.o.Media.Bitrate >> (2 * (2 - i))})
		}
	}
	if opts.Source == Screen {
		layers = []*picture{{layer: screenLayer, width: 1280, bitrate: c.o.Media.Bitrate}}
	}
	best := layers[len(layers)-1]
	opts.VideoWidth, opts.VideoHeight = best.width, best.height()
	d.layers = layers
	id := fmt.Sprintf("camera-%08x", rand.Uint32())
	var errs []error
	for i, p := range layers {
		p.source, p.fps, p.real = c.source, c.o.Media.FPS, c.o.Picture
		options := []lksdk.LocalTrackOptions{lksdk.WithRTCPHandler(p.obey)}
		if simulcast {
			options = append(options, lksdk.WithSimulcast(id, &livekit.VideoLayer{
				Quality: livekit.VideoQuality(i), Width: uint32(p.width), Height: uint32(p.height()), Bitrate: uint32(p.bitrate),
			}))
		}
		t, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, options...)
		if err != nil {
			return err
		}
		d.tracks = append(d.tracks, t)
		errs = append(errs, t.StartWrite(p, nil))
	}
	return errors.Join(errs...)
}

// picture makes one layer of a camera, or a screen. It implements lksdk.SampleProvider.
type picture struct {
	lksdk.BaseSampleProvider
	source              uint32
	layer               uint8
	width, bitrate, fps int
	number              uint32
	real                []byte // nil: synthetic
	key                 atomic.Bool
	asked               atomic.Int64
}

func (p *picture) height() int { return p.width * 9 / 16 }

func (p *picture) obey(packet rtcp.Packet) {
	switch packet.(type) {
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		p.asked.Add(1)
		p.key.Store(true)
	}
}

// NextSample implements lksdk.SampleProvider.
func (p *picture) NextSample(ctx context.Context) (media.Sample, error) {
	if p.real != nil {
		return media.Sample{Data: p.real, Duration: time.Second / time.Duration(p.fps)}, ctx.Err()
	}
	f := mediatest.Frame{
		Key: p.key.Swap(false) || p.number == 0, Width: p.width, Height: p.height(),
		Source: p.source, Layer: p.layer, Number: p.number, Sent: time.Now(),
	}
	p.number++
	size := p.bitrate / 8 / p.fps
	if f.Key {
		size *= 3
	}
	return media.Sample{Data: f.Append(nil, size), Duration: time.Second / time.Duration(p.fps)}, ctx.Err()
}

// counter counts what is sent, by SSRC. It implements interceptor.Factory.
type counter struct {
	interceptor.NoOp
	mu    sync.Mutex
	bytes map[uint32]*atomic.Int64
}

func newCounter() *counter { return &counter{bytes: map[uint32]*atomic.Int64{}} }

// NewInterceptor implements interceptor.Factory: all connections have this one.
func (c *counter) NewInterceptor(string) (interceptor.Interceptor, error) { return c, nil }

// BindLocalStream implements interceptor.Interceptor.
func (c *counter) BindLocalStream(info *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	n := &atomic.Int64{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes[info.SSRC] = n
	return interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		n.Add(int64(len(payload)))
		return next.Write(h, payload, a)
	})
}

func (c *counter) of(ssrc uint32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.bytes[ssrc]; n != nil {
		return n.Load()
	}
	return 0
}
