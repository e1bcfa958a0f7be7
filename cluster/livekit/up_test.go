package livekit

import (
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/forward"
)

func offer(rid string, width, height, bitrate int) forward.Offer {
	return forward.Offer{RID: rid, Width: width, Height: height, Bitrate: bitrate}
}

// TestExported: layers are published lowest first, with sizes that differ, whatever is
// known of them.
func TestExported(t *testing.T) {
	all := []bridge.Layer{{RID: "q"}, {RID: "h", Width: 400, Height: 300}, {RID: "f"}}
	for what, c := range map[string]struct {
		track   bridge.Track
		layers  []bridge.Layer
		offered []forward.Offer
		want    []forward.Offer
	}{
		"sound":     {track: bridge.Audio, want: []forward.Offer{{}}},
		"one layer": {bridge.Video, nil, []forward.Offer{{Width: 640, Height: 360, Bitrate: 1}}, []forward.Offer{{Width: 640, Height: 360, Bitrate: 1}}},
		"nothing":   {bridge.Video, nil, nil, []forward.Offer{{Width: 1280, Height: 720}}},
		"as known": {
			bridge.Video, nil,
			[]forward.Offer{offer("a", 160, 90, 1), offer("b", 320, 180, 2)},
			[]forward.Offer{offer("a", 160, 90, 1), offer("b", 320, 180, 2)},
		},
		"two that do not come yet": {
			bridge.Video, all,
			[]forward.Offer{offer("q", 160, 90, 1)},
			[]forward.Offer{offer("q", 320, 180, 1), offer("h", 640, 360, 0), offer("f", 1280, 720, 0)},
		},
		"of one size": {
			bridge.Video, nil,
			[]forward.Offer{offer("a", 160, 90, 1), offer("b", 160, 90, 2)},
			[]forward.Offer{offer("a", 640, 360, 1), offer("b", 1280, 720, 2)},
		},
		"four":              {bridge.Video, nil, []forward.Offer{offer("a", 1, 1, 0), offer("b", 2, 2, 0), offer("c", 3, 3, 0), offer("d", 4, 4, 0)}, []forward.Offer{offer("b", 2, 2, 0), offer("c", 3, 3, 0), offer("d", 4, 4, 0)}},
		"layers that ended": {bridge.Video, all, []forward.Offer{offer("", 640, 360, 1)}, []forward.Offer{offer("", 640, 360, 1)}},
	} {
		got := exported(bridge.Publication{Layers: c.layers}, media.RelayOffer{Layers: c.offered}, c.track)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", what, got, c.want)
		}
	}
}

// TestCodecOf: what LiveKit does not have is not published.
func TestCodecOf(t *testing.T) {
	o := media.RelayOffer{Codecs: [2]string{"opus", "H264"}, Params: [2]string{"minptime=10", "packetization-mode=1"}}
	if c := codecOf(o, bridge.Audio); c.MimeType != "audio/opus" || c.ClockRate != 48000 || c.Channels != 2 || c.SDPFmtpLine != "minptime=10" {
		t.Errorf("opus: %+v", c)
	}
	if c := codecOf(o, bridge.Video); c.MimeType != "video/H264" || c.ClockRate != 90000 || c.Channels != 0 || c.SDPFmtpLine != "packetization-mode=1" {
		t.Errorf("H.264: %+v", c)
	}
	o.Codecs = [2]string{"G722", ""}
	if a, v := codecOf(o, bridge.Audio), codecOf(o, bridge.Video); a.MimeType != "" || v.MimeType != "" {
		t.Errorf("%+v, %+v", a, v)
	}
}

// TestOffersOf: layers of LiveKit's tracks have names, lowest first; what has no layers
// has one without.
func TestOffersOf(t *testing.T) {
	layers := []*livekit.VideoLayer{{Quality: livekit.VideoQuality_HIGH, Width: 1280, Height: 720, Bitrate: 9}, {Quality: livekit.VideoQuality_LOW, Width: 320, Height: 180}}
	want := []forward.Offer{{RID: "q", Width: 320, Height: 180}, {RID: "f", Width: 1280, Height: 720, Bitrate: 9}}
	one := []forward.Offer{{Width: 640, Height: 480}}
	told := func(layers []*livekit.VideoLayer) *livekit.TrackInfo {
		info := &livekit.TrackInfo{Width: 640, Height: 480}
		info.Layers = layers //nolint:staticcheck // as older servers do
		return info
	}
	for what, c := range map[string]struct {
		info *livekit.TrackInfo
		want []forward.Offer
	}{
		"nothing":                     {nil, nil},
		"none":                        {&livekit.TrackInfo{Width: 640, Height: 480}, one},
		"one":                         {told(layers[:1]), one},
		"two":                         {told(layers), want},
		"two that the codec tells of": {&livekit.TrackInfo{Codecs: []*livekit.SimulcastCodecInfo{{Layers: layers}}}, want},
	} {
		if got := offersOf(c.info); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", what, got)
		}
	}
	for rid, q := range map[string]livekit.VideoQuality{"q": livekit.VideoQuality_LOW, "h": livekit.VideoQuality_MEDIUM, "f": livekit.VideoQuality_HIGH, "": livekit.VideoQuality_HIGH} {
		if qualityOf(rid) != q {
			t.Errorf("%q comes over %v", rid, qualityOf(rid))
		}
	}
}
