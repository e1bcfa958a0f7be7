package asn

import (
	"maps"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

const description = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\na=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n" +
	"a=msid:s t\r\na=ssrc:5 cname:x\r\na=ssrc:5 msid:s t\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendrecv\r\na=rid:f send\r\na=rid:h recv\r\na=rid:q send max-width=1\r\na=simulcast:send f;q\r\n" +
	"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=sendonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:3\r\nm=audio\r\na=mid:4\r\na=sendonly\r\n"

func TestSections(t *testing.T) {
	all := sections(description)
	var got []string
	for _, s := range all {
		word := s.kind + s.mid
		if s.sends() {
			word += ">"
		}
		if s.gets() {
			word += "<"
		}
		got = append(got, word)
	}
	if s := strings.Join(got, " "); s != "audio0> video1>< video2 video3< 4" {
		t.Errorf("%s", s)
	}
	if layers := all[1].simulcast(); len(layers) != 2 || layers[0].RID != "q" || layers[1].RID != "f" {
		t.Errorf("layers %v", layers)
	}
	if all[0].simulcast() != nil || all[0].streamOf() != "s" || all[1].streamOf() != "" {
		t.Error("the sound has layers, or no stream")
	}
}

func TestCarried(t *testing.T) {
	all := sections(description)
	m := func(mid string, media rose.ConferenceMediaType) rose.MediaSection {
		return rose.MediaSection{SDPMid: mid, MediaType: media}
	}
	for name, c := range map[string]struct {
		said []rose.MediaSection
		want map[string]rose.ConferenceMediaType
	}{
		"nothing said":       {nil, map[string]rose.ConferenceMediaType{"0": 1, "1": 2}},
		"nothing is carried": {[]rose.MediaSection{}, map[string]rose.ConferenceMediaType{}},
		"a screen":           {[]rose.MediaSection{m("1", 3), m("0", 3)}, map[string]rose.ConferenceMediaType{"0": 3, "1": 3}},
		"of another kind":    {[]rose.MediaSection{m("0", 2), m("1", 1), m("1", 4)}, map[string]rose.ConferenceMediaType{}},
		"not sent":           {[]rose.MediaSection{m("3", 2), m("2", 2), m("9", 2)}, map[string]rose.ConferenceMediaType{}},
	} {
		if got := carried(all, c.said); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDress(t *testing.T) {
	media := map[string]rose.ConferenceMediaType{"0": 1, "1": 2}
	got := string(dress(description, "p", media, func(m rose.ConferenceMediaType) bool { return m == 1 }))
	for _, want := range []string{"a=sendonly\r\na=msid:p p-1\r\na=ssrc:5 cname:x\r\na=ssrc:5 msid:p p-1\r\nm=video", "a=mid:1\r\na=inactive\r\n", "a=mid:2\r\na=sendonly\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	none := string(dress(description, "p", media, func(rose.ConferenceMediaType) bool { return false }))
	if strings.Contains(none, "msid") || strings.Count(none, "a=inactive") != 2 || strings.Count(none, "\r\nm=") != 5 {
		t.Errorf("with nothing active:\n%s", none)
	}
}

// TestLayer chooses the layer by quality and bitrate (reference 3507).
func TestLayer(t *testing.T) {
	p := bridge.Publication{Layers: []bridge.Layer{{RID: "q"}, {RID: "h"}, {RID: "f"}}}
	for _, c := range []struct {
		w    wish
		want string
	}{
		{wish{}, ""},
		{wish{quality: rose.QualityLow}, "q"},
		{wish{quality: rose.QualityMedium}, "h"},
		{wish{quality: rose.QualityHigh}, ""},
		{wish{bitrate: 2_000_000}, ""},
		{wish{bitrate: 500_000}, "h"},
		{wish{bitrate: 100_000}, "q"},
		{wish{bitrate: 1}, "q"},
		{wish{quality: rose.QualityLow, bitrate: 2_000_000}, "q"},
	} {
		if got := layer(p, c.w); got != c.want {
			t.Errorf("%+v: %q, want %q", c.w, got, c.want)
		}
	}
	if got := layer(bridge.Publication{Layers: p.Layers[:1]}, wish{quality: rose.QualityLow}); got != "" {
		t.Errorf("of one layer %q is chosen", got)
	}
}

func FuzzSections(f *testing.F) {
	f.Add(description)
	f.Fuzz(func(t *testing.T, text string) {
		all := sections(bridge.SDP(text))
		media := carried(all, nil)
		for _, s := range all {
			_ = s.simulcast()
			_ = s.streamOf()
		}
		on := dress(bridge.SDP(text), "p", media, func(rose.ConferenceMediaType) bool { return true })
		if got := sections(on); len(got) > len(all) {
			t.Errorf("%d sections became %d", len(all), len(got))
		}
	})
}
