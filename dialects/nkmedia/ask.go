package nkmedia

import (
	"context"
	"encoding/json"

	"dragoman/bridge"
)

// question is something that another connection was asked.
type question struct {
	answer func(ctx context.Context, a answering) error
	stop   func() // takes the deadline back
}

// maxQuestions is how many of them may be open.
const maxQuestions = 256

// ask asks whoever has a seat, from one of ours in the same hall. NotFound: there is
// nobody. answer is called once: without an answer in time, with Timeout.
func (s *speaker) ask(ctx context.Context, x *bridge.Session, to bridge.ParticipantID, topic string, q asking, answer func(context.Context, answering) error) error {
	if len(s.asks) >= maxQuestions {
		return bridge.Errorf(bridge.TooMany, "there are too many questions")
	}
	s.lastAsk++
	q.N = s.lastAsk
	if err := send(ctx, x, to, topic, q); err != nil {
		return err
	}
	n := q.N
	s.asks[n] = &question{answer: answer, stop: s.c.After(2*answerTime, func(ctx context.Context) error {
		delete(s.asks, n)
		return answer(ctx, answering{Fault: refuse(timeout)})
	})}
	return nil
}

// settle takes an answer.
func (s *speaker) settle(ctx context.Context, data []byte) error {
	var a answering
	if json.Unmarshal(data, &a) != nil {
		return nil
	}
	q := s.asks[a.N]
	if q == nil {
		return nil
	}
	delete(s.asks, a.N)
	q.stop()
	return q.answer(ctx, a)
}

// deskSeat is a seat at the desk from which sessions of others are asked.
type deskSeat struct{ *speaker }

func (s deskSeat) event(ctx context.Context, e bridge.Event) error {
	if d, ok := e.(bridge.Data); ok && d.Topic == topicAnswer {
		return s.settle(ctx, d.Data)
	}
	return nil
}

func (s deskSeat) lost(context.Context, error) error {
	s.desk = nil
	return nil
}

// forward has a command done by the connection that has the session. It returns
// errLater, or 100062 if there is no such session.
func (s *speaker) forward(ctx context.Context, q *request) (any, error) {
	h := s.d.halls.desk
	if s.desk == nil {
		x, err := s.join(ctx, h.seat(bridge.ParticipantID{}), deskSeat{s})
		if err != nil {
			return nil, err
		}
		s.desk = x
	}
	data, err := encode(q.v)
	if err != nil {
		return nil, err
	}
	err = s.ask(ctx, s.desk, h.id(q.v.text("session_id")), topicAsk, asking{Cmd: q.cmd, Data: data}, func(ctx context.Context, a answering) error {
		if a.Fault != nil {
			return q.answer(ctx, nil, a.Fault)
		}
		if a.Data == nil {
			return q.answer(ctx, nil, nil)
		}
		return q.answer(ctx, a.Data, nil)
	})
	if err != nil {
		return nil, translated(err, map[bridge.Code]int{bridge.NotFound: sessionNotFound})
	}
	return nil, errLater
}

// asked does with a session what another connection asks for.
func (m *media) asked(ctx context.Context, d bridge.Data) error {
	var a asking
	if json.Unmarshal(d.Data, &a) != nil {
		return nil
	}
	from, desk := d.From, m.desk
	q := &request{
		s: m.s, class: mediaClass, subclass: sessionClass, cmd: a.Cmd, named: a.Cmd,
		from: func(ctx context.Context, data any, f *fault) error {
			raw, err := rawOf(data)
			if err != nil {
				return err
			}
			err = send(ctx, desk, from, topicAnswer, answering{N: a.N, Data: raw, Fault: f})
			return m.s.gentle(err)
		},
	}
	return m.s.perform(ctx, q, a.Data)
}
