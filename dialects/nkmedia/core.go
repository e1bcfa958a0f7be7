package nkmedia

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"dragoman/bridge"
)

// commands are all that there are (reference 5, 6, 8).
func commands() map[string]command {
	all := map[string]command{}
	maps.Copy(all, coreCommands())
	maps.Copy(all, confCommands())
	maps.Copy(all, sessionCommands())
	return all
}

// topicFields are those of a subscription or an event (reference 5.1).
func topicFields() []field {
	return []field{
		{name: "class", must: true, max: maxID},
		{name: "subclass", max: maxID},
		{name: "type", max: maxID},
		{name: "obj_id", max: maxID},
		{name: "body", kind: isAny},
		{name: "service"},
	}
}

// coreCommands are those of class core (reference 5).
func coreCommands() map[string]command {
	id := field{name: "session_id", must: true, max: maxID}
	user := field{name: "user", must: true, max: maxUser}
	kind, body := field{name: "type", must: true, max: maxID}, field{name: "body", kind: isAny}
	topics := topicFields()
	return map[string]command{
		"core/event/subscribe":         {topics, (*speaker).subscribe},
		"core/event/unsubscribe":       {topics, (*speaker).unsubscribe},
		"core/event/get_subscriptions": {nil, (*speaker).getSubscriptions},
		"core/event/send":              {topics, (*speaker).sendEvent},
		"core/core/event":              {topics, func(*speaker, context.Context, *request) (any, error) { return nil, nil }},
		"core/user/list":               {nil, (*speaker).listUsers},
		"core/user/get":                {[]field{user}, (*speaker).getUser},
		"core/user/send_event":         {[]field{user, kind, body}, (*speaker).userEvent},
		"core/session/send_event":      {[]field{id, kind, body}, (*speaker).sessionEvent},
		"core/session/stop":            {[]field{id}, (*speaker).stopSession},
		"core/session/log": {[]field{
			{name: "source", must: true},
			{name: "message", must: true},
			{name: "level", kind: isNumber, min: 1, max: 7},
			{name: "full_message"},
			{name: "meta", kind: isAny},
		}, (*speaker).logged},
	}
}

// topicOf returns the topic of a command.
func topicOf(v values) topic {
	return topic{
		v.text("class"), cmp.Or(v.text("subclass"), anything), cmp.Or(v.text("type"), anything), cmp.Or(v.text("obj_id"), anything),
	}
}

// subscribe handles event/subscribe. What is wanted need not exist yet.
func (s *speaker) subscribe(ctx context.Context, q *request) (any, error) {
	t := topicOf(q.v)
	if err := s.subs.add(subscription{topic: t, body: q.v.raw("body")}); err != nil {
		return nil, err
	}
	if err := s.attend(ctx); err != nil {
		return nil, err
	}
	return nil, s.watchFor(ctx, t)
}

// unsubscribe handles event/unsubscribe.
func (s *speaker) unsubscribe(ctx context.Context, q *request) (any, error) {
	s.subs.remove(topicOf(q.v))
	s.unwatch(ctx)
	return nil, s.attend(ctx)
}

// getSubscriptions handles event/get_subscriptions (reference 5.5).
func (s *speaker) getSubscriptions(context.Context, *request) (any, error) {
	all := make([]object, 0, len(s.subs))
	for _, sub := range s.subs {
		all = append(all, object{
			"class": sub.Class, "subclass": sub.Subclass, "type": sub.Type, "obj_id": sub.Obj, "service": Name,
		})
	}
	return all, nil
}

// sendEvent handles event/send. Events of our own classes could be forged.
func (s *speaker) sendEvent(ctx context.Context, q *request) (any, error) {
	t := topicOf(q.v)
	if t.Class == core || t.Class == mediaClass {
		return nil, refuse(unauthorized)
	}
	body := q.v.raw("body")
	q.after(func(ctx context.Context) error { return s.shout(ctx, t, body) })
	return nil, nil
}

// userEvent handles user/send_event: to every connection of that user.
func (s *speaker) userEvent(_ context.Context, q *request) (any, error) {
	return s.personal(q, "user_event", q.v.text("user"))
}

// sessionEvent handles session/send_event: to one connection.
func (s *speaker) sessionEvent(_ context.Context, q *request) (any, error) {
	return s.personal(q, "session_event", q.v.text("session_id"))
}

func (s *speaker) personal(q *request, subclass, obj string) (any, error) {
	t := topic{core, subclass, q.v.text("type"), obj}
	q.after(func(ctx context.Context) error { return s.shout(ctx, t, q.v.raw("body")) })
	return nil, nil
}

// stopSession handles session/stop: that connection ends.
func (s *speaker) stopSession(ctx context.Context, q *request) (any, error) {
	id := q.v.text("session_id")
	if id == s.api {
		q.after(func(context.Context) error { return hangup("stopped") })
		return object{"user": s.user}, nil
	}
	err := s.ask(ctx, s.house, s.d.halls.house.id(id), topicStop, asking{}, func(ctx context.Context, a answering) error {
		if a.Fault != nil {
			return q.answer(ctx, nil, a.Fault)
		}
		return q.answer(ctx, a.Data, nil)
	})
	if err != nil {
		return nil, translated(err, map[bridge.Code]int{bridge.NotFound: sessionNotFound})
	}
	return nil, errLater
}

// gathering is how long others have to say who they are.
const gathering = 300 * time.Millisecond

// roll is a seat in the house that asks everybody who they are.
type roll struct {
	*speaker
	n   uint64
	all []here
}

func (r *roll) event(_ context.Context, e bridge.Event) error {
	d, ok := e.(bridge.Data)
	var h here
	if ok && d.Topic == topicHere && json.Unmarshal(d.Data, &h) == nil && h.N == r.n {
		r.all = append(r.all, h)
	}
	return nil
}

func (*roll) lost(context.Context, error) error { return nil }

// introduce tells who this connection is.
func (s *speaker) introduce(ctx context.Context, d bridge.Data) error {
	var q who
	if json.Unmarshal(d.Data, &q) != nil || q.User != "" && q.User != s.user {
		return nil
	}
	return send(ctx, s.house, d.From, topicHere, here{q.N, s.user, s.api, s.c.Request.RemoteAddr})
}

// gather asks all connections who they are, or those of one user.
func (s *speaker) gather(ctx context.Context, q *request, user string, tell func([]here) (any, error)) (any, error) {
	s.lastAsk++
	r := &roll{speaker: s, n: s.lastAsk}
	x, err := s.join(ctx, s.d.halls.house.seat(bridge.ParticipantID{}), r)
	if err != nil {
		return nil, err
	}
	if err := send(ctx, x, bridge.ParticipantID{}, topicWho, who{r.n, user}); err != nil {
		return nil, err
	}
	s.c.After(gathering, func(ctx context.Context) error {
		s.leave(ctx, x)
		slices.SortFunc(r.all, func(a, b here) int { return cmp.Compare(a.API, b.API) })
		data, err := tell(r.all)
		return q.answer(ctx, data, err)
	})
	return nil, errLater
}

// listUsers handles user/list.
func (s *speaker) listUsers(ctx context.Context, q *request) (any, error) {
	return s.gather(ctx, q, "", func(all []here) (any, error) {
		users := map[string][]string{}
		for _, h := range all {
			users[h.User] = append(users[h.User], h.API)
		}
		return users, nil
	})
}

// getUser handles user/get.
func (s *speaker) getUser(ctx context.Context, q *request) (any, error) {
	return s.gather(ctx, q, q.v.text("user"), func(all []here) (any, error) {
		if len(all) == 0 {
			return nil, refuse(userNotFound)
		}
		sessions := object{}
		for _, h := range all {
			sessions[h.API] = object{"type": "api_server", "remote": "ws:" + h.Address}
		}
		return sessions, nil
	})
}

// maxLogs is how many lines of its log a client may send in a minute; the rest is
// dropped.
const maxLogs = 100

// logged handles session/log (reference 5.6).
func (s *speaker) logged(_ context.Context, q *request) (any, error) {
	if s.logs == maxLogs {
		s.c.After(time.Minute, func(context.Context) error {
			s.logs = maxLogs
			return nil
		})
	}
	if s.logs == 0 {
		return nil, nil
	}
	s.logs--
	s.log.Debug("the client says", "source", cut(q.v.text("source")), "text", cut(q.v.text("message")))
	return nil, nil
}

// cut shortens what is logged.
func cut(text string) string {
	const most = 500
	if len(text) > most {
		return text[:most]
	}
	return text
}
