package forward

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/pion/rtp/codecs"
)

func TestKeyFrames(t *testing.T) {
	tests := []struct {
		name    string
		codec   Codec
		payload string
		begins  bool
		w, h    int
	}{
		{"sound", Sound, "01", true, 0, 0},
		{"VP8 key frame", VP8, "10 100000 9d012a 8002 6801", true, 640, 360},
		{"VP8 key frame with numbers", VP8, "90 f0 8101 05 20 100000 9d012a 8002 6841", true, 640, 360},
		{"VP8 inter frame", VP8, "10 110000 9d012a 8002 6801", false, 0, 0},
		{"VP8 second partition", VP8, "11 100000 9d012a 8002 6801", false, 0, 0},
		{"VP8 continued", VP8, "00 100000 9d012a 8002 6801", false, 0, 0},
		{"VP8 cut", VP8, "10 1000", false, 0, 0},
		{"VP8 cut descriptor", VP8, "90", false, 0, 0},
		{"VP9 key frame", VP9, "88 8001 49", true, 0, 0},
		{"VP9 inter frame", VP9, "c8 8001 49", false, 0, 0},
		{"VP9 continued", VP9, "80 8001 49", false, 0, 0},
		{"VP9 base layer", VP9, "a8 01 00 00 49", true, 0, 0},
		{"VP9 upper spatial layer", VP9, "a8 01 02 00 49", false, 0, 0},
		{"H264 IDR", H264, "65 88", true, 0, 0},
		{"H264 SPS", H264, "67 42", true, 0, 0},
		{"H264 slice", H264, "41 9a", false, 0, 0},
		{"H264 PPS", H264, "68 ce", false, 0, 0},
		{"H264 STAP-A with SPS", H264, "78 0002 6742 0002 68ce", true, 0, 0},
		{"H264 STAP-A with IDR behind", H264, "78 0002 68ce 0002 6588", true, 0, 0},
		{"H264 STAP-A of slices", H264, "78 0002 41aa 0002 41bb", false, 0, 0},
		{"H264 STAP-A cut", H264, "78 00ff 41", false, 0, 0},
		{"H264 FU-A start of IDR", H264, "7c 85 88", true, 0, 0},
		{"H264 FU-A rest of IDR", H264, "7c 05 88", false, 0, 0},
		{"H264 FU-A start of slice", H264, "7c 81 9a", false, 0, 0},
		{"AV1 new sequence", AV1, "18 0a", true, 0, 0},
		{"AV1 frame", AV1, "10 30", false, 0, 0},
	}
	for _, tt := range tests {
		p := tt.codec.look(unhex(t, tt.payload))
		if p.begins != tt.begins || int(p.width) != tt.w || int(p.height) != tt.h {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}

func TestRewriteDescriptor(t *testing.T) {
	tests := []struct {
		name, in, want string
		shift          shift
	}{
		{"none", "10 aa", "10", shift{1, 1, 1}},
		{"long picture id", "90 80 8001 aa", "90 80 8101", shift{pid: 0x100}},
		{"long picture id goes round", "90 80 ffff aa", "90 80 8000", shift{pid: 1}},
		{"short picture id becomes a long one", "90 80 7f aa", "90 80 8080", shift{pid: 1}},
		{"short picture id among others", "90 f0 7f ff bf aa", "90 f0 8080 01 a1", shift{1, 2, 2}},
		{"all", "90 f0 8001 ff bf aa", "90 f0 8003 01 a1", shift{2, 2, 2}},
		{"temporal layer without key index", "90 20 bf aa", "90 20 bf", shift{9, 9, 9}},
		{"TL0 only", "90 40 01 aa", "90 40 03", shift{9, 2, 9}},
	}
	for _, tt := range tests {
		in := unhex(t, tt.in)
		d := describe(in)
		if got := d.rewrite(make([]byte, maxDescriptor), in, tt.shift); !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%s: %x, want %s", tt.name, got, tt.want)
		}
	}
}

// FuzzLook looks at anything. Descriptors are read as Pion reads them, and
// rewriting by nothing changes nothing.
func FuzzLook(f *testing.F) {
	for _, s := range []string{"90 f0 8101 05 20 100000 9d012a 8002 6841", "78 0002 6742 0002 68ce", "a8 01 00 00 49"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for c := Sound; c <= AV1; c++ {
			c.look(b)
		}
		d := describe(b)
		if d.size == 0 {
			return
		}
		got := d.rewrite(make([]byte, maxDescriptor), b, shift{})
		if !d.narrow() && !bytes.Equal(got, b[:d.size]) {
			t.Errorf("%s became %x", hex.EncodeToString(b), got)
		}
		if again := describe(append(bytes.Clone(got), 1)); again.pid != d.pid || again.tl0 != d.tl0 || again.key != d.key || again.narrow() {
			t.Errorf("%x became %x", b, got)
		}
		var p codecs.VP8Packet
		if _, err := p.Unmarshal(b); err == nil && len(p.Payload) > 0 {
			if d.pidAt > 0 && p.PictureID != d.pid || d.tl0At > 0 && p.TL0PICIDX != d.tl0 || d.keyAt > 0 && p.KEYIDX != d.key {
				t.Errorf("%x: %+v, want %+v", b, d, p)
			}
		}
	})
}
