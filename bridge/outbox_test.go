package bridge

import (
	"reflect"
	"testing"
)

func ready(o *Outbox) bool {
	select {
	case <-o.Ready():
		return true
	default:
		return false
	}
}

func expect(t *testing.T, o *Outbox, code Code, want ...Event) {
	t.Helper()
	have, err := o.Drain()
	if CodeOf(err) != code {
		t.Errorf("drained with %v, want code %v", err, code)
	}
	if len(have) != len(want) || len(want) > 0 && !reflect.DeepEqual(have, want) {
		t.Errorf("drained\n%+v, want\n%+v", have, want)
	}
}

func TestOutboxMerges(t *testing.T) {
	o := NewOutbox(4, nil)
	a, b := Participant{ID: NewParticipantID()}, Participant{ID: NewParticipantID()}
	renamed := a
	renamed.Name = "new"
	o.Push(Changed{P: a, What: HandChanged})
	o.Push(Talking{ID: b.ID, On: true})
	o.Push(ChatCleared{})
	o.Push(Changed{P: renamed, What: NameChanged, By: b.ID})
	o.Push(Talking{ID: b.ID})
	o.Push(Talking{ID: a.ID})
	expect(t, o, 0, ChatCleared{}, Changed{P: renamed, What: HandChanged | NameChanged, By: b.ID}, Talking{ID: b.ID}, Talking{ID: a.ID})
	o.Push(Talking{ID: b.ID, On: true}) // drained before: not merged any more
	expect(t, o, 0, Talking{ID: b.ID, On: true})
	if n := o.count.merged.Load(); n != 2 {
		t.Errorf("merged %d", n)
	}
}

// A state is not told before that which it is the state of.
func TestOutboxKeepsWhoIsThereInOrder(t *testing.T) {
	o := NewOutbox(0, nil)
	p := Participant{ID: NewParticipantID()}
	o.Push(Changed{P: p})
	o.Push(Left{P: p})
	o.Push(Joined{P: p})
	o.Push(Changed{P: p})
	expect(t, o, 0, Left{P: p}, Joined{P: p}, Changed{P: p})
}

// However often states change, what is unread takes no more room than it may.
func TestOutboxStaysSmall(t *testing.T) {
	o := NewOutbox(4, nil)
	a, b := NewParticipantID(), NewParticipantID()
	o.Push(ChatCleared{})
	for i := range 1000 {
		o.Push(Talking{ID: a, On: i%2 == 0})
		o.Push(Talking{ID: b, On: i%2 == 0})
	}
	if n := len(o.events); n > 8 {
		t.Errorf("%d places are taken", n)
	}
	expect(t, o, 0, ChatCleared{}, Talking{ID: a}, Talking{ID: b})
}

func TestOutboxOverflows(t *testing.T) {
	o := NewOutbox(2, nil)
	if !o.Push(ChatCleared{}) || !o.Push(Ending{}) {
		t.Fatal("full at once")
	}
	if !o.Push(Ending{}) {
		t.Fatal("what merges needs no place")
	}
	if !ready(o) {
		t.Error("not signalled")
	}
	for _, e := range []Event{ChatCleared{}, ChatCleared{}, Ending{}} {
		if o.Push(e) {
			t.Errorf("%T is taken though it is full", e)
		}
	}
	if !ready(o) {
		t.Error("the end is not signalled")
	}
	o.End(Errorf(Closed, "too late"))
	expect(t, o, Lagged, ChatCleared{}, Ending{})
	expect(t, o, Lagged)
	if n := o.count.lagged.Load(); n != 1 {
		t.Errorf("lagged %d", n)
	}
}

func TestOutboxSignalsOnce(t *testing.T) {
	shared := make(chan struct{}, 1)
	a, b := NewOutbox(0, shared), NewOutbox(0, shared)
	a.Push(ChatCleared{})
	b.Push(ChatCleared{})
	b.Push(ChatCleared{})
	if !ready(a) || ready(b) {
		t.Error("one signal is for both")
	}
	expect(t, a, 0, ChatCleared{})
	expect(t, b, 0, ChatCleared{}, ChatCleared{})
	b.Push(ChatCleared{})
	if !ready(a) {
		t.Error("not signalled again")
	}
	own := make(chan struct{}, 1)
	b.rewake(own)
	if !ready(b) || ready(a) {
		t.Error("the new channel is not signalled")
	}
	expect(t, b, 0, ChatCleared{})
	b.rewake(own)
	if ready(b) {
		t.Error("signalled for nothing")
	}
	b.End(Errorf(Closed, "x"))
	b.rewake(shared)
	if !ready(b) {
		t.Error("the end is not signalled")
	}
	expect(t, b, Closed)
}

func TestOutboxRestarts(t *testing.T) {
	o := NewOutbox(0, nil)
	id := NewPeerID()
	o.Push(ChatCleared{})
	o.Push(PeerChanged{Peer: id, State: PeerConnected})
	o.Push(PeerMessage{Peer: id})
	o.Push(PeerHeard{})
	o.Push(PeerSilence{})
	o.Push(Ending{})
	if err := o.Restart(); err != nil {
		t.Fatal(err)
	}
	if old := o.outdated(); !reflect.DeepEqual(old, []Event{ChatCleared{}, Ending{}}) {
		t.Errorf("outdated %+v", old)
	}
	if old := o.outdated(); len(old) != 0 {
		t.Errorf("outdated twice: %+v", old)
	}
	o.Push(PeerChanged{Peer: id, State: PeerFailed}) // still merged
	o.Push(ChatCleared{})
	expect(t, o, 0, PeerMessage{Peer: id}, PeerHeard{}, PeerSilence{}, PeerChanged{Peer: id, State: PeerFailed}, ChatCleared{})
	o.End(Errorf(Closed, "x"))
	if CodeOf(o.Restart()) != Closed {
		t.Error("restarted after the end")
	}
}

// Every event has a key or none, and events of the same key are of one type: else
// one would replace another.
func TestKeys(t *testing.T) {
	of := map[string]Event{}
	for _, e := range allEvents() {
		k := e.key()
		if other, taken := of[k]; k != "" && taken {
			t.Errorf("%T and %T have the same key", e, other)
		}
		of[k] = e
	}
	a, b := NewParticipantID(), NewParticipantID()
	if (TypingNow{From: a, To: b}).key() == (TypingNow{From: b, To: a}).key() {
		t.Error("who types to whom is not told apart")
	}
	if (SeenBy{By: a, Scope: "x"}).key() == (SeenBy{By: a, Scope: "y"}).key() {
		t.Error("scopes are not told apart")
	}
}

func allEvents() []Event {
	return []Event{
		RoomChanged{},
		Ending{},
		Recording{},
		Ended{},
		Relocated{},
		Joined{},
		Left{},
		Knocked{},
		Admitted{},
		Entered{},
		Changed{},
		HandsLowered{},
		Published{},
		PublicationChanged{},
		Unpublished{},
		Talking{},
		Quality{},
		Wanted{},
		Said{},
		ChatCleared{},
		SeenBy{},
		TypingNow{},
		Data{},
		DocChanged{},
		Kicked{},
		MuteAsked{},
		Invited{},
		PeerCandidate{},
		PeerChanged{},
		PeerNegotiate{},
		PeerTrack{},
		PeerChannel{},
		PeerMessage{},
		PeerHeard{},
		PeerSilence{},
	}
}
