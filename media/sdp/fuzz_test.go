package sdp

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
)

// holds checks what must hold for any text, and returns what was lifted.
func holds(t *testing.T, text string) (Lifted, bool) {
	t.Helper()
	if _, err := LiftAnswer(text, ourOffer); err != nil && bridge.CodeOf(err) != bridge.BadRequest {
		t.Fatalf("an answer is not the client's fault: %v", err)
	}
	Bitrate(text, 1000)
	Candidate(text)
	if _, err := Describe(text); err != nil && bridge.CodeOf(err) != bridge.BadRequest {
		t.Fatalf("not the reader's fault: %v", err)
	}
	l, err := Lift(text)
	if err != nil {
		if e, ok := errors.AsType[*bridge.Error](err); !ok || e.Code != bridge.BadRequest || e.Msg == "" {
			t.Fatalf("an offer is not the client's fault: %v", err)
		}
		return l, false
	}
	if len(l.Text) > MaxSize || len(l.Dropped) > 32 {
		t.Fatalf("%d bytes, %d dropped", len(l.Text), len(l.Dropped))
	}
	again, err := Lift(l.Text)
	if err != nil {
		t.Fatalf("what was lifted cannot be lifted: %v\n%s", err, l.Text)
	}
	if again.Text != l.Text {
		t.Fatalf("not idempotent: %s", difference(l.Text, again.Text))
	}
	s, err := Describe(l.Text)
	if err != nil {
		t.Fatal(err)
	}
	mids := map[string]bool{}
	for i, m := range s.Media {
		if m.MID == "" || mids[m.MID] || slices.Contains(s.Bundle, m.MID) == m.Rejected {
			t.Fatalf("m-line %d is %+v, bundled are %q", i, m, s.Bundle)
		}
		mids[m.MID] = true
	}
	lowered, err := Describe(l.Lower(l.Text))
	offer, err2 := Describe(text)
	if err != nil || err2 != nil || len(lowered.Media) != len(offer.Media) {
		t.Fatalf("the client's %d m-lines are answered by %d (%v, %v)\n%s\nof\n%s", len(offer.Media), len(lowered.Media), err, err2, l.Text, text)
	}
	return l, true
}

func FuzzLift(f *testing.F) {
	for _, folder := range []string{"offers", "answers"} {
		for _, text := range samples(f, folder) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) { holds(t, text) })
}

// Lines of all samples, mixed, are lifted to what Pion takes or refused.
func TestLiftMixtures(t *testing.T) {
	var texts, lines []string
	for _, folder := range []string{"offers", "answers"} {
		for _, text := range samples(t, folder) {
			text = unwrap(text)
			texts = append(texts, text)
			lines = append(lines, strings.Split(text, "\n")...)
		}
	}
	slices.Sort(texts) // a map has no order, a failure should have
	slices.Sort(lines)
	random := rand.New(rand.NewPCG(1, 2))
	lifted := 0
	for range 2000 {
		text := mixture(random, texts, lines)
		l, ok := holds(t, text)
		if !ok {
			continue
		}
		if lifted++; lifted%10 == 0 {
			taken(t, text, l)
		}
	}
	if lifted < 1000 {
		t.Errorf("only %d of 2000 could be lifted: the test has lost its meaning", lifted)
	}
}

// mixture changes a sample here and there.
func mixture(random *rand.Rand, texts, lines []string) string {
	all := strings.Split(texts[random.IntN(len(texts))], "\n")
	for range 1 + random.IntN(6) {
		i, j := random.IntN(len(all)), random.IntN(len(all))
		switch random.IntN(6) {
		case 0:
			all = slices.Delete(all, i, i+1)
		case 1:
			all[i], all[j] = all[j], all[i]
		case 2:
			all = slices.Insert(all, i, lines[random.IntN(len(lines))])
		case 3:
			all = slices.Insert(all, i, all[j])
		case 4:
			words := strings.Split(all[i], " ")
			words[random.IntN(len(words))] = []string{"", "0", "1", "x", "255", "97"}[random.IntN(6)]
			all[i] = strings.Join(words, " ")
		case 5: // a whole stretch twice
			all = slices.Insert(all, j, slices.Clone(all[min(i, j):max(i, j)])...)
		}
		if len(all) == 0 {
			break
		}
	}
	return strings.Join(all, "\n")
}

// taken lets Pion have what was lifted.
func taken(t *testing.T, text string, l Lifted) {
	t.Helper()
	s, err := Describe(l.Text)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Bundle) == 0 {
		return // nothing is left to connect
	}
	pc := peer(t)
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: l.Text}); err != nil {
		t.Fatalf("Pion refuses: %v\n%s\nof\n%s", err, l.Text, text)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		t.Fatalf("Pion does not answer: %v\n%s\nof\n%s", err, l.Text, text)
	}
	offered, err := Describe(text)
	if err != nil {
		t.Fatal(err)
	}
	lowered, err := Describe(l.Lower(answer.SDP))
	if err != nil || len(lowered.Media) != len(offered.Media) {
		t.Fatalf("%d m-lines are answered by %d (%v)\n%s\nof\n%s", len(offered.Media), len(lowered.Media), err, answer.SDP, text)
	}
	for i, m := range lowered.Media {
		if m.Kind != offered.Media[i].Kind || m.Proto != offered.Media[i].Proto || m.MID != offered.Media[i].MID {
			t.Fatalf("m-line %d is answered by %+v", i, m)
		}
	}
}
