package livekit

import (
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"dragoman/bridge"
	"dragoman/media"
	"dragoman/media/forward"
)

// flow is a stream that comes.
type flow struct {
	view    *view
	at      target
	sid     string
	track   *webrtc.TrackRemote
	rp      *lksdk.RemoteParticipant
	in      atomic.Pointer[media.InletStream] // nil: nobody takes it now
	key     atomic.Bool                       // a key frame is wanted
	asked   time.Time                         // of the view: for that, last
	packets atomic.Uint64
	bytes   atomic.Uint64
}

// takeTime is the time between looks whether a stream that nobody takes is wanted.
const takeTime = 50 * time.Millisecond

const forever = time.Duration(math.MaxInt64)

// run reads a stream until it ends, and carries it into the engine whenever it is wanted
// there: a wish may come and go, and the inlet with it, while the server knows of neither.
func (s *flow) run(pub *lksdk.RemoteTrackPublication) {
	pub.OnRTCP(func(p rtcp.Packet) {
		if in := s.in.Load(); in != nil {
			if r, ok := p.(*rtcp.SenderReport); ok {
				in.Report(r.NTPTime, r.RTPTime)
			}
		}
	})
	for level := levelID(pub.Receiver()); ; {
		f, err := s.take()
		if err != nil {
			s.view.v.count.refused.Add(1)
			s.view.v.cfg.log.Warn("a stream of LiveKit is not taken", "publication", s.at.pub, "err", err)
			s.discard(forever)
			return
		}
		var more bool
		if f == nil {
			more = s.discard(takeTime)
		} else {
			more = s.carry(level)
			s.leave(f)
		}
		if !more {
			return
		}
	}
}

// take opens the way into the engine, if the stream is what was asked for, and is wanted.
func (s *flow) take() (*supply, error) {
	c := s.view
	c.mu.Lock()
	asked := c.asked[s.at] == s.sid
	c.mu.Unlock()
	f, in := c.v.inlet(s.at)
	if !asked || in == nil {
		return nil, nil //nolint:nilnil // that is no mistake
	}
	_, codec, _ := strings.Cut(s.track.Codec().MimeType, "/")
	if line := s.track.Codec().SDPFmtpLine; line != "" && s.at.track == bridge.Video {
		codec += ";" + line
	}
	to, err := in.Take(s.at.track, s.at.rid, codec)
	if bridge.CodeOf(err) == bridge.Closed {
		return nil, nil //nolint:nilnil // there will be another one, or none
	} else if err != nil {
		return nil, err
	}
	s.in.Store(to)
	f.keys.Lock()
	f.flows[s.at] = s
	f.keys.Unlock()
	s.key.Store(s.at.track == bridge.Video)
	c.nudge()
	return f, nil
}

// leave closes it.
func (s *flow) leave(f *supply) {
	f.keys.Lock()
	if f.flows[s.at] == s {
		delete(f.flows, s.at)
	}
	f.keys.Unlock()
	s.in.Swap(nil).Close()
}

// carry hands the stream in until the engine takes no more. It reports false when the
// stream has ended. level is the id of the header extension with the audio level; 0:
// there is none.
func (s *flow) carry(level uint8) bool {
	count, in := &s.view.v.count, s.in.Load()
	var h forward.Header
	for buf := make([]byte, 1600); ; {
		n, _, err := s.track.Read(buf)
		if err != nil {
			return false
		}
		s.packets.Add(1)
		s.bytes.Add(uint64(n)) //nolint:gosec // it is not negative
		count.packets.Add(1)
		count.bytes.Add(uint64(n)) //nolint:gosec // it is not negative
		var loud []byte
		if level != 0 && h.Parse(buf[:n]) == nil {
			loud = h.Extension(level)
		}
		if len(loud) > 0 {
			err = in.Write(buf[:n], loud[0], true)
		} else {
			err = in.Write(buf[:n], 0, false)
		}
		if err != nil && !errors.Is(err, forward.ErrMalformed) {
			return true // it has been closed, or somebody else feeds the publication
		}
	}
}

// discard reads what nobody takes, because the SDK keeps it otherwise, for a time at most.
// It reports false when the stream has ended.
func (s *flow) discard(most time.Duration) bool {
	began := time.Now()
	for buf := make([]byte, 1600); time.Since(began) < most; {
		if _, _, err := s.track.Read(buf); err != nil {
			return false
		}
	}
	return true
}

// levelID returns the id of the header extension of audio levels (RFC 6464); 0: there is
// none.
func levelID(r *webrtc.RTPReceiver) uint8 {
	if r != nil {
		for _, x := range r.GetParameters().HeaderExtensions {
			if x.URI == sdp.AudioLevelURI && x.ID > 0 && x.ID < 256 {
				return uint8(x.ID)
			}
		}
	}
	return 0
}
