package livekit

import (
	"maps"
	"slices"
	"sync"
	"time"

	"dragoman/bridge"
)

// inquire asks who is there, in a goroutine of its own.
func (r *roster) inquire(own *sync.WaitGroup) {
	r.asking, r.list = true, time.Now().Add(listTime)
	l := listing{before: map[string]string{}}
	if r.conn != nil {
		for _, rp := range r.conn.GetRemoteParticipants() {
			l.before[rp.SID()] = rp.Identity()
		}
	}
	own.Go(func() {
		l.all, l.err = r.server.list(r.ctx, r.theirs)
		select {
		case r.listed <- l:
		case <-r.ctx.Done():
		}
	})
}

// compare compares who is there with whom the SDK knows: it does not notice that those
// are gone who left while the server was.
func (r *roster) compare(l listing) {
	r.asking = false
	if l.err != nil {
		r.log.Debug("LiveKit does not tell who is there", "err", l.err)
		return
	}
	if r.idle && len(l.all) > 0 {
		r.idle, r.next = false, time.Now()
	}
	clear(r.ghosts)
	for sid, who := range l.before {
		if l.all[who] == nil {
			r.ghosts[sid] = true
		}
	}
	r.look(time.Now())
}

// look makes our room what theirs is.
func (r *roster) look(now time.Time) {
	if r.conn == nil {
		return
	}
	if lost, is := r.feed.lostAt(); is {
		r.away(lost)
		if now.Sub(lost) > keepTime {
			r.leaveAll(bridge.ByLoss)
		}
		r.status.set(Connecting, nil)
		return
	}
	r.status.set(Up, nil)
	if r.feed.back.CompareAndSwap(true, false) {
		if sid := r.conn.LocalParticipant.SID(); sid == r.sid {
			r.grace = time.Time{} // nothing was lost
		} else {
			r.sid = sid
		}
		r.list = now
	}
	there := r.there()
	for who, p := range there {
		s := r.seats[who]
		if s == nil {
			s = r.newSeat(p)
			r.seats[who] = s
		}
		s.person = p
		r.show(s, now)
	}
	for who, s := range r.seats {
		if _, is := there[who]; is {
			continue
		}
		switch {
		case now.Before(r.grace) && s.session != nil: // it may come back as we did
		case !r.grace.IsZero() && s.away:
			r.leave(s, bridge.ByLoss)
			delete(r.seats, who)
		default:
			r.leave(s, bridge.ByWish)
			delete(r.seats, who)
		}
	}
	r.catchUp(now)
}

// there returns who is to be seated, by identity.
func (r *roster) there() map[string]person {
	all := map[string]person{}
	sids := map[string]bool{}
	for _, rp := range r.conn.GetRemoteParticipants() {
		p := personOf(rp)
		switch {
		case p.identity == "" || len(p.identity) > maxTheirs || r.ghosts[p.sid]:
		case r.server.imports(r.cluster, p):
			all[p.identity] = p
		default:
			sids[p.sid] = true
			if !r.looped[p.sid] {
				r.count.looped.Add(1)
			}
		}
	}
	r.looped = sids
	return all
}

// said passes on what somebody of LiveKit says to all.
func (r *roster) said(c chat) {
	r.keys = append(r.keys, c.from+"/"+c.key)
	if len(r.keys) > maxKeys {
		r.keys = slices.Delete(r.keys, 0, len(r.keys)-maxKeys)
	}
	r.look(time.Now())
	switch {
	case r.deliver(c) || r.conn == nil || r.conn.GetParticipantByIdentity(c.from) != nil: // or it is of nobody who has a seat
	case len(r.early) >= maxEarly:
		r.count.dropped.Add(1)
	default: // the message is faster than its author
		r.early = append(r.early, early{c, time.Now().Add(earlyTime)})
	}
}

// deliver says a message if its author has been seated. It reports false if not.
func (r *roster) deliver(c chat) bool {
	s := r.seats[c.from]
	if s == nil || s.session == nil {
		return false
	}
	if !s.waiting && r.do(s, bridge.Say{ID: messageID(r.server.Name, c.from, c.key), Text: c.text}) {
		r.count.chats.Add(1)
	}
	return true
}

// early is a message whose author has not been told of yet.
type early struct {
	chat
	due time.Time // then it is given up
}

// LiveKit tells of people who publish nothing up to three seconds after they have come.
const (
	earlyTime = 5 * time.Second
	maxEarly  = 64
)

// catchUp says what was said by those who have been told of meanwhile.
func (r *roster) catchUp(now time.Time) {
	r.early = slices.DeleteFunc(r.early, func(e early) bool {
		if r.deliver(e.chat) {
			return true
		}
		over := now.After(e.due)
		if over {
			r.count.dropped.Add(1)
		}
		return over
	})
}

// noted does what another seat of this package says.
func (r *roster) noted(n heardNote) {
	switch n.topic {
	case topicSpeakers:
		r.speaks[n.source] = speakers{who: n.note.Speakers, at: time.Now()}
		r.talk(time.Now())
	case topicWebhook:
		r.list = time.Now()
		nudge(r.ask)
	case topicWhisper:
		s := r.seats[n.note.Identity]
		if s == nil || s.session == nil || s.waiting || slices.Contains(r.keys, n.note.Identity+"/"+n.note.Key) {
			return
		}
		if r.do(s, bridge.Say{ID: messageID(r.server.Name, n.note.Identity, n.note.Key), To: n.note.To, Text: n.note.Text}) {
			r.count.chats.Add(1)
		}
	}
}

// talk tells the room who of LiveKit talks, by all that any node has heard.
func (r *roster) talk(now time.Time) {
	maps.DeleteFunc(r.speaks, func(_ bridge.ParticipantID, s speakers) bool { return now.Sub(s.at) > speakerTime })
	on := map[string]bool{}
	for _, s := range r.speaks {
		for _, who := range s.who {
			on[who] = true
		}
	}
	for who, s := range r.seats {
		if s.session != nil && !s.waiting && s.talking != on[who] && r.do(s, bridge.ReportTalking{On: on[who]}) {
			s.talking = on[who]
		}
	}
}
