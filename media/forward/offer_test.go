package forward

import (
	"reflect"
	"testing"
)

// frame pushes a frame of one packet.
func frame(t *testing.T, l *Layer, seq uint16, key bool, now int64) {
	t.Helper()
	p := rtp{seq: seq, ts: uint32(seq) * 3000, marker: true, payload: vp8Frame{begins: true, key: key, pid: seq, body: "x"}.payload()}
	l.Push(p.header(t), Arrival{At: now})
}

// What goes over a relay is one layer, and nothing instead of it.
func TestExactSendsNoOtherLayer(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	track.Feed(src, 0)
	low, high := video(src, "q"), video(src, "f")
	var out record
	d := NewDown(DownConfig{SSRC: 1, Rate: 90000, Writer: &out, Exact: true})
	f := d.formats
	f[4] = 100
	d.SetFormats(f)
	d.SetLive(true)
	d.Aim("f", false)
	track.Add(d, 0)
	frame(t, low, 1, true, ms)
	if len(out.packets) != 0 {
		t.Fatalf("%d packets of another layer", len(out.packets))
	}
	frame(t, high, 1, true, 2*ms)
	frame(t, low, 2, false, 3*ms)
	if rid, ok := d.Current(); len(out.packets) != 1 || !ok || rid != "f" {
		t.Fatalf("%d packets of layer %q", len(out.packets), rid)
	}
	src.Remove("f", 4*ms)
	frame(t, high, 2, false, 5*ms)
	frame(t, low, 3, true, 6*ms)
	if _, ok := d.Current(); len(out.packets) != 1 || ok {
		t.Errorf("%d packets of what is no more, or of another layer", len(out.packets))
	}
}

// Who had a layer that is taken away goes on with another one.
func TestRemovedLayerIsReplaced(t *testing.T) {
	up := newSink()
	track, src := NewTrack(), NewSource(up, &Clock{})
	track.Feed(src, 0)
	low, high := video(src, "q"), video(src, "f")
	frame(t, low, 1, true, ms)
	var out record
	d := subscribed(track, &out, ms)
	frame(t, high, 1, true, 2*ms)
	if rid, _ := d.Current(); rid != "f" {
		t.Fatalf("layer %q", rid)
	}
	src.Remove("nothing", 3*ms)
	src.Remove("f", 3*ms)
	if rid, _ := d.Current(); rid != "q" { // from the cache
		t.Errorf("layer %q after the best one is gone", rid)
	}
	if n := len(src.Layers()); n != 1 {
		t.Errorf("%d layers", n)
	}
}

// A source that sends only what is wanted says what that could be.
func TestChoices(t *testing.T) {
	track, src := NewTrack(), NewSource(newSink(), &Clock{})
	if all := track.Choices(nil, 0); all != nil {
		t.Errorf("choices of nothing: %v", all)
	}
	track.Feed(src, 0)
	frame(t, video(src, "q"), 1, true, ms)
	if all, want := track.Choices(nil, 2*ms), []Choice{{RID: "q", Last: ms}}; !reflect.DeepEqual(all, want) {
		t.Errorf("choices are %v", all)
	}
	src.Offer([]Offer{{RID: "q", Bitrate: 100}, {RID: "f", Bitrate: 900}})
	want := []Choice{{"q", 100, 2 * ms}, {"f", 900, 2 * ms}}
	if all := track.Choices(nil, 2*ms); !reflect.DeepEqual(all, want) {
		t.Errorf("choices are %v", all)
	}
}
