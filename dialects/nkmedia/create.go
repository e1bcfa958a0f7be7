package nkmedia

import (
	"cmp"
	"context"
	"slices"

	"dragoman/bridge"
)

// outsideTypes are the types of session that are not here (reference 11).
var outsideTypes = []string{"mcu", "park", "bridge", "proxy", "play", "connect", "p2p"}

const rtp = "rtp" // an sdp_type that is not here, either

// descriptionFields are those of an offer or an answer (reference 8.1).
func descriptionFields() []field {
	return []field{
		{name: "sdp"},
		{name: "sdp_type", kind: isWord, words: []string{"webrtc", rtp}},
		{name: "trickle_ice", kind: isFlag},
	}
}

// createFields are those of session/create (reference 8.2).
func createFields() []field {
	flag := func(names ...string) (all []field) {
		for _, n := range names {
			all = append(all, field{name: n, kind: isFlag})
		}
		return all
	}
	return slices.Concat([]field{
		{name: "type", must: true, kind: isWord, words: append([]string{publish, listen, echo}, outsideTypes...)},
		{name: "offer", kind: isObject, sub: descriptionFields()},
		{name: "conf_id", max: maxID},
		{name: "publisher_id", also: "publisher", max: maxID},
		{name: "bitrate", kind: isNumber},
		{name: "session_id", max: maxID},
		{name: "events_body", also: "event_body", kind: isObject},
		{name: "backend", kind: isWord, words: backends},
		{name: "trickle_ice_timeout", kind: isNumber, min: 100, max: 30_000},
		{name: "sdp_type", kind: isWord, words: []string{"webrtc", rtp}},
		{name: "wait_timeout", kind: isNumber, min: 1},
		{name: "ready_timeout", kind: isNumber, min: 1},
		{name: "password", max: maxID},
	}, flag("wait_reply", "create_conf", "mute_audio", "mute_video", "mute_data", "subscribe",
		"no_offer_trickle_ice", "no_answer_trickle_ice"), confOptions("conf_"))
}

// createSession handles session/create (reference 8.2, 8.3).
func (s *speaker) createSession(ctx context.Context, q *request) (any, error) {
	if len(s.media) >= maxMedia {
		return nil, refuse(noMediaServer)
	}
	m, err := s.newMedia(q)
	if err != nil {
		return nil, err
	}
	if m.room, m.made, err = s.roomFor(ctx, m, q); err != nil {
		return nil, err
	}
	if m.made {
		q.after(func(ctx context.Context) error { return s.announce(ctx, m.room, q.v, "conf_") })
	}
	err = m.register(ctx)
	if err == nil {
		err = s.take(ctx, m.room, m)
	}
	if err != nil {
		m.discard(ctx)
		return nil, translated(err, map[bridge.Code]int{bridge.NotFound: confNotFound})
	}
	if m.seat.waiting {
		m.waits, m.begin = q, func(ctx context.Context) error {
			m.waits = nil
			data, err := m.start(ctx, q)
			return q.answer(ctx, data, err)
		}
		return nil, errLater
	}
	return m.start(ctx, q)
}

// maxMedia is how many sessions a client has at a time.
const maxMedia = 256

// newMedia makes a session of what a client asks for.
func (s *speaker) newMedia(q *request) (*media, error) {
	v := q.v
	kind, offer := v.text("type"), v.in("offer")
	m := &media{
		s: s, kind: kind, options: v, id: v.text("session_id"), backend: cmp.Or(v.text("backend"), janus),
		of: v.text("publisher_id"), mute: kinds{v.flag("mute_audio"), v.flag("mute_video")},
	}
	switch {
	case slices.Contains(outsideTypes, kind), v.text("backend") == "nkmedia_fs", v.text("sdp_type") == rtp, offer.text("sdp_type") == rtp:
		return nil, refuse(notImplemented)
	case v.has("session_id") && m.id == "":
		return nil, refuse(syntaxError, "session_id")
	case kind == listen && m.of == "":
		return nil, refuse(missingField, "publisher_id")
	case kind != listen && offer == nil:
		return nil, refuse(invalidOperation)
	case offer != nil && offer.text("sdp") == "":
		return nil, refuse(missingSDP)
	}
	if offer != nil {
		m.offer = descriptionOf(offer)
	}
	if kind != listen {
		m.pub = bridge.NewPublicationID()
	}
	if m.id == "" && kind == listen {
		m.id = "session-" + newID()
	} else if m.id == "" {
		m.id = memberID(m.pub)
	}
	return m, nil
}

// descriptionOf is what a client has sent.
func descriptionOf(v values) *description {
	return &description{SDP: v.text("sdp"), Type: cmp.Or(v.text("sdp_type"), "webrtc"), Trickle: v.flag("trickle_ice")}
}

// description is what we send.
func (m *media) description(sdp bridge.SDP) *description {
	return &description{SDP: string(sdp), Type: "webrtc", Backend: m.backend}
}

// roomFor finds the room of a session: that of the conference, which may have to be
// made, or that of the publisher. An echo has one of its own.
func (s *speaker) roomFor(ctx context.Context, m *media, q *request) (room bridge.RoomID, made bool, err error) {
	if q.v.has("conf_id") {
		if room, err = s.confIn(q); err != nil {
			return "", false, err
		}
	}
	switch m.kind {
	case listen:
		p, ok := s.locate(ctx, m.of, room)
		if !ok || p.role != publisher {
			return "", false, refuse(invalidPublisher)
		}
		m.pub, m.tracks, m.heard = p.pub, kindsOf(p.stream), kindsOf(p.stream)
		if q.v.has("password") {
			s.keepSecret(p.room, q.v.text("password"))
		}
		return p.room, false, nil
	case echo:
		return s.echoRoom(ctx, m)
	}
	create := q.v.flag("create_conf")
	if room == "" {
		room, create = bridge.RoomID(newID()), true
	}
	if !create {
		_, err := s.d.env.Host.Lookup(ctx, room)
		return room, false, err
	}
	err = s.makeRoom(ctx, room, q.v, "conf_")
	if f, _ := faultOf(err); f != nil && f.Code == confExists {
		return room, false, nil
	}
	return room, err == nil, err
}

// echoRoom makes the room of an echo, where nobody else comes.
func (s *speaker) echoRoom(ctx context.Context, m *media) (bridge.RoomID, bool, error) {
	h := s.d.halls.stage
	room := h.room + bridge.RoomID("*"+m.pub.String()[:8])
	return room, false, s.d.env.Host.Create(ctx, bridge.Spec{ID: room, Unlisted: true, NeverJoined: negotiateTime, EmptyTimeout: 1})
}

// start makes the connection and answers the client. Without success nothing of the
// session remains, and nobody is told of it.
func (m *media) start(ctx context.Context, q *request) (any, error) {
	open := map[string]func(context.Context) error{publish: m.publish, listen: m.listen, echo: m.echo}[m.kind]
	if err := open(ctx); err != nil {
		m.s.log.Info("no session", "type", m.kind, "err", err)
		m.discard(ctx)
		return nil, mediaFault(err)
	}
	m.described(ctx)
	for _, c := range m.early {
		m.candidate(ctx, c)
	}
	m.early = nil
	data := object{"session_id": m.id}
	if m.kind != echo {
		q.conf(string(m.seat.room), data)
	}
	if m.answer != nil {
		data["answer"] = m.answer
		m.limit("ready_timeout", 86_400)
		m.expectCandidates(m.offer, "no_offer_trickle_ice")
	} else {
		data["offer"] = m.offer
		m.limit("wait_timeout", 60)
	}
	q.after(m.announce)
	return data, nil
}

// announce tells the first events. A client that has waited for the description is
// not told it again (reference 8.4).
func (m *media) announce(ctx context.Context) error {
	if !m.options.flag("wait_reply") {
		if err := m.subscribe(); err != nil {
			return err
		}
	}
	if m.answer != nil {
		if err := m.tell(ctx, "answer", object{"answer": m.answer}); err != nil {
			return err
		}
	}
	if err := m.subscribe(); err != nil {
		return err
	}
	return m.tell(ctx, "type", m.typed())
}

// publish takes what the client sends (reference 10.3).
func (m *media) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	t := m.seat
	o := bridge.PeerOptions{Codecs: t.conf.codecs(), MaxBitrate: m.options.number("bitrate")}
	if err := m.connect(ctx, o); err != nil {
		return err
	}
	if err := m.take(ctx); err != nil {
		return err
	}
	if err := t.note(ctx, m, "p"+m.pub.String()); err != nil {
		return err
	}
	return m.declare(ctx)
}

func (m *media) connect(ctx context.Context, o bridge.PeerOptions) error {
	peer, err := m.seat.x.Connect(ctx, o)
	if err == nil {
		m.peer = peer
	}
	return err
}

// take answers the client's offer to send.
func (m *media) take(ctx context.Context) error {
	if err := m.peer.Receive(m.pub, bridge.Camera); err != nil {
		return err
	}
	answer, err := m.peer.Answer(ctx, bridge.SDP(m.offer.SDP))
	if err != nil {
		return err
	}
	m.answer, m.tracks = m.description(answer), received(answer)
	if m.tracks.none() {
		return refuse(invalidParameters)
	}
	return nil
}

// declare tells the room what is sent.
func (m *media) declare(ctx context.Context) error {
	state := func(there, muted bool) bridge.TrackState {
		switch {
		case !there:
			return bridge.Absent
		case muted:
			return bridge.Muted
		}
		return bridge.Live
	}
	err := m.seat.x.Do(ctx, bridge.Publish{Publication: bridge.Publication{
		ID: m.pub, Source: bridge.Camera,
		Audio: state(m.tracks.audio, m.mute.audio), Video: state(m.tracks.video, m.mute.video),
	}})
	m.published = m.published || err == nil
	return err
}

// echo sends the client what it sends.
func (m *media) echo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	if err := m.connect(ctx, bridge.PeerOptions{MaxBitrate: m.options.number("bitrate")}); err != nil {
		return err
	}
	m.tracks = kinds{true, true}
	if err := m.declare(ctx); err != nil {
		return err
	}
	if err := m.peer.Send(m.pub, bridge.SendOptions{}); err != nil {
		return err
	}
	if err := m.take(ctx); err != nil {
		return err
	}
	return m.declare(ctx)
}

// listen sends the client what somebody publishes. The client may make the offer
// (reference 8.2, 11).
func (m *media) listen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	if err := m.connect(ctx, bridge.PeerOptions{}); err != nil {
		return err
	}
	if err := m.send(m.pub, m.tracks); err != nil {
		return err
	}
	if m.offer != nil {
		answer, err := m.peer.Answer(ctx, bridge.SDP(m.offer.SDP))
		if err != nil {
			return err
		}
		m.answer = m.description(answer)
	} else {
		offer, err := m.peer.Offer(ctx)
		if err != nil {
			return err
		}
		m.offer = m.description(offer)
	}
	return m.seat.note(ctx, m, "l"+m.of)
}

// send puts a publication on the connection, with what the client wishes of it.
func (m *media) send(pub bridge.PublicationID, tracks kinds) error {
	err := m.peer.Send(pub, bridge.SendOptions{NoAudio: !tracks.audio, NoVideo: !tracks.video})
	if err != nil {
		return translated(err, map[bridge.Code]int{bridge.NotFound: invalidPublisher})
	}
	return m.prefer(pub)
}

func (m *media) prefer(pub bridge.PublicationID) error {
	return m.peer.Prefer(pub, bridge.LayerWish{NoMore: m.mute.video, Silent: m.mute.audio})
}
