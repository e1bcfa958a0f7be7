package media

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"

	"dragoman/media/forward"
	"dragoman/media/sdp"
)

// format is a codec with its parameters, as it is negotiated.
type format struct {
	name     string // RFC 4855
	kind     webrtc.RTPCodecType
	rate     int
	channels int
	params   string
	profile  string // of params: what has to be equal on both sides
	pt, rtx  uint8  // in our offers; rtx 0: none
	codec    forward.Codec
}

// formats is what the engine has, the best liked first. A format's index is its
// number in package forward.
var formats = [...]format{
	{name: "opus", kind: webrtc.RTPCodecTypeAudio, rate: 48000, channels: 2, params: "minptime=10;useinbandfec=1", pt: 111},
	{name: "G722", kind: webrtc.RTPCodecTypeAudio, rate: 8000, pt: 9},
	{name: "PCMU", kind: webrtc.RTPCodecTypeAudio, rate: 8000, pt: 0},
	{name: "PCMA", kind: webrtc.RTPCodecTypeAudio, rate: 8000, pt: 8},
	{name: "VP8", kind: webrtc.RTPCodecTypeVideo, rate: 90000, pt: 96, rtx: 97, codec: forward.VP8},
	h264("42e01f", 1, 102), h264("42e01f", 0, 104),
	h264("42001f", 1, 106), h264("42001f", 0, 108),
	h264("4d001f", 1, 112), h264("640c1f", 1, 114),
	{name: "VP9", kind: webrtc.RTPCodecTypeVideo, rate: 90000, params: "profile-id=0", profile: "0", pt: 98, rtx: 99, codec: forward.VP9},
	{name: "VP9", kind: webrtc.RTPCodecTypeVideo, rate: 90000, params: "profile-id=2", profile: "2", pt: 100, rtx: 101, codec: forward.VP9},
	{name: "AV1", kind: webrtc.RTPCodecTypeVideo, rate: 90000, pt: 45, rtx: 46, codec: forward.AV1},
}

// formatVP8 is the number of VP8.
var formatVP8 = slices.IndexFunc(formats[:], func(f format) bool { return f.codec == forward.VP8 })

// h264Order is which profiles a decoder of another also takes, the simplest
// first.
var h264Order = []string{"42e0", "4200", "4d00", "640c"}

func h264(profile string, mode int, pt uint8) format {
	f := format{
		name: "H264", kind: webrtc.RTPCodecTypeVideo, rate: 90000, codec: forward.H264, pt: pt, rtx: pt + 1,
		params: fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s", mode, profile),
	}
	f.profile = f.profileOf(f.params)
	return f
}

func (f *format) mime() string {
	if f.kind == webrtc.RTPCodecTypeAudio {
		return "audio/" + f.name
	}
	return "video/" + f.name
}

// profileOf returns the part of format parameters that decides whether two sides
// mean the same.
func (f *format) profileOf(params string) string {
	get := func(key, missing string) string {
		for p := range strings.SplitSeq(params, ";") {
			if k, v, ok := strings.Cut(strings.TrimSpace(p), "="); ok && strings.EqualFold(k, key) {
				return strings.ToLower(strings.TrimSpace(v))
			}
		}
		return missing
	}
	switch f.codec {
	case forward.VP9:
		return get("profile-id", "0")
	case forward.H264: // RFC 6184, 8.1: without, it is the baseline profile
		level := get("profile-level-id", "42000a")
		if len(level) < 4 {
			return ""
		}
		profile := level[:4]
		if profile[:2] == "42" && strings.ContainsRune("4567cdef", rune(profile[2])) {
			profile = "42e0" // constrained baseline, however it is spelled
		}
		return profile + "/" + get("packetization-mode", "0")
	}
	return ""
}

// number returns the number of a negotiated codec, false if it is none of ours.
func number(c sdp.Codec) (int, bool) {
	i := slices.IndexFunc(formats[:], func(f format) bool {
		return strings.EqualFold(f.name, c.Name) && f.rate == c.Rate && f.profileOf(c.Params) == f.profile
	})
	return i, i >= 0
}

// videoFeedback is what RTCP feedback (RFC 4585) we take and give for video.
var videoFeedback = []webrtc.RTCPFeedback{
	{Type: "nack"},
	{Type: "nack", Parameter: "pli"},
	{Type: "ccm", Parameter: "fir"},
	{Type: "goog-remb"},
	{Type: "transport-cc"},
}

// audioFeedback is the same for audio.
var audioFeedback = []webrtc.RTCPFeedback{{Type: "transport-cc"}}

// URIs of header extensions.
const (
	uriLevel     = "urn:ietf:params:rtp-hdrext:ssrc-audio-level" // RFC 6464
	uriTime      = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
	uriTransport = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	uriMid       = "urn:ietf:params:rtp-hdrext:sdes:mid"                    // RFC 9143
	uriRID       = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"          // RFC 8852
	uriRepaired  = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" // RFC 8852
)

// extensions lists the header extensions of each kind.
var extensions = map[webrtc.RTPCodecType][]string{
	webrtc.RTPCodecTypeAudio: {uriLevel, uriMid, uriTime, uriTransport},
	webrtc.RTPCodecTypeVideo: {uriMid, uriTime, uriTransport, uriRID, uriRepaired},
}

// allowed reports whether a peer that is limited to names has a format.
func (f *format) allowed(names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.name) })
}

// parameters returns the format and its retransmission as Pion has them.
func (f *format) parameters() []webrtc.RTPCodecParameters {
	feedback := videoFeedback
	if f.kind == webrtc.RTPCodecTypeAudio {
		feedback = audioFeedback
	}
	all := []webrtc.RTPCodecParameters{{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: f.mime(), ClockRate: uint32(f.rate), Channels: uint16(f.channels),
			SDPFmtpLine: f.params, RTCPFeedback: feedback,
		},
		PayloadType: webrtc.PayloadType(f.pt),
	}}
	if f.rtx != 0 {
		all = append(all, webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", f.pt),
			},
			PayloadType: webrtc.PayloadType(f.rtx),
		})
	}
	return all
}

// mediaEngine returns what Pion may negotiate for a peer.
func mediaEngine(names []string) (*webrtc.MediaEngine, error) {
	m := &webrtc.MediaEngine{}
	for i := range formats {
		f := &formats[i]
		if !f.allowed(names) {
			continue
		}
		for _, p := range f.parameters() {
			if err := m.RegisterCodec(p, f.kind); err != nil {
				return nil, fmt.Errorf("codec %s: %w", f.name, err)
			}
		}
	}
	for _, kind := range []webrtc.RTPCodecType{audio, video} { // in this order, for the same ids always
		for _, uri := range extensions[kind] {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
				return nil, fmt.Errorf("header extension %s: %w", uri, err)
			}
		}
	}
	return m, nil
}

// repairTypes returns the payload types of retransmissions of what a client takes
// as f. There are none where we have not told it their SSRC.
func repairTypes(a agreed, f forward.Formats) (out forward.Formats) {
	for i := range out {
		out[i] = forward.NoFormat
	}
	for _, c := range a.theirs.Codecs {
		of, is := repaired(c)
		for i := range out {
			if is && a.line.out.repair != 0 && f[i] == of {
				out[i] = c.Type
			}
		}
	}
	return out
}

// repaired returns the payload type that a codec retransmits (RFC 4588, 8.6),
// false if it does no such thing.
func repaired(c sdp.Codec) (uint8, bool) {
	apt, is := strings.CutPrefix(c.Params, "apt=")
	of, err := strconv.ParseUint(apt, 10, 7)
	return uint8(of), is && err == nil && strings.EqualFold(c.Name, "rtx")
}

// payloadTypes returns under which payload types a client takes our formats. A
// decoder for an H.264 profile takes the simpler ones too.
func payloadTypes(codecs []sdp.Codec) (out forward.Formats) {
	for i := range out {
		out[i] = forward.NoFormat
	}
	for _, c := range codecs {
		if n, ok := number(c); ok && out[n] == forward.NoFormat {
			out[n] = c.Type
		}
	}
	for i := range formats {
		if formats[i].codec != forward.H264 || out[i] != forward.NoFormat {
			continue
		}
		profile, mode, _ := strings.Cut(formats[i].profile, "/")
		for _, better := range h264Order[slices.Index(h264Order, profile)+1:] {
			n := slices.IndexFunc(formats[:], func(f format) bool { return f.profile == better+"/"+mode })
			if n >= 0 && out[n] != forward.NoFormat {
				out[i] = out[n]
				break
			}
		}
	}
	return out
}
