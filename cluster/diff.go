package cluster

import (
	"maps"
	"slices"

	"dragoman/bridge"
)

// difference returns what those inside have to be told so that they know a room as it
// is now, in an order in which nothing is named that has not been told.
func difference(was, is *mirror) (tell []bridge.Event) {
	add := func(e bridge.Event) { tell = append(tell, e) }
	if !sameInfo(was.room, is.room) {
		add(bridge.RoomChanged{Room: is.room})
	}
	if !was.room.Ends.Equal(is.room.Ends) {
		add(bridge.Ending{At: is.room.Ends})
	}
	if was.room.Recording != is.room.Recording {
		add(bridge.Recording{On: is.room.Recording})
	}
	for _, p := range was.pubs {
		if !slices.ContainsFunc(is.pubs, func(o bridge.Publication) bool { return o.ID == p.ID }) {
			add(bridge.Unpublished{Pub: p})
		}
	}
	for _, p := range was.people {
		if indexOf(is.people, p.ID) < 0 {
			add(bridge.Left{P: p, Reason: bridge.ByLoss})
		}
	}
	tell = append(tell, peopleNow(was, is)...)
	for _, p := range is.pubs {
		switch i := slices.IndexFunc(was.pubs, func(o bridge.Publication) bool { return o.ID == p.ID }); {
		case i < 0:
			add(bridge.Published{Pub: p})
		case !samePublication(was.pubs[i], p):
			add(bridge.PublicationChanged{Pub: p})
		}
	}
	return append(tell, talkNow(was, is)...)
}

// peopleNow tells who has come, and who is different.
func peopleNow(was, is *mirror) (tell []bridge.Event) {
	for _, p := range is.people {
		i := indexOf(was.people, p.ID)
		if i < 0 {
			tell = append(tell, bridge.Joined{P: p})
			continue
		}
		old := was.people[i]
		if what := changes(old, p); what != 0 {
			tell = append(tell, bridge.Changed{P: p, What: what})
		}
		if old.Talking != p.Talking {
			tell = append(tell, bridge.Talking{ID: p.ID, On: p.Talking})
		}
	}
	return tell
}

// talkNow tells what was said, and which documents are different.
func talkNow(was, is *mirror) (tell []bridge.Event) {
	if len(was.chat) > 0 && len(is.chat) == 0 {
		tell = append(tell, bridge.ChatCleared{})
	}
	known := map[bridge.MessageID]bool{}
	for _, s := range was.chat {
		known[s.ID] = true
	}
	for _, s := range is.chat {
		if !known[s.ID] {
			tell = append(tell, s)
		}
	}
	for _, d := range was.docs {
		if !slices.ContainsFunc(is.docs, func(o bridge.Doc) bool { return o.Key == d.Key }) {
			tell = append(tell, bridge.DocChanged{Doc: bridge.Doc{Key: d.Key, Version: d.Version + 1, Owner: d.Owner}})
		}
	}
	for _, d := range is.docs {
		i := slices.IndexFunc(was.docs, func(o bridge.Doc) bool { return o.Key == d.Key })
		if i < 0 || was.docs[i].Version != d.Version || !slices.Equal(was.docs[i].Value, d.Value) {
			tell = append(tell, bridge.DocChanged{Doc: d})
		}
	}
	return tell
}

// knockNow tells those who may admit who waits.
func knockNow(was, is *mirror) (tell []bridge.Event) {
	for _, p := range was.knocking {
		if indexOf(is.knocking, p.ID) < 0 {
			tell = append(tell, bridge.Knocked{P: p, Gone: true})
		}
	}
	for _, p := range is.knocking {
		if i := indexOf(was.knocking, p.ID); i < 0 || changes(was.knocking[i], p) != 0 {
			tell = append(tell, bridge.Knocked{P: p})
		}
	}
	return tell
}

// changes returns what is not the same about two states of a participant.
func changes(a, b bridge.Participant) (what bridge.What) {
	if a.Name != b.Name {
		what |= bridge.NameChanged
	}
	if a.Role != b.Role || a.Can != b.Can || a.Kind != b.Kind {
		what |= bridge.RoleChanged
	}
	if !a.Hand.Equal(b.Hand) {
		what |= bridge.HandChanged
	}
	if !maps.Equal(a.Attrs, b.Attrs) || a.Dialect != b.Dialect || a.Shows != b.Shows || a.User != b.User || a.Remote != b.Remote {
		what |= bridge.AttrsChanged
	}
	if a.Away != b.Away {
		what |= bridge.PresenceChanged
	}
	return what
}

func samePublication(a, b bridge.Publication) bool {
	return a.Owner == b.Owner && a.Source == b.Source && a.Audio == b.Audio && a.Video == b.Video &&
		slices.Equal(a.Layers, b.Layers)
}

// sameInfo compares what RoomChanged tells.
func sameInfo(a, b bridge.Info) bool {
	return a.Title == b.Title && a.About == b.About && maps.Equal(a.Secured, b.Secured) && a.Locked == b.Locked &&
		a.Max == b.Max && a.WaitingRoom == b.WaitingRoom && a.Hands == b.Hands && a.Chat == b.Chat &&
		a.MaxBitrate == b.MaxBitrate && a.Unlisted == b.Unlisted && maps.Equal(a.Attrs, b.Attrs)
}
