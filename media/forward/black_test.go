package forward

import (
	"bytes"
	"fmt"
	"image"
	"testing"

	"golang.org/x/image/vp8"
)

func TestBlackIsBlack(t *testing.T) {
	for _, size := range []image.Point{{160, 90}, {320, 180}, {16, 16}, {17, 1}, {640, 360}, {1, 500}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			frame := Black(size.X, size.Y)
			d := vp8.NewDecoder()
			d.Init(bytes.NewReader(frame), len(frame))
			h, err := d.DecodeFrameHeader()
			if err != nil {
				t.Fatal(err)
			}
			if !h.KeyFrame || h.Width != size.X || h.Height != size.Y {
				t.Fatalf("header %+v", h)
			}
			img, err := d.DecodeFrame()
			if err != nil {
				t.Fatal(err)
			}
			if img.Rect.Dx() != size.X || img.Rect.Dy() != size.Y {
				t.Fatalf("size %v", img.Rect)
			}
			for y := range size.Y {
				for x := range size.X {
					c := img.YCbCrAt(x, y)
					if c.Y > 16 || c.Cb != 128 || c.Cr != 128 {
						t.Fatalf("pixel %d,%d is %v", x, y, c)
					}
				}
			}
			t.Logf("%d bytes", len(frame))
		})
	}
}

func TestBlackFitsIntoOnePacket(t *testing.T) {
	if n := len(Black(160, 90)); n > 1100 {
		t.Fatalf("%d bytes", n)
	}
	p := VP8.look(append([]byte{0x10}, Black(160, 90)...))
	if !p.begins || p.width != 160 || p.height != 90 {
		t.Fatalf("%+v", p)
	}
}
