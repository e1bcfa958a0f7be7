package bridge_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/bridgetest"
)

func say(text string) func(*scene) bridge.Command {
	return func(*scene) bridge.Command { return bridge.Say{ID: bridge.NewMessageID(), Text: text} }
}

// TestNumbers: messages to everybody are counted, also those that are not kept any
// more; others have no number.
func TestNumbers(t *testing.T) {
	r := bridgetest.NewRoom(t, bridge.Spec{KeepChat: 2})
	ann, bob := r.Enter("Ann", bridge.Moderator), r.Enter("Bob", bridge.Speaker)
	ann.Says("1")
	bob.Does(bridge.Say{ID: bridge.NewMessageID(), To: id(ann), Text: "psst"})
	bob.Says("2")
	ann.Does(bridge.ClearChat{})
	bob.Says("3")
	for _, want := range []uint64{1, 0, 2, 3} {
		equal(t, "number", bridgetest.Told[bridge.Said](ann, nil).Number, want)
	}
	chat := r.Service().At.Chat
	if len(chat) != 1 || chat[0].Number != 3 {
		t.Errorf("kept are %+v", chat)
	}
}

func TestSay(t *testing.T) {
	off := bridge.Spec{NoChat: true}
	to := func(who string) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command {
			return bridge.Say{ID: bridge.NewMessageID(), Text: "psst", To: id(c.who(who))}
		}
	}
	run(t, []row{
		{
			name: "to all", by: "lis", told: "Said", cmd: say("hi"),
			after: func(t *testing.T, c *scene) {
				s := bridgetest.Told[bridge.Said](c.bob, nil)
				equal(t, "text", s.Text, "hi")
				equal(t, "from", s.From, id(c.lis))
				equal(t, "name", s.Name, "Lis")
			},
			except: map[string]string{"bob": ""},
		},
		{name: "to one", by: "lis", cmd: to("ann"), except: map[string]string{"lis": "Said", "ann": "Said"}},
		{name: "to oneself", by: "lis", cmd: to("lis"), except: map[string]string{"lis": "Said"}},
		{name: "to a stranger", by: "lis", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.Say{ID: bridge.NewMessageID(), Text: "x", To: bridge.NewParticipantID()}
		}},
		{name: "nothing", by: "lis", want: bridge.BadRequest, cmd: say("")},
		{name: "no text", by: "lis", want: bridge.BadRequest, cmd: say("\xff")},
		{name: "too much", by: "lis", want: bridge.BadRequest, cmd: say(strings.Repeat("x", bridge.MaxText+1))},
		{name: "too much beside it", by: "lis", want: bridge.BadRequest, cmd: func(*scene) bridge.Command {
			return bridge.Say{ID: bridge.NewMessageID(), Text: strings.Repeat("x", bridge.MaxText), Attrs: map[string]string{"a": ""}}
		}},
		{name: "without an id", by: "lis", want: bridge.BadRequest, cmd: func(*scene) bridge.Command { return bridge.Say{Text: "x"} }},
		{name: "to one and a group", by: "lis", want: bridge.BadRequest, cmd: func(c *scene) bridge.Command {
			return bridge.Say{ID: bridge.NewMessageID(), Text: "x", To: id(c.ann), Group: "g"}
		}},
		{name: "to a group of others", by: "lis", want: bridge.Forbidden, cmd: func(*scene) bridge.Command {
			return bridge.Say{ID: bridge.NewMessageID(), Text: "x", Group: "g"}
		}},
		{name: "switched off", spec: off, by: "lis", want: bridge.NotSupported, cmd: say("x")},
		{name: "typing while switched off", spec: off, by: "lis", want: bridge.NotSupported, cmd: func(*scene) bridge.Command {
			return bridge.Typing{On: true}
		}},
		{
			name: "not permitted", by: "lis", want: bridge.Forbidden, cmd: say("x"),
			before: func(c *scene) { c.mo.Does(bridge.Permit{Target: id(c.lis), Remove: bridge.Chatting}) },
		},
		{
			name: "not permitted in private", by: "lis", want: bridge.Forbidden, cmd: to("ann"),
			before: func(c *scene) { c.mo.Does(bridge.Permit{Target: id(c.lis), Remove: bridge.ChattingPrivately}) },
		},
		{
			name: "attributes alone", by: "lis", told: "Said",
			cmd: func(*scene) bridge.Command {
				return bridge.Say{ID: bridge.NewMessageID(), Attrs: map[string]string{"spreed/status": "typing"}}
			},
		},
		{
			name: "to all types", by: "ann", told: "TypingNow", except: map[string]string{"ann": ""},
			cmd: func(*scene) bridge.Command { return bridge.Typing{On: true} },
		},
		{
			name: "to one types", by: "ann", except: map[string]string{"bob": "TypingNow"},
			cmd: func(c *scene) bridge.Command { return bridge.Typing{To: id(c.bob), On: true} },
		},
		{name: "to a stranger types", by: "ann", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.Typing{To: bridge.NewParticipantID()}
		}},
		{name: "clear", by: "mo", told: "ChatCleared", cmd: func(*scene) bridge.Command { return bridge.ClearChat{} }},
		{name: "clear by a speaker", by: "ann", want: bridge.Forbidden, cmd: func(*scene) bridge.Command { return bridge.ClearChat{} }},
	})
}

func TestSeen(t *testing.T) {
	seen := func(scope func(*scene) string) func(*scene) bridge.Command {
		return func(c *scene) bridge.Command { return bridge.Seen{Scope: scope(c), At: time.Unix(1, 0)} }
	}
	text := func(s string) func(*scene) string { return func(*scene) string { return s } }
	run(t, []row{
		{name: "the room", by: "lis", told: "SeenBy", except: map[string]string{"lis": ""}, cmd: seen(text(""))},
		{
			name: "one", by: "lis", except: map[string]string{"bob": "SeenBy"},
			cmd: seen(func(c *scene) string { return id(c.bob).String() }),
		},
		{name: "a stranger", by: "lis", want: bridge.NotFound, cmd: seen(text(bridge.NewParticipantID().String()))},
		{name: "a group of others", by: "lis", want: bridge.NotFound, cmd: seen(text("g"))},
		{name: "a long name", by: "lis", want: bridge.BadRequest, cmd: seen(text(strings.Repeat("g", 300)))},
	})
}

func TestGroups(t *testing.T) {
	r := bridgetest.NewRoom(t, bridge.Spec{KeepChat: 10})
	enter := func(name, groups string) *bridgetest.Member {
		return r.Join(bridge.JoinRequest{Name: name, Attrs: map[string]string{bridge.AttrGroups: groups}})
	}
	a, b, c := enter("a", "red\nblue"), enter("b", "blue"), enter("c", "bluer")
	a.Unread()
	b.Unread()
	a.Does(bridge.Say{ID: bridge.NewMessageID(), Group: "blue", Text: "us"})
	equal(t, "a", told(a), "Said")
	equal(t, "b", told(b), "Said")
	equal(t, "c", told(c), "")
	a.Does(bridge.Seen{Scope: "blue"})
	equal(t, "a", told(a), "")
	equal(t, "b", told(b), "SeenBy")
	equal(t, "c", told(c), "")
	code(t, b.Try(bridge.Say{ID: bridge.NewMessageID(), Group: "red", Text: "x"}), bridge.Forbidden)
	equal(t, "kept", len(enter("d", "blue").At.Chat), 0)
}

// A message to one who has no way to read it is refused: it would seem to have
// been read.
func TestPrivateChatNeedsAReader(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	mute := c.Join(bridge.JoinRequest{Name: "Old", Shows: bridge.ShowsMute})
	code(t, c.ann.Try(bridge.Say{ID: bridge.NewMessageID(), To: id(mute), Text: "x"}), bridge.NotSupported)
}

func TestRepeatedMessageIsSaidOnce(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	m := bridge.Say{ID: bridge.NewMessageID(), Text: "x"}
	c.ann.Does(m, m)
	equal(t, "bob", told(c.bob), "Said")
}

func TestKeptChat(t *testing.T) {
	c := newScene(t, bridge.Spec{KeepChat: 3})
	for _, text := range []string{"1", "2", "3", "4"} {
		c.ann.Says(text)
	}
	c.ann.Does(bridge.Say{ID: bridge.NewMessageID(), To: id(c.bob), Text: "private"})
	text := func() (all string) {
		for _, s := range c.Join(bridge.JoinRequest{}).At.Chat {
			all += s.Text
		}
		return all
	}
	equal(t, "kept", text(), "234")
	c.mo.Does(bridge.ClearChat{})
	equal(t, "kept", text(), "")
	big := strings.Repeat("x", bridge.MaxText)
	c.mo.Does(bridge.Permit{Target: id(c.ann), Remove: 0})
	r := bridgetest.NewRoom(t, bridge.Spec{KeepChat: bridge.MaxKeepChat})
	a := r.Enter("a", bridge.Speaker)
	for range 30 {
		a.Says(big)
	}
	if n := len(r.Join(bridge.JoinRequest{}).At.Chat); n < 10 || n > 16 {
		t.Errorf("%d messages of %d bytes are kept", n, len(big))
	}
}

func TestSend(t *testing.T) {
	send := func(topic string, size int) func(*scene) bridge.Command {
		return func(*scene) bridge.Command { return bridge.Send{Topic: topic, Data: make([]byte, size)} }
	}
	run(t, []row{
		{name: "to all", by: "ann", told: "Data", except: map[string]string{"ann": ""}, cmd: send("k3k/x", 1)},
		{
			name: "to one", by: "ann", except: map[string]string{"bob": "Data"},
			cmd: func(c *scene) bridge.Command { return bridge.Send{To: id(c.bob), Topic: "k3k/x"} },
		},
		{name: "no topic", by: "ann", want: bridge.BadRequest, cmd: send("", 1)},
		{name: "too much", by: "ann", want: bridge.BadRequest, cmd: send("x", bridge.MaxText+1)},
		{name: "to a stranger", by: "ann", want: bridge.NotFound, cmd: func(*scene) bridge.Command {
			return bridge.Send{To: bridge.NewParticipantID(), Topic: "x"}
		}},
		{
			name: "not permitted", by: "ann", want: bridge.Forbidden, cmd: send("x", 1),
			before: func(c *scene) { c.mo.Does(bridge.Permit{Target: id(c.ann), Remove: bridge.SendingData}) },
		},
	})
}

// A dialect's own messages to everybody stay among its own clients; programs hear
// everything and can be reached by id.
func TestSendWithinADialect(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	s1 := c.Join(bridge.JoinRequest{Name: "s1", Dialect: "spreed"})
	s2 := c.Join(bridge.JoinRequest{Name: "s2", Dialect: "spreed"})
	program := c.Service()
	c.quiet()
	s1.Unread()
	s1.Does(bridge.Send{Topic: "spreed/contact"})
	equal(t, "s2", told(s2), "Data")
	equal(t, "program", told(program), "Data")
	equal(t, "bob", told(c.bob), "")
	s1.Does(bridge.Send{Topic: "poll/vote"})
	equal(t, "bob", told(c.bob), "Data")
	s1.Does(bridge.Send{Topic: "spreed/call", To: id(program)})
	program.View.Hidden = nil
	d := bridgetest.Told(program, func(d bridge.Data) bool { return d.Topic == "spreed/call" })
	equal(t, "from", d.From, id(s1))
	program.Does(bridge.Send{Topic: "spreed/answer", To: d.From})
	s1.View.Hidden = func(who bridge.ParticipantID) bool { return who == id(program) }
	equal(t, "s1", told(s1), "Data")
}

func TestDocuments(t *testing.T) {
	put := func(key, value string, version uint64) func(*scene) bridge.Command {
		return func(*scene) bridge.Command {
			return bridge.PutDoc{Key: key, Value: []byte(value), IfVersion: version}
		}
	}
	there := func(c *scene) { c.ann.Does(put("k3k/poll", "1", 0)(c)) }
	full := func(c *scene) {
		c.ann.Does(put("big", strings.Repeat("x", bridge.MaxDocs-len("big")), 0)(c))
	}
	doc := func(value string, version uint64) func(*testing.T, *scene) {
		return func(t *testing.T, c *scene) {
			t.Helper()
			e := bridgetest.Told[bridge.DocChanged](c.bob, nil)
			equal(t, "value", string(e.Doc.Value), value)
			equal(t, "version", e.Doc.Version, version)
			equal(t, "owner", e.Doc.Owner, id(c.ann))
		}
	}
	seen := map[string]string{"bob": ""}
	run(t, []row{
		{name: "new", by: "ann", told: "DocChanged", except: seen, cmd: put("k3k/poll", "1", 0), after: doc("1", 1)},
		{name: "new to whoever", by: "ann", told: "DocChanged", cmd: put("k3k/poll", "1", bridge.AnyVersion)},
		{name: "not new", by: "ann", want: bridge.Exists, before: there, cmd: put("k3k/poll", "2", 0)},
		{name: "next", by: "lis", told: "DocChanged", except: seen, before: there, cmd: put("k3k/poll", "2", 1), after: doc("2", 2)},
		{name: "any", by: "lis", told: "DocChanged", except: seen, before: there, cmd: put("k3k/poll", "2", bridge.AnyVersion), after: doc("2", 2)},
		{name: "outdated", by: "lis", want: bridge.Exists, before: there, cmd: put("k3k/poll", "2", 7)},
		{name: "of none", by: "lis", want: bridge.Exists, cmd: put("k3k/poll", "2", 1)},
		{name: "removed", by: "lis", told: "DocChanged", except: seen, before: there, cmd: put("k3k/poll", "", 1), after: doc("", 2)},
		{name: "nothing to remove", by: "lis", want: bridge.NotFound, cmd: put("k3k/poll", "", bridge.AnyVersion)},
		{name: "no name", by: "lis", want: bridge.BadRequest, cmd: put("", "1", 0)},
		{name: "too much", by: "lis", want: bridge.BadRequest, cmd: put("k", strings.Repeat("x", bridge.MaxDocs), 0)},
		{name: "too much together", by: "lis", want: bridge.BadRequest, before: full, cmd: put("k", "x", 0)},
		{name: "replaced when full", by: "ann", told: "DocChanged", before: full, cmd: put("big", "x", 1)},
		{name: "removed when full", by: "ann", told: "DocChanged", before: full, cmd: put("big", "", 1)},
		{
			name: "not permitted", by: "lis", want: bridge.Forbidden, cmd: put("k", "x", 0),
			before: func(c *scene) { c.mo.Does(bridge.Permit{Target: id(c.lis), Remove: bridge.SendingData}) },
		},
		{
			name: "one's own", by: "ann", told: "DocChanged", cmd: put("k3k/poll", "2", 1),
			before: func(c *scene) {
				there(c)
				c.mo.Does(bridge.Permit{Target: id(c.ann), Remove: bridge.SendingData})
			},
		},
		{
			name: "too many", by: "ann", want: bridge.TooMany, cmd: put("last", "x", 0),
			before: func(c *scene) {
				for i := range 1024 {
					c.ann.Does(put(strings.Repeat("k", i%200+1)+string(rune('a'+i/200)), "x", 0)(c))
					c.quiet()
				}
			},
		},
	})
}

func TestDocumentsAreInTheSnapshot(t *testing.T) {
	c := newScene(t, bridge.Spec{})
	for _, key := range []string{"b", "a", "c"} {
		c.ann.Does(bridge.PutDoc{Key: key, Value: []byte(key)})
	}
	c.ann.Does(bridge.PutDoc{Key: "c", IfVersion: 1})
	have := map[string]string{}
	for _, d := range c.Join(bridge.JoinRequest{}).At.Docs {
		have[d.Key] = string(d.Value)
	}
	if want := map[string]string{"a": "a", "b": "b"}; !maps.Equal(have, want) {
		t.Errorf("documents are %v, want %v", have, want)
	}
}
