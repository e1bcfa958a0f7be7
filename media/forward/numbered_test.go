package forward

import "testing"

// Packets that are numbered for the whole transport are repeated in a stream of their
// own, padding too, or not at all.
func TestNumberedIsNeverRepeatedAsItWas(t *testing.T) {
	for name, own := range map[string]bool{"with a stream for repairs": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			track, src, r := NewTrack(), NewSource(&sink{}, &Clock{}), &sent{}
			track.Feed(src, 1)
			l := video(src, "")
			d := subscribed(track, r, 1)
			f := d.repairs
			if own {
				d.repair, f[4] = 0xf00e, 101
			}
			d.SetRepairs(f, true)
			key := vp8Frame{begins: true, key: true}.payload()
			l.Push(&Header{Marker: true, PT: 96, Seq: 10, TS: 3000, SSRC: 0xcafe, Payload: key}, Arrival{At: 5})
			l.Push(&Header{Marker: true, PT: 96, Seq: 12, TS: 6000, SSRC: 0xcafe, Payload: vp8Frame{begins: true}.payload()}, Arrival{At: 6})
			l.Push(&Header{PT: 96, Seq: 11, TS: 3000, SSRC: 0xcafe, Padding: 50}, Arrival{At: 7})
			if len(r.all) != 3 || r.all[2].At != 7 {
				t.Fatalf("sent %+v", r.all)
			}
			seqs := []uint16{r.all[0].Seq, r.all[2].Seq}
			n := d.Repeat(seqs, 9, nil)
			if want := map[bool]int{true: 2}[own]; n != want || len(r.all) != 3+want {
				t.Fatalf("%d are repeated, sent %+v", n, r.all)
			}
			for i, p := range r.all[3:] {
				again := uint16(p.Head[0])<<8 | uint16(p.Head[1])
				if p.SSRC != 0xf00e || p.PT != 101 || again != seqs[i] || p.At != 9 || p.Padding != 0 {
					t.Errorf("repeated %+v", p)
				}
			}
			if sent := d.Pad(10, 500); (sent > 0) != own {
				t.Errorf("%d bytes of padding", sent)
			}
			if !own {
				return
			}
			pad := r.all[5:]
			if len(pad) != 3 || pad[0].Padding != padSize || pad[0].Size() != padSize || pad[2].Seq != pad[0].Seq+2 || pad[0].Seq != r.all[4].Seq+1 {
				t.Errorf("padding %+v", pad)
			}
			if c := d.Stats(); c.Padding != 3 || c.Packets != 5 || c.Retransmitted != 2 {
				t.Errorf("%+v", c)
			}
			d.SetLive(false)
			if d.Pad(11, 500) != 0 {
				t.Error("padding for nobody")
			}
		})
	}
}

// sent is a Writer that keeps what it was given.
type sent struct{ all []Packet }

// Write implements Writer.
func (s *sent) Write(p *Packet) error {
	c := *p
	c.Head = append([]byte(nil), p.Head...)
	s.all = append(s.all, c)
	return nil
}
