package livekit

import (
	"context"
	"maps"
	"slices"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"

	"dragoman/bridge"
	"dragoman/media"
)

// peering is one of our rooms and one of a LiveKit server, on this node. The room's
// goroutine has it.
type peering struct {
	room    *room
	server  *server
	theirs  string
	origin  Origin
	roster  *roster // nil: it is not here
	puppets map[bridge.ParticipantID]*puppet
	wanted  int
	full    bool // max_puppets is reached

	views   *views  // nil: nothing of theirs has been wanted on this node
	gone    traffic // of puppets that are no more
	counted traffic // as it was counted last

	speaking []string // as it was told last
	spoken   time.Time
}

func newPeering(r *room, w wanted) *peering {
	return &peering{room: r, server: w.server, theirs: w.theirs, puppets: map[bridge.ParticipantID]*puppet{}}
}

// settle begins and ends what should be here or not.
func (p *peering) settle(runs bool, sits map[bridge.ParticipantID]bool) {
	company := false // somebody is there who is not LiveKit's
	for _, who := range p.room.people {
		_, theirs := federated(who)
		company = company || !theirs
	}
	switch seats := p.server.Import && company; {
	case p.roster == nil && seats && runs:
		p.startRoster()
	case p.roster != nil && !runs:
		p.endRoster(true)
	case p.roster != nil && !seats:
		p.endRoster(false)
	}
	p.export(sits)
}

func (p *peering) startRoster() {
	f := p.room.f
	p.roster = &roster{
		server: p.server, host: f.cfg.Host, room: p.room.id, theirs: p.theirs, cluster: f.cfg.Cluster, count: &f.count,
		log: p.room.log.With("livekit", p.server.Name, "theirs", p.theirs),
		who: identity{
			id: observerIdentity(f.cfg.Cluster, f.cfg.Node, p.room.id, "observer"), grant: observerGrant(p.theirs),
			attrs: map[string]string{attrCluster: f.cfg.Cluster},
		},
		private: func(n note) { p.room.call(func() { p.room.private(n) }) },
	}
	p.roster.start(f.ctx, &f.tasks)
}

// endRoster ends the roster; moved: another node has the room now.
func (p *peering) endRoster(moved bool) {
	if moved {
		p.roster.yield()
	} else {
		p.roster.close()
	}
	p.roster = nil
}

// export has those of ours who should be in the LiveKit room be there.
func (p *peering) export(sits map[bridge.ParticipantID]bool) {
	want := map[bridge.ParticipantID]bool{}
	for id, who := range p.room.people {
		want[id] = sits[id] && p.exports(who)
	}
	p.wanted = 0
	for id, ok := range want {
		if ok {
			p.wanted++
			p.puppet(p.room.people[id])
		}
	}
	for id := range p.puppets {
		if !want[id] {
			p.part(id)
		}
	}
}

// exports reports whether somebody should be in the LiveKit room.
func (p *peering) exports(who bridge.Participant) bool {
	server, theirs := federated(who)
	switch {
	case p.server.Export == exportNone || who.Kind.Hidden():
		return false
	case theirs && (!p.server.Transit || server == p.server.Name || slices.Contains(pathOf(who.Attrs), p.room.f.cfg.Cluster)):
		return false
	case p.server.Export == exportPublishers:
		return slices.ContainsFunc(slices.Collect(maps.Values(p.room.pubs)), func(pub bridge.Publication) bool { return pub.Owner == who.ID })
	}
	return true
}

// puppet begins a puppet, or tells it what its participant is like.
func (p *peering) puppet(who bridge.Participant) {
	one := p.puppets[who.ID]
	if one != nil {
		if _, halted := one.ready(); !halted.IsZero() && p.room.f.joinedSince(p.room.id, who.ID, halted) {
			p.part(who.ID) // its client has come to this node again
			one = nil
		}
	}
	if one == nil {
		if one = p.newPuppet(who); one == nil {
			return
		}
		p.puppets[who.ID] = one
	}
	one.set(who, p.streams(who.ID))
}

// streams returns what somebody publishes, by id.
func (p *peering) streams(owner bridge.ParticipantID) (pubs []bridge.Publication) {
	for _, pub := range p.room.pubs {
		if pub.Owner == owner {
			pubs = append(pubs, pub)
		}
	}
	slices.SortFunc(pubs, func(a, b bridge.Publication) int { return slices.Compare(a.ID.Bytes(), b.ID.Bytes()) })
	return pubs
}

// newPuppet begins one; nil: there is no place.
func (p *peering) newPuppet(who bridge.Participant) *puppet {
	f := p.room.f
	if !p.server.place() {
		if !p.full {
			f.count.full.Add(1)
			p.room.log.Warn("there are as many participants in LiveKit as there may be", "livekit", p.server.Name, "max_puppets", p.server.MaxPuppets)
		}
		p.full = true
		return nil
	}
	p.full = false
	one := &puppet{
		server: p.server, theirs: p.theirs, cluster: f.cfg.Cluster, node: f.cfg.Node, id: who.ID, hears: p.server.Import,
		log: p.room.log.With("livekit", p.server.Name),
	}
	one.whisper = func(c chat) { p.room.call(func() { p.room.overhear(p.server.Name, one.id, c) }) }
	one.kicked = func(id bridge.ParticipantID) { p.room.call(func() { p.kicked(id) }) }
	one.renew = make(chan struct{}, 1)
	if f.cfg.Media != nil {
		_, theirs := federated(who)
		one.media = newTracks(tracksConfig{
			engine: f.cfg.Media, room: p.room.id, transit: theirs, log: one.log, renew: func() { nudge(one.renew) },
			onMuted: func(id bridge.PublicationID, t bridge.Track) { p.room.call(func() { p.muted(id, t) }) },
		})
	}
	one.set(who, p.streams(who.ID))
	one.start(f.ctx, &f.tasks)
	return one
}

// kicked does here what a moderator there did: one of ours was removed. Moderators of
// ours stay: those of LiveKit have no rights over them.
func (p *peering) kicked(id bridge.ParticipantID) {
	who, there := p.room.people[id]
	if !p.server.Moderates || !there || who.Role >= bridge.Moderator {
		return
	}
	p.room.f.count.removed.Add(1)
	p.room.do(bridge.Kick{Target: id, Reason: "removed by a moderator in LiveKit"})
}

// muted does here what a moderator there did: one of ours was muted. It is asked to mute
// itself, as there; a screen, which cannot be asked, is silenced.
func (p *peering) muted(id bridge.PublicationID, t bridge.Track) {
	pub, there := p.room.pubs[id]
	if !p.server.Moderates || !there || pub.State(t) != bridge.Live || p.room.people[pub.Owner].Role >= bridge.Moderator {
		return
	}
	p.room.do(bridge.Mute{Targets: []bridge.ParticipantID{pub.Owner}, Source: pub.Source, Track: t, Force: pub.Source == bridge.Screen})
}

// heard passes on who of theirs speaks, of those whose sound this node takes.
func (p *peering) heard(who []string) {
	p.speaking, p.spoken = who[:min(len(who), maxSpeakers)], time.Now()
	n := note{Server: p.server.Name, Speakers: p.speaking}
	if p.roster != nil {
		p.roster.put(heardNote{topic: topicSpeakers, note: n})
	} else {
		p.room.do(bridge.Send{Topic: topicSpeakers, Data: n.encode()})
	}
}

// tick does what is done from time to time.
func (p *peering) tick(now time.Time) {
	if len(p.speaking) > 0 && now.Sub(p.spoken) > repeatTime {
		p.heard(p.speaking)
	}
}

// look has views take what this node wants of theirs.
func (p *peering) look(wishes map[bridge.PublicationID]media.RelayWish, foreign map[bridge.PublicationID]string) {
	want, open := map[bridge.PublicationID]media.RelayWish{}, map[bridge.PublicationID][2]bool{}
	for id, server := range foreign {
		if server != p.server.Name {
			continue
		}
		if w, wanted := wishes[id]; wanted {
			want[id] = w
		}
		pub := p.room.pubs[id]
		open[id] = [2]bool{pub.Audio == bridge.Live, pub.Video == bridge.Live}
	}
	if p.views == nil {
		if len(want) == 0 {
			return
		}
		p.views = newViews(viewsConfig{
			engine: p.room.f.cfg.Media, log: p.room.log.With("livekit", p.server.Name), dial: p.dial,
			ids: func(identity string, src bridge.Source) bridge.PublicationID {
				return publicationID(p.server.Name, p.room.id, identity, src)
			},
			speakers: func(who []string) { p.room.call(func() { p.heard(who) }) },
		})
	}
	p.views.want(want)
	p.views.gate(open)
}

// dial makes a hidden connection for media.
func (p *peering) dial(ctx context.Context, name string, cb *lksdk.RoomCallback) (*lksdk.Room, error) {
	f := p.room.f
	return p.server.dial(ctx, identity{
		id: observerIdentity(f.cfg.Cluster, f.cfg.Node, p.room.id, "media-"+name), grant: observerGrant(p.theirs),
		attrs: map[string]string{attrCluster: f.cfg.Cluster},
	}, cb, nil)
}

// close ends all.
func (p *peering) close() {
	if p.views != nil {
		p.room.f.tasks.Go(p.views.close) // which waits for connections
	}
	if p.roster != nil {
		p.endRoster(false)
	}
	p.account()
	for id := range p.puppets {
		p.part(id)
	}
}

// part ends a puppet.
func (p *peering) part(id bridge.ParticipantID) {
	one := p.puppets[id]
	if one.media != nil {
		s := one.media.stats()
		p.gone.packetsOut += s.Packets
		p.gone.bytesOut += s.Bytes
	}
	one.close()
	delete(p.puppets, id)
}

// account counts what has gone over the peering since it was called last, and returns all
// that has.
func (p *peering) account() traffic {
	is := p.gone
	if p.views != nil {
		v := p.views.stats()
		is.packetsIn, is.bytesIn, is.resubscribed = v.Packets, v.Bytes, v.Resubscribed
	}
	for _, one := range p.puppets {
		if one.media != nil {
			s := one.media.stats()
			is.packetsOut += s.Packets
			is.bytesOut += s.Bytes
		}
	}
	p.room.f.count.account(p.counted, is)
	p.counted = is
	return is
}

// report tells how the peering does.
func (p *peering) report() Peering {
	is := Peering{
		Room: p.room.id, Server: p.server.Name, Theirs: p.theirs, Origin: p.origin, Out: p.wanted, Roster: p.roster != nil,
	}
	all := p.account()
	is.BytesIn, is.BytesOut = all.bytesIn, all.bytesOut
	if p.roster != nil {
		is.In = int(p.roster.seated.Load())
		is.State, is.Since, is.Error = p.roster.status.get()
	}
	if p.views != nil {
		is.Views = len(p.views.stats().Streams)
	}
	for _, one := range p.puppets {
		if up, _ := one.ready(); up {
			is.Puppets++
		}
		// What goes worst is told, but for one that is up.
		state, since, text := one.status.get()
		if state == Failed && is.State != Failed || state == Up && is.State < Up || is.Since.IsZero() {
			is.State, is.Since = state, since
		}
		if is.Error == "" {
			is.Error = text
		}
	}
	if p.full {
		is.Error = "max_puppets is reached"
	}
	return is
}
