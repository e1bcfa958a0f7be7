package nkmedia

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestMatching is the table of reference 5.3.
func TestMatching(t *testing.T) {
	e := topic{"media", "conf", "created", "x"}
	for _, c := range []struct {
		sub   topic
		level int
		ok    bool
	}{
		{topic{"media", "conf", "created", "x"}, 0, true},
		{topic{"media", "conf", "created", "*"}, 0, true},
		{topic{"media", "conf", "*", "x"}, 1, true},
		{topic{"media", "*", "*", "*"}, 2, true},
		{topic{"media", "*", "*", "x"}, 2, true},
		{topic{"media", "*", "created", "x"}, 0, false},
		{topic{"media", "conf", "created", "y"}, 0, false},
		{topic{"media", "conf", "destroyed", "x"}, 0, false},
		{topic{"media", "session", "*", "x"}, 0, false},
		{topic{"core", "*", "*", "*"}, 0, false},
		{topic{"*", "*", "*", "*"}, 0, false},
		{topic{"media", "room", "created", "x"}, 0, true},
		{topic{"media", "room", "*", "*"}, 1, true},
	} {
		if level, ok := c.sub.level(e); ok != c.ok || level != c.level {
			t.Errorf("%v: %d, %v", c.sub, level, ok)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ body, add, want string }{
		{``, ``, ``},
		{`{}`, `{}`, ``},
		{`{"a":1}`, ``, `{"a":1}`},
		{``, `{"b":2}`, `{"b":2}`},
		{`{}`, `[5]`, `[5]`},
		{`{"a":1}`, `{"a":2,"b":3}`, `{"a":1,"b":3}`},
		{`[1]`, `{"b":2}`, `[1]`},
		{`{"a":1}`, `[2]`, `{"a":1}`},
		{`{"a":1}`, `"x"`, `{"a":1}`},
		{`null`, `{"b":2}`, `{"b":2}`},
	} {
		if got := string(merge(json.RawMessage(c.body), json.RawMessage(c.add))); got != c.want {
			t.Errorf("%s with %s is %s, want %s", c.body, c.add, got, c.want)
		}
	}
}

// TestCopies: whatever a client subscribes to, it gets at least one copy of an event
// that a subscription matches, and never more than match.
func TestCopies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	for range 2000 {
		var l subscriptions
		for range r.IntN(6) {
			s := subscription{topic: topic{"media", pick("conf", "session", "room", "*"), pick("created", "type", "*"), pick("x", "y", "*")}}
			if r.IntN(2) == 0 {
				s.body = json.RawMessage(fmt.Sprintf(`{"n":%d}`, r.IntN(2)))
			}
			if err := l.add(s); err != nil {
				t.Fatal(err)
			}
		}
		e := topic{"media", pick("conf", "session"), pick("created", "type"), pick("x", "y")}
		match := 0
		for _, s := range l {
			if _, ok := s.level(e); ok {
				match++
			}
		}
		got := l.copies(e, nil)
		if len(got) > match || match > 0 && len(got) == 0 {
			t.Fatalf("%v of %v: %d copies for %d subscriptions", e, l, len(got), match)
		}
		for _, d := range got {
			if d.Type != e.Type || d.Obj != e.Obj || d.Subclass != e.Subclass && d.Subclass != "room" {
				t.Fatalf("%v was delivered as %v", e, d)
			}
		}
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	var l subscriptions
	for i := range maxSubscriptions {
		if err := l.add(subscription{topic: topic{Class: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if l.add(subscription{topic: topic{Class: "more"}}) == nil {
		t.Error("one more is taken")
	}
	if l.add(subscription{topic: topic{Class: "0"}, body: json.RawMessage(`{}`)}) != nil {
		t.Error("one that there is cannot be changed")
	}
	if l.add(subscription{topic: topic{Class: "own"}, auto: true}) != nil {
		t.Error("a session of one's own is not heard of")
	}
	// What was asked for outlives what came by itself.
	own := topic{Class: "0"}
	if err := l.add(subscription{topic: own, auto: true}); err != nil {
		t.Fatal(err)
	}
	l.forget(own)
	if l.find(own) < 0 {
		t.Error("a subscription that was asked for is gone")
	}
}
