package nkmedia

import (
	"context"
	"slices"
	"strings"

	"dragoman/bridge"
)

// sessionCommands are those of media/session (reference 8).
func sessionCommands() map[string]command {
	id := field{name: "session_id", must: true, max: maxID}
	with := func(f ...field) []field { return append([]field{id}, f...) }
	return map[string]command{
		"media/session/create":     {createFields(), (*speaker).createSession},
		"media/session/destroy":    {with(), orForeign((*media).destroy, (*speaker).destroyForeign)},
		"media/session/set_answer": {with(field{name: "answer", must: true, kind: isObject, sub: descriptionFields()}), on((*media).setAnswer)},
		"media/session/get_offer": {with(), on(func(m *media, _ context.Context, q *request) (any, error) {
			return m.wait(q, "offer", func() *description { return m.offer })
		})},
		"media/session/get_answer": {with(), on(func(m *media, _ context.Context, q *request) (any, error) {
			return m.wait(q, "answer", func() *description { return m.answer })
		})},
		"media/session/set_candidate": {with(
			field{name: "sdpMLineIndex", must: true, kind: isNumber}, field{name: "candidate", must: true}, field{name: "sdpMid"},
		), on((*media).setCandidate)},
		"media/session/set_candidate_end": {with(), on((*media).endCandidates)},
		"media/session/update_media": {with(
			field{name: "mute_audio", kind: isFlag}, field{name: "mute_video", kind: isFlag}, field{name: "mute_data", kind: isFlag},
			field{name: "bitrate", kind: isNumber},
		), orForeign((*media).update, (*speaker).updateForeign)},
		"media/session/set_type": {with(
			field{name: "type", must: true, kind: isWord, words: append([]string{publish, listen, echo}, outsideTypes...)},
			field{name: "publisher_id", also: "publisher", max: maxID},
		), on((*media).setType)},
		"media/session/get_info": {with(), orForeign((*media).info, (*speaker).foreignInfo)},
		"media/session/get_list": {nil, (*speaker).listSessions},
	}
}

type (
	onMedia   func(*media, context.Context, *request) (any, error)
	onSpeaker func(*speaker, context.Context, *request) (any, error)
)

// on makes a command of one of a session, which may be that of another connection.
func on(f onMedia) onSpeaker {
	return func(s *speaker, ctx context.Context, q *request) (any, error) {
		m := s.media[q.v.text("session_id")]
		switch {
		case m != nil:
			return f(m, ctx, q)
		case q.from != nil: // it has just ended
			return nil, refuse(sessionNotFound)
		}
		return s.forward(ctx, q)
	}
}

// orForeign is on, with what is done about members of other dialects.
func orForeign(f onMedia, other onSpeaker) onSpeaker {
	own := on(f)
	return func(s *speaker, ctx context.Context, q *request) (any, error) {
		data, err := own(s, ctx, q)
		if x, _ := faultOf(err); x != nil && x.Code == sessionNotFound && q.from == nil {
			return other(s, ctx, q)
		}
		return data, err
	}
}

// destroy handles session/destroy.
func (m *media) destroy(_ context.Context, q *request) (any, error) {
	if m.waits != nil {
		q.after(func(ctx context.Context) error {
			waits := m.waits
			m.discard(ctx)
			return waits.answer(ctx, nil, refuse(sessionNotFound))
		})
		return nil, nil
	}
	q.after(func(ctx context.Context) error { return m.end(ctx, userStop) })
	return nil, nil
}

// destroyForeign ends the stream of a member of another dialect, if the room lets
// this client do that. Nothing else is refused (reference 8.9, 10.8).
func (s *speaker) destroyForeign(ctx context.Context, q *request) (any, error) {
	p, ok := s.foreign(ctx, q.v.text("session_id"))
	if !ok {
		return nil, nil
	}
	return nil, s.moderate(ctx, p, bridge.Unpublish{ID: p.pub})
}

// moderate does something to a member of another dialect, from a seat in its room.
func (s *speaker) moderate(ctx context.Context, p place, all ...bridge.Command) error {
	i := slices.IndexFunc(s.seats, func(t *seat) bool { return t.room == p.room && !t.waiting })
	if i < 0 || p.role != publisher {
		return refuse(unauthorized)
	}
	for _, c := range all {
		if err := s.seats[i].x.Do(ctx, c); err != nil {
			return translated(err, map[bridge.Code]int{bridge.NotFound: sessionNotFound})
		}
	}
	return nil
}

// setAnswer handles set_answer (reference 8.5).
func (m *media) setAnswer(ctx context.Context, q *request) (any, error) {
	v := q.v.in("answer")
	switch {
	case m.answer != nil:
		return nil, refuse(answerSet)
	case m.peer == nil:
		return nil, refuse(offerNotSet)
	case v.text("sdp_type") == rtp:
		return nil, refuse(notImplemented)
	case v.text("sdp") == "":
		return nil, refuse(missingSDP)
	}
	answer := descriptionOf(v)
	bounded, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	if err := m.peer.Accept(bounded, bridge.SDP(answer.SDP)); err != nil {
		m.s.log.Info("answer refused", "peer", m.peer.ID(), "err", err)
		return nil, mediaFault(err)
	}
	m.answer = answer
	m.limit("ready_timeout", 86_400)
	m.expectCandidates(answer, "no_answer_trickle_ice")
	q.after(func(ctx context.Context) error {
		m.described(ctx)
		return m.tell(ctx, "answer", object{"answer": answer})
	})
	return nil, nil
}

// wait answers with a description, as soon as there is one (reference 8.5).
func (m *media) wait(q *request, name string, get func() *description) (any, error) {
	tell := func() any {
		d := get()
		data := object{"sdp": d.SDP, "sdp_type": d.Type, "trickle_ice": d.Trickle, name: d}
		if d.Backend != "" {
			data["backend"] = d.Backend
		}
		return data
	}
	if get() != nil {
		return tell(), nil
	}
	var wait func(ctx context.Context, over error)
	stop := m.s.c.After(answerTime, func(ctx context.Context) error { return q.answer(ctx, nil, refuse(timeout)) })
	wait = func(ctx context.Context, over error) {
		switch {
		case over == nil && get() == nil:
			m.waiters = append(m.waiters, wait)
			return
		case over == nil:
			over = q.answer(ctx, tell(), nil)
		default:
			over = q.answer(ctx, nil, over)
		}
		stop()
		if over != nil {
			m.s.log.Debug("late answer", "err", over) // the connection is about to end
		}
	}
	m.waiters = append(m.waiters, wait)
	return nil, errLater
}

// maxEarly is how many candidates are kept for a connection that is not made yet.
const maxEarly = 64

// setCandidate handles set_candidate (reference 8.6). Its sender cannot do anything
// about one that is of no use.
func (m *media) setCandidate(ctx context.Context, q *request) (any, error) {
	c := bridge.Candidate{Text: q.v.text("candidate"), Mid: q.v.text("sdpMid"), Index: q.v.number("sdpMLineIndex")}
	if c.Text == "" {
		return m.endCandidates(ctx, q)
	}
	m.some = true
	m.candidate(ctx, c)
	return nil, nil
}

func (m *media) candidate(ctx context.Context, c bridge.Candidate) {
	if m.peer == nil {
		if len(m.early) < maxEarly {
			m.early = append(m.early, c)
		}
		return
	}
	if err := m.peer.AddCandidate(ctx, c); err != nil {
		m.s.log.Debug("candidate left out", "peer", m.peer.ID(), "err", err)
	}
}

// endCandidates handles set_candidate_end.
func (m *media) endCandidates(ctx context.Context, q *request) (any, error) {
	m.candidate(ctx, bridge.Candidate{Index: -1})
	q.after(m.noMoreCandidates)
	return nil, nil
}

// info handles get_info (reference 8.10).
func (m *media) info(_ context.Context, q *request) (any, error) {
	d := object{}
	for name, v := range m.options {
		if name != "password" {
			d[name] = v
		}
	}
	role := "offeree"
	if m.kind == listen && m.options.in("offer") == nil {
		role = "offerer"
	}
	for name, v := range (object{
		"session_id": m.id, "backend": m.backend, "backend_role": role, "type": m.kind,
		"user_id": m.s.user, "user_session": m.s.api,
	}) {
		d[name] = v
	}
	if ext := m.ext(); len(ext) > 0 {
		d["type_ext"] = ext
	}
	delete(d, "offer")
	if m.offer != nil {
		d["offer"] = m.offer
	}
	if m.answer != nil {
		d["answer"] = m.answer
	}
	if q.room && m.kind != echo {
		q.conf(string(m.seat.room), d)
	}
	return d, nil
}

// foreignInfo tells of a member of another dialect (reference 10.8).
func (s *speaker) foreignInfo(ctx context.Context, q *request) (any, error) {
	p, ok := s.foreign(ctx, q.v.text("session_id"))
	if !ok {
		return nil, refuse(sessionNotFound)
	}
	kind := publish
	if p.role != publisher {
		kind = listen
	}
	return object{
		"session_id": p.id, "type": kind, "type_ext": object{"conf_id": string(p.room)}, "user_id": p.user, "backend": janus,
	}, nil
}

// listSessions handles get_list: the client's own, and those in conferences that
// are listed.
func (s *speaker) listSessions(ctx context.Context, _ *request) (any, error) {
	ids := map[string]bool{}
	for id := range s.media {
		ids[id] = true
	}
	infos, err := s.d.env.Host.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range infos {
		err := s.visiting(ctx, i.ID, func(x *bridge.Session) error {
			for _, p := range newRoster(x.At).people {
				if p.Dialect != Name {
					continue
				}
				for _, m := range p.own() {
					ids[m.id] = true
				}
			}
			return nil
		})
		if err != nil {
			s.log.Debug("left out of a list", "room", string(i.ID), "err", err)
		}
	}
	all := make([]object, 0, len(ids))
	for id := range ids {
		all = append(all, object{"session_id": id})
	}
	slices.SortFunc(all, func(a, b object) int { return strings.Compare(a["session_id"].(string), b["session_id"].(string)) })
	return all, nil
}
