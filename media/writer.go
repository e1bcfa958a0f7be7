package media

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"dragoman/media/estimate"
	"dragoman/media/forward"
	"dragoman/media/port"
	"dragoman/media/srtp"
)

// rtpWriter writes what goes out on an m-line, through the peer's link or through
// Pion. It implements forward.Writer.
type rtpWriter struct {
	link *link // nil: through Pion
	ssrc uint32

	mu     sync.Mutex // contended only while Pion binds
	ids    forward.Extensions
	own    *srtp.SendStream
	sent   *estimate.History // nil: packets are not numbered
	flow   port.Flow
	once   once
	repair *srtp.SendStream // of retransmissions
	buf    []byte
	stream webrtc.TrackLocalWriter
	pion   *pionHeader // nil: nothing was written through Pion
}

// pionHeader is a header with extensions that keep their places, so that nothing
// is allocated.
type pionHeader struct {
	rtp.Header
	level  [1]byte
	time   [3]byte
	number [2]byte
}

func (w *rtpWriter) bind(s webrtc.TrackLocalWriter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream = s
}

// agree takes which extensions packets have. Where they are numbered, sent numbers
// them.
func (w *rtpWriter) agree(ids forward.Extensions, sent *estimate.History) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids != ids {
		if w.own != nil {
			w.own.Fence()
		}
		w.once = once{}
	}
	w.ids, w.pion, w.sent = ids, nil, nil
	if ids.Number != 0 {
		w.sent = sent
	}
}

// Write implements forward.Writer.
func (w *rtpWriter) Write(p *forward.Packet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent != nil {
		if p.SSRC == w.ssrc && !w.once.first(p.Seq) {
			return errTwice
		}
		p.Number = w.sent.Next(time.Duration(p.At), forward.HeaderSize+p.Size())
	}
	if w.link.up() {
		return w.seal(p)
	}
	return w.pass(p)
}

// seal encrypts straight into the room that is sent from.
func (w *rtpWriter) seal(p *forward.Packet) error {
	out, _ := p.Out.(*port.Batch)
	to := w.link.udp.Load()
	if to == nil && !w.link.aimed() {
		return errClosed()
	}
	if ts, ok := w.flow.Dropped(); ok && ts == p.TS {
		return forward.ErrCongested // the frame is damaged
	}
	if to == nil {
		out = nil
	}
	var room []byte
	if n := forward.HeaderSize + p.Size() + srtp.MaxOverhead; out != nil {
		room = out.Reserve(n)
	} else {
		buf := w.link.p.e.rooms.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
		defer w.link.p.e.rooms.Put(buf)
		*buf = slices.Grow((*buf)[:0], n)
		room = *buf
	}
	b, payload := p.AppendHeader(room, w.ids), p.Body
	if len(p.Head)+int(p.Padding) > 0 {
		n := len(b)
		payload = p.AppendPayload(b)[n:]
	}
	if b = w.encrypter(p.SSRC).Seal(b, payload); b == nil {
		return errClosed()
	}
	if out != nil {
		out.Add(b, to, &w.flow)
		return nil
	}
	err := w.link.write(b)
	if errors.Is(err, port.ErrFull) || errors.Is(err, errFull) {
		return forward.ErrCongested
	}
	return err
}

// encrypter returns the state of an SSRC.
func (w *rtpWriter) encrypter(ssrc uint32) *srtp.SendStream {
	at := &w.own
	if ssrc != w.ssrc {
		at = &w.repair
	}
	if *at == nil {
		*at = w.link.send.Load().Stream(ssrc)
	}
	return *at
}

// pass writes through Pion.
func (w *rtpWriter) pass(p *forward.Packet) error {
	if w.stream == nil {
		return errClosed()
	}
	if w.pion == nil {
		w.pion = &pionHeader{}
	}
	h := &w.pion.Header
	h.Version, h.Marker, h.PayloadType = 2, p.Marker, p.PT
	h.SequenceNumber, h.Timestamp, h.SSRC = p.Seq, p.TS, p.SSRC
	h.Padding, h.PaddingSize = p.Padding > 0, p.Padding
	if err := w.extend(p); err != nil {
		return err
	}
	payload := p.Body
	if len(p.Head) > 0 {
		w.buf = append(append(w.buf[:0], p.Head...), p.Body...)
		payload = w.buf
	}
	n, err := w.stream.WriteRTP(h, payload)
	if err != nil {
		return err
	}
	if n == 0 { // Pion does not pass on why a socket did not write
		return forward.ErrCongested
	}
	return nil
}

// extend puts header extensions into Pion's header.
func (w *rtpWriter) extend(p *forward.Packet) error {
	h := w.pion
	if w.ids.Level != 0 && p.HasLevel {
		h.level[0] = p.Level
		if err := h.SetExtension(w.ids.Level, h.level[:]); err != nil {
			return err
		}
	}
	if w.ids.Time != 0 {
		h.time = [3]byte{byte(p.Time >> 16), byte(p.Time >> 8), byte(p.Time)}
		if err := h.SetExtension(w.ids.Time, h.time[:]); err != nil {
			return err
		}
	}
	if w.ids.Number != 0 {
		h.number = [2]byte{byte(p.Number >> 8), byte(p.Number)}
		if err := h.SetExtension(w.ids.Number, h.number[:]); err != nil {
			return err
		}
	}
	return nil
}
