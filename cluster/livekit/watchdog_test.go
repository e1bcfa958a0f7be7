package livekit

import (
	"slices"
	"testing"
	"time"
)

// TestSilence: what is silent is asked for a key frame, then for the stream, ever more
// seldom; packets end that, and while there are none to expect nothing is done.
func TestSilence(t *testing.T) {
	begin := time.Now()
	w := silence{since: begin}
	var at []int
	var did []cure
	for s := range 200 {
		do, silent := w.look(7, false, begin.Add(time.Duration(s)*time.Second))
		if s == 0 {
			continue // its first packets
		}
		if silent != (s >= 5) {
			t.Errorf("silent after %d s: %v", s, silent)
		}
		if do != nothing {
			at, did = append(at, s), append(did, do)
		}
	}
	if !slices.Equal(at, []int{5, 10, 20, 40, 80, 160}) || did[0] != askKey || slices.Contains(did[1:], askKey) {
		t.Errorf("did %v at %v s", did, at)
	}
	now := begin.Add(500 * time.Second)
	if do, silent := w.look(8, false, now); do != nothing || silent {
		t.Errorf("after a packet: %v", do)
	}
	for s := range 100 {
		if do, silent := w.look(8, true, now.Add(time.Duration(s)*time.Second)); do != nothing || silent {
			t.Errorf("while it is muted: %v", do)
		}
	}
	if do, _ := w.look(8, false, now.Add(103*time.Second)); do != nothing {
		t.Errorf("at once after it was muted: %v", do)
	}
}

// TestWatchdog: a connection is given up when nothing comes of anything, ever more seldom;
// not for one stream of several.
func TestWatchdog(t *testing.T) {
	begin := time.Now()
	d := watchdog{since: begin}
	after := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	if d.judge(1, 2, 10, after(1)) || d.judge(1, 2, 10, after(60)) || d.judge(0, 0, 10, after(120)) {
		t.Error("given up though something comes, or nothing is wanted")
	}
	if d.judge(2, 2, 10, after(125)) || !d.judge(2, 2, 10, after(130)) {
		t.Error("not given up after 10 s")
	}
	d = watchdog{since: after(131), heard: 10, wait: d.wait}
	if d.judge(2, 2, 10, after(145)) || !d.judge(2, 2, 10, after(151)) {
		t.Error("not given up after 20 s more")
	}
	if d.judge(2, 2, 11, after(152)) || d.wait != 0 {
		t.Error("a packet makes no difference")
	}
}
