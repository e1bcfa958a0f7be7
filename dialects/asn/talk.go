package asn

import (
	"context"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// talkGap is the shortest time between two lists of talkers: at most five a second
// (reference 12).
const talkGap = 200 * time.Millisecond

// talking is who talks at present. How loud somebody is nobody tells; who began last
// is first.
type talking struct {
	t    *seat
	ids  []bridge.ParticipantID
	told []bridge.ParticipantID
	last time.Time // when it was told
	wait func()    // takes back that it is told later; nil: it is not
}

func (k *talking) start(id bridge.ParticipantID) {
	k.ids = slices.Insert(slices.DeleteFunc(k.ids, func(o bridge.ParticipantID) bool { return o == id }), 0, id)
}

// talks takes in who starts or stops.
func (t *seat) talks(_ context.Context, e bridge.Talking) error {
	if t.find(e.ID) == nil {
		return nil
	}
	if !e.On {
		return t.talk.end(e.ID)
	}
	t.talk.start(e.ID)
	return t.talk.tell()
}

func (k *talking) end(id bridge.ParticipantID) error {
	k.ids = slices.DeleteFunc(k.ids, func(o bridge.ParticipantID) bool { return o == id })
	return k.tell()
}

// tell tells the list if the set has changed, now or when it is time.
func (k *talking) tell() error {
	if sameSet(k.ids, k.told) || k.wait != nil || k.t.s.gone {
		return nil
	}
	if rest := talkGap - time.Since(k.last); rest > 0 {
		k.wait = k.t.after(rest, func(context.Context) error {
			k.wait = nil
			return k.tell()
		})
		return nil
	}
	k.told, k.last = slices.Clone(k.ids), time.Now()
	a := &rose.PartyTalkingArgument{RoomID: string(k.t.room.ID), PartyIDs: []string{}}
	for _, id := range k.ids {
		a.PartyIDs = append(a.PartyIDs, id.String())
	}
	return k.t.tell(rose.OpPartyTalking, a)
}

func (k *talking) stop() {
	if k.wait != nil {
		k.wait()
		k.wait = nil
	}
}

func sameSet(a, b []bridge.ParticipantID) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(id bridge.ParticipantID) bool { return !slices.Contains(b, id) })
}
