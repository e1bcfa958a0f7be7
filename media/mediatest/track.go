package mediatest

import (
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

const levelURI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

// track is one encoding of a device, sent over any number of connections. It
// implements webrtc.TrackLocal.
type track struct {
	kind              webrtc.RTPCodecType
	mime              string
	stream, name, rid string

	mu   sync.Mutex
	sent map[string]*binding
}

// binding is a track on one connection.
type binding struct {
	ssrc            uint32
	pt              uint8
	out             webrtc.TrackLocalWriter
	level, mid, rid uint8 // header extension ids; 0: not negotiated
	seq             uint16
	offset          uint32 // of timestamps
	midValue        string
	reported        bool // the other side has said that packets arrive
}

func newTrack(kind webrtc.RTPCodecType, mime, stream, name, rid string) *track {
	return &track{kind: kind, mime: mime, stream: stream, name: name, rid: rid, sent: map[string]*binding{}}
}

// ID implements webrtc.TrackLocal.
func (t *track) ID() string { return t.name }

// RID implements webrtc.TrackLocal.
func (t *track) RID() string { return t.rid }

// StreamID implements webrtc.TrackLocal.
func (t *track) StreamID() string { return t.stream }

// Kind implements webrtc.TrackLocal.
func (t *track) Kind() webrtc.RTPCodecType { return t.kind }

// Bind implements webrtc.TrackLocal.
func (t *track) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, codec := range c.CodecParameters() {
		if codec.MimeType != t.mime {
			continue
		}
		b := &binding{ssrc: uint32(c.SSRC()), pt: uint8(codec.PayloadType), out: c.WriteStream()}
		b.seq, b.offset = uint16(b.ssrc), b.ssrc<<3
		for _, x := range c.HeaderExtensions() {
			switch x.URI {
			case levelURI:
				b.level = uint8(x.ID)
			case sdp.SDESMidURI:
				b.mid = uint8(x.ID)
			case sdp.SDESRTPStreamIDURI:
				b.rid = uint8(x.ID)
			}
		}
		t.mu.Lock()
		t.sent[c.ID()+t.rid] = b
		t.mu.Unlock()
		return codec, nil
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind implements webrtc.TrackLocal.
func (t *track) Unbind(c webrtc.TrackLocalContext) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sent, c.ID()+t.rid)
	return nil
}

// name gives the mid to the connection that has it, for RTP that is told apart
// by rid.
func (t *track) setMid(ssrc uint32, mid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.sent {
		if b.ssrc == ssrc {
			b.midValue = mid
		}
	}
}

// report takes what the other side says of a stream.
func (t *track) report(ssrc uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.sent {
		b.reported = b.reported || b.ssrc == ssrc
	}
}

// reports tells whether the other sides have said of all streams that they arrive.
func (t *track) reports() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.sent {
		if !b.reported {
			return false
		}
	}
	return len(t.sent) > 0
}

// write sends payloads of one timestamp on every connection. Before the last one leaves it
// calls last.
func (t *track) write(ts uint32, level uint8, last func(), payloads ...[]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.sent {
		for i, payload := range payloads {
			h := rtp.Header{
				Version: 2, Marker: t.kind == webrtc.RTPCodecTypeVideo && i == len(payloads)-1,
				PayloadType: b.pt, SequenceNumber: b.seq, Timestamp: ts + b.offset, SSRC: b.ssrc,
			}
			b.seq++
			if b.level != 0 && t.kind == webrtc.RTPCodecTypeAudio {
				_ = h.SetExtension(b.level, []byte{level})
			}
			if t.rid != "" && b.rid != 0 && b.midValue != "" && !b.reported { // as browsers
				_ = h.SetExtension(b.mid, []byte(b.midValue))
				_ = h.SetExtension(b.rid, []byte(t.rid))
			}
			if i == len(payloads)-1 {
				last()
			}
			_, _ = b.out.WriteRTP(&h, payload) // a connection that is not up, or no more
		}
	}
}
