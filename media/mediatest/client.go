package mediatest

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// Config is what a synthetic client is like.
type Config struct {
	// Simulcast sends the camera in three layers, rids "q", "h" and "f".
	Simulcast bool
	// Bitrate of the camera's best layer, default 150 kbit/s.
	Bitrate int
	// Follow lets a camera of one layer send no more than the other side has allowed
	// last by REMB, as browsers do: the sound goes first, the camera gets the rest.
	Follow bool
	// FPS is the camera's frame rate, default 15: many sides share the processors of a test.
	FPS int
	// Departures makes delays those of the network: from when the last packet of a frame was
	// about to leave a client that has the same Departures, until the kernel had all of the
	// frame (on Linux; elsewhere, until it was read). Those of sound are measured, too. Without,
	// they begin when a frame is made, and end when it has been read.
	Departures *Departures
	// Level is the loudness of the microphone in -dBov, default 30.
	Level uint8
	// NoCandidates leaves candidates out of every description, as the clients of
	// ahoy.md 7.5 do.
	NoCandidates bool
	// Trickle sends candidates by Peer.OnCandidate and not in descriptions.
	Trickle bool
	// TCP connects by ICE-TCP only.
	TCP bool
	// Relay is a TURN server through which all connections go; zero: none.
	Relay webrtc.ICEServer
	// SRTP is the only protection profile that is offered; 0: Pion's own list.
	SRTP dtls.SRTPProtectionProfile
	// Munge edits every description before it is sent; see MungeSpreed.
	Munge func(text string) string
	// Codec of the video that is sent: webrtc.MimeTypeVP8, the default, or H264,
	// whose packets are counted on reception, but not checked.
	Codec string
}

// A Client is a client's devices: a camera with a microphone, and a screen. Each
// of its peers is one PeerConnection; like in a browser, all send the same
// camera.
type Client struct {
	cfg    Config
	source uint32
	camera []*layer // lowest first
	screen *layer
	mic    *track

	silent, dark atomic.Bool
	allowed      atomic.Int64 // of the camera, in bit/s; 0: anything
	done         chan struct{}
	wg           sync.WaitGroup

	mu    sync.Mutex
	peers map[*Peer]bool
}

// layer is one encoding of a picture.
type layer struct {
	*track
	index         uint8
	width, height int
	bitrate       atomic.Int64 // 0: paused
	number        uint32
	key           atomic.Bool // somebody wants a key frame
	payloader     codecs.VP8Payloader
}

const (
	loud       = 30
	audioBytes = 80
	audioRate  = (audioBytes + 40) * 8 * int(time.Second/SoundGap) // in bit/s, with headers of RTP, UDP and IP
	mtu        = 1100
)

// SoundGap is the time from one packet of a microphone to the next.
const SoundGap = 20 * time.Millisecond

// Sound is what packet n of a microphone carries, as a Receiver knows it; source is which
// microphone that is.
func Sound(source, n uint32) []byte {
	payload := make([]byte, audioBytes)
	payload[0] = 0x78 // Opus TOC: CELT, 20 ms, mono
	binary.BigEndian.PutUint32(payload[1:], n)
	binary.BigEndian.PutUint32(payload[5:], source)
	return payload
}

// NewClient starts a client's devices. Close ends them.
func NewClient(cfg Config) *Client {
	if cfg.Bitrate == 0 {
		cfg.Bitrate = 150_000
	}
	if cfg.FPS == 0 {
		cfg.FPS = 15
	}
	if cfg.Level == 0 {
		cfg.Level = loud
	}
	if cfg.Codec == "" {
		cfg.Codec = webrtc.MimeTypeVP8
	}
	var id [4]byte
	_, _ = rand.Read(id[:])
	c := &Client{cfg: cfg, source: binary.BigEndian.Uint32(id[:]), done: make(chan struct{}), peers: map[*Peer]bool{}}
	camera, screen := "camera-"+rand.Text()[:8], "screen-"+rand.Text()[:8]
	c.mic = newTrack(webrtc.RTPCodecTypeAudio, webrtc.MimeTypeOpus, camera, "mic", "")
	c.screen = c.layer(screen, "", 3, 1280, cfg.Bitrate)
	if cfg.Simulcast {
		for i, rid := range []string{"q", "h", "f"} {
			c.camera = append(c.camera, c.layer(camera, rid, uint8(i), 160<<i, cfg.Bitrate>>(2*(2-i))))
		}
	} else {
		c.camera = []*layer{c.layer(camera, "", 0, 640, cfg.Bitrate)}
	}
	c.wg.Go(c.record)
	return c
}

func (c *Client) layer(stream, rid string, index uint8, width, bitrate int) *layer {
	l := &layer{
		track: newTrack(webrtc.RTPCodecTypeVideo, c.cfg.Codec, stream, "video", rid),
		index: index, width: width, height: width * 9 / 16,
		payloader: codecs.VP8Payloader{EnablePictureID: true},
	}
	l.bitrate.Store(int64(bitrate))
	return l
}

// Source is the number that all frames of this client's camera and screen carry.
func (c *Client) Source() uint32 { return c.source }

// Silence mutes the microphone the way clients do that do not tell: level 127,
// packets of three bytes.
func (c *Client) Silence(on bool) { c.silent.Store(on) }

// Dark stops the camera: no packets.
func (c *Client) Dark(on bool) { c.dark.Store(on) }

// Pause stops and starts one layer of a simulcast camera, as a browser does that
// runs out of bandwidth.
func (c *Client) Pause(rid string, on bool) {
	for _, l := range c.camera {
		if l.rid == rid {
			rate := 0
			if !on {
				rate = c.cfg.Bitrate >> (2 * (2 - int(l.index)))
			}
			l.bitrate.Store(int64(rate))
		}
	}
}

// Close closes the client's peers and ends its devices.
func (c *Client) Close() {
	c.mu.Lock()
	peers := c.peers
	c.peers = nil
	c.mu.Unlock()
	for p := range peers {
		_ = p.Close()
	}
	if peers != nil {
		close(c.done)
	}
	c.wg.Wait()
}

// record makes sound and pictures until the client is closed.
func (c *Client) record() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	gap := time.Second / time.Duration(c.cfg.FPS)
	var sound, picture int
	for {
		select {
		case <-c.done:
			return
		case now := <-tick.C:
			passed := now.Sub(begin)
			for ; time.Duration(sound)*SoundGap <= passed; sound++ {
				c.speak(uint32(sound))
			}
			for ; time.Duration(picture)*gap <= passed; picture++ {
				for _, l := range append(c.camera[:len(c.camera):len(c.camera)], c.screen) {
					if l == c.screen || !c.dark.Load() {
						c.shoot(l, uint32(picture)*uint32(90000/c.cfg.FPS))
					}
				}
			}
		}
	}
}

func (c *Client) speak(n uint32) {
	level, payload := c.cfg.Level, Sound(c.source, n)
	if c.silent.Load() {
		level, payload = 127, payload[:3]
	}
	c.mic.write(n*960, level, func() { c.cfg.Departures.note(c.source, soundLayer, n) }, payload)
}

func (c *Client) shoot(l *layer, ts uint32) {
	rate := int(l.bitrate.Load())
	if rate == 0 {
		return
	}
	if most := int(c.allowed.Load()); most > 0 && l != c.screen {
		rate = min(rate, most)
	}
	f := Frame{
		Key: l.key.Swap(false) || l.number == 0, Width: l.width, Height: l.height,
		Source: c.source, Layer: l.index, Number: l.number, Sent: time.Now(),
	}
	l.number++
	size := rate / 8 / c.cfg.FPS
	if f.Key {
		size *= 3
	}
	frame := f.Append(nil, size)
	last := func() { c.cfg.Departures.note(f.Source, f.Layer, f.Number) }
	if c.cfg.Codec == webrtc.MimeTypeH264 {
		l.write(ts, 0, last, cut(frame, f.Key)...)
		return
	}
	l.write(ts, 0, last, l.payloader.Payload(mtu, frame)...)
}

// cut makes of a frame packets that look like slices of H.264 (RFC 6184,
// 5.6): IDR slices or others.
func cut(frame []byte, key bool) (all [][]byte) {
	const idr, other = 0x65, 0x41
	head := byte(other)
	if key {
		head = idr
	}
	for len(frame) > 0 {
		n := min(len(frame), mtu)
		all = append(all, append([]byte{head}, frame[:n]...))
		frame = frame[n:]
	}
	return all
}
