package nkmedia

import (
	"bytes"
	"encoding/json"
	"slices"
)

// anything is what a subscription names where it does not choose.
const anything = "*"

// maxSubscriptions is how many subscriptions a connection has.
const maxSubscriptions = 1000

// topic is what an event is about, or what a subscription wants (reference 5.1).
type topic struct{ Class, Subclass, Type, Obj string }

// subscription is one of a connection's.
type subscription struct {
	topic
	body json.RawMessage // nil: none
	auto bool            // nobody has asked for it
}

// subscriptions are those of one connection, oldest first.
type subscriptions []subscription

// add adds one. One of the same topic takes the place of that: nothing is
// delivered twice for it.
func (l *subscriptions) add(s subscription) error {
	if i := l.find(s.topic); i >= 0 {
		if s.auto && !(*l)[i].auto {
			return nil
		}
		(*l)[i] = s
		return nil
	}
	if len(*l) >= maxSubscriptions && !s.auto {
		return refuse(invalidOperation)
	}
	*l = append(*l, s)
	return nil
}

func (l *subscriptions) remove(t topic) {
	*l = slices.DeleteFunc(*l, func(s subscription) bool { return s.topic == t })
}

// forget removes one that nobody has asked for.
func (l *subscriptions) forget(t topic) {
	*l = slices.DeleteFunc(*l, func(s subscription) bool { return s.topic == t && s.auto })
}

func (l *subscriptions) find(t topic) int {
	return slices.IndexFunc(*l, func(s subscription) bool { return s.topic == t })
}

// level returns at which of the three levels a subscription matches an event, and
// false if at none: by subclass and type, by subclass, or whatever they are. One
// with a type and no subclass matches nothing (reference 5.3).
func (t topic) level(e topic) (n int, ok bool) {
	if t.Class != e.Class || t.Obj != e.Obj && t.Obj != anything {
		return 0, false
	}
	same := t.Subclass == e.Subclass || t.Subclass == roomClass && e.Subclass == confClass && e.Class == mediaClass
	switch {
	case same && t.Type == e.Type:
		return 0, true
	case same && t.Type == anything:
		return 1, true
	case t.Subclass == anything && t.Type == anything:
		return 2, true
	}
	return 0, false
}

// copies returns what is delivered of an event: once for each subscription that
// matches. Of those of one level that add the same, one counts.
func (l subscriptions) copies(e topic, body json.RawMessage) (all []delivery) {
	type seen struct {
		level    int
		subclass string
		body     string
	}
	told := map[seen]bool{}
	for _, s := range l {
		n, ok := s.level(e)
		if !ok {
			continue
		}
		d := delivery{e.Class, e.Subclass, e.Type, e.Obj, merge(body, s.body)}
		if s.Subclass == roomClass {
			d.Subclass = roomClass
		}
		k := seen{n, d.Subclass, string(s.body)}
		if told[k] {
			continue
		}
		told[k] = true
		all = append(all, d)
	}
	return all
}

// merge adds what a subscription adds. The event's own keys win.
func merge(body, add json.RawMessage) json.RawMessage {
	switch {
	case isEmpty(add):
		if isEmpty(body) {
			return nil
		}
		return body
	case isEmpty(body):
		return add
	}
	var own, more map[string]json.RawMessage
	if json.Unmarshal(body, &own) != nil || json.Unmarshal(add, &more) != nil || own == nil || more == nil {
		return body
	}
	for k, v := range own {
		more[k] = v
	}
	both, err := encode(more)
	if err != nil {
		return body // it was valid before
	}
	return both
}

func isEmpty(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "{}" || string(raw) == "null"
}
