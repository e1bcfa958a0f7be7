package media

import (
	"testing"

	"dragoman/media/forward"
	"dragoman/media/sdp"
)

func TestNumber(t *testing.T) {
	tests := []struct {
		c    sdp.Codec
		want string // of formats: name and profile; empty: none of ours
	}{
		{sdp.Codec{Name: "OPUS", Rate: 48000, Channels: 2}, "opus "},
		{sdp.Codec{Name: "VP8", Rate: 90000}, "VP8 "},
		{sdp.Codec{Name: "VP8", Rate: 8000}, ""},
		{sdp.Codec{Name: "VP9", Rate: 90000}, "VP9 0"},
		{sdp.Codec{Name: "VP9", Rate: 90000, Params: "profile-id=2"}, "VP9 2"},
		{sdp.Codec{Name: "VP9", Rate: 90000, Params: "profile-id=1"}, ""},
		{sdp.Codec{Name: "H264", Rate: 90000, Params: "profile-level-id=42e01f; packetization-mode=1"}, "H264 42e0/1"},
		{sdp.Codec{Name: "H264", Rate: 90000, Params: "profile-level-id=42C028;packetization-mode=1"}, "H264 42e0/1"},
		{sdp.Codec{Name: "h264", Rate: 90000, Params: "profile-level-id=42001f"}, "H264 4200/0"},
		{sdp.Codec{Name: "H264", Rate: 90000}, "H264 4200/0"},
		{sdp.Codec{Name: "H264", Rate: 90000, Params: "profile-level-id=64"}, ""},
		{sdp.Codec{Name: "rtx", Rate: 90000, Params: "apt=96"}, ""},
		{sdp.Codec{Name: "red", Rate: 90000}, ""},
	}
	for _, tt := range tests {
		got := ""
		if n, ok := number(tt.c); ok {
			got = formats[n].name + " " + formats[n].profile
		}
		if got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.c, got, tt.want)
		}
	}
}

// Every format of ours is known again when it is described, and has payload
// types of its own.
func TestFormats(t *testing.T) {
	if len(formats) > forward.MaxFormats {
		t.Fatalf("%d formats", len(formats))
	}
	used := map[uint8]string{}
	for i := range formats {
		f := &formats[i]
		n, ok := number(sdp.Codec{Name: f.name, Rate: f.rate, Channels: f.channels, Params: f.params})
		if !ok || n != i {
			t.Errorf("%s %s is number %d, not %d", f.name, f.params, n, i)
		}
		for _, pt := range []uint8{f.pt, f.rtx} {
			if other := used[pt]; other != "" && pt != 0 {
				t.Errorf("payload type %d is %s and %s", pt, other, f.name)
			}
			used[pt] = f.name
		}
	}
}

func TestPayloadTypes(t *testing.T) {
	find := func(profile string) int {
		for i := range formats {
			if formats[i].profile == profile {
				return i
			}
		}
		t.Fatal(profile)
		return 0
	}
	got := payloadTypes([]sdp.Codec{
		{Type: 120, Name: "VP8", Rate: 90000},
		{Type: 126, Name: "H264", Rate: 90000, Params: "profile-level-id=4d001f;packetization-mode=1"},
		{Type: 97, Name: "H264", Rate: 90000, Params: "profile-level-id=42e01f;packetization-mode=0"},
	})
	want := map[int]uint8{
		formatVP8: 120, find("4d00/1"): 126, find("4200/1"): 126, find("42e0/1"): 126,
		find("640c/1"): forward.NoFormat, find("42e0/0"): 97, find("4200/0"): forward.NoFormat,
	}
	for n, pt := range want {
		if got[n] != pt {
			t.Errorf("%s %s: %d, want %d", formats[n].name, formats[n].profile, got[n], pt)
		}
	}
}
