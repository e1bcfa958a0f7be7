package livekit

import (
	"slices"
	"time"

	"dragoman/bridge"
)

// talk passes on what one of this node says to all.
func (r *room) talk(e bridge.Said) {
	if who, known := r.people[e.From]; known {
		if _, theirs := federated(who); theirs {
			r.said = append(r.said, e.ID)
			if len(r.said) > maxKeys {
				r.said = slices.Delete(r.said, 0, len(r.said)-maxKeys)
			}
		}
	}
	if !e.To.IsZero() || e.Group != "" || e.Text == "" {
		return
	}
	for _, p := range r.peerings {
		if one := p.puppets[e.From]; one != nil {
			one.say(say{id: e.ID.String(), text: e.Text, at: e.At})
		}
	}
}

// private passes on what one of ours says to one of theirs: from here, if it is one of
// this node, or else from whichever node has it.
func (r *room) private(n note) {
	if !r.utter(n) {
		r.do(bridge.Send{Topic: topicPrivate, Data: n.encode()})
	}
}

// utter has the puppet of somebody on this node say something to one.
func (r *room) utter(n note) bool {
	p := r.peerings[n.Server]
	if p == nil || p.puppets[n.From] == nil {
		return false
	}
	p.puppets[n.From].say(say{id: n.Key, text: n.Text, to: []string{n.Identity}, at: time.Now()})
	return true
}

// overhear notes what a puppet was told: if it was said to all, the room hears it, too.
func (r *room) overhear(server string, to bridge.ParticipantID, c chat) {
	if slices.Contains(r.said, messageID(server, c.from, c.key)) {
		return
	}
	if len(r.whispers) >= maxWhispers {
		r.f.count.dropped.Add(1)
		return
	}
	r.whispers = append(r.whispers, whisper{server: server, to: to, chat: c, due: time.Now().Add(whisperTime)})
}

// reveal says what was said to one alone.
func (r *room) reveal(now time.Time) {
	due := 0
	for _, w := range r.whispers {
		if now.Before(w.due) {
			break
		}
		due++
		if slices.Contains(r.said, messageID(w.server, w.chat.from, w.chat.key)) {
			continue
		}
		n := note{Server: w.server, Identity: w.chat.from, To: w.to, Key: w.chat.key, Text: w.chat.text}
		if p := r.peerings[w.server]; p != nil && p.roster != nil {
			p.roster.put(heardNote{topic: topicWhisper, note: n})
		} else {
			r.do(bridge.Send{Topic: topicWhisper, Data: n.encode()})
		}
	}
	r.whispers = slices.Delete(r.whispers, 0, due)
}

// data does what the hidden seat of another node says.
func (r *room) data(e bridge.Data) {
	if _, visible := r.people[e.From]; visible {
		return // hidden seats are ours
	}
	if !slices.Contains([]string{topicPrivate, topicWhisper, topicSpeakers, topicWebhook}, e.Topic) {
		return
	}
	n, ok := decodeNote(e.Data)
	if !ok {
		return
	}
	p := r.peerings[n.Server]
	switch {
	case p == nil:
	case e.Topic == topicPrivate:
		r.utter(n)
	case p.roster != nil:
		p.roster.put(heardNote{topic: e.Topic, source: e.From, note: n})
	}
}

// webhook says that something has happened in their room.
func (r *room) webhook(server, theirs string) {
	p := r.peerings[server]
	switch {
	case p == nil || p.theirs != theirs:
	case p.roster != nil:
		p.roster.put(heardNote{topic: topicWebhook, note: note{Server: server}})
	default:
		r.do(bridge.Send{Topic: topicWebhook, Data: note{Server: server}.encode()})
	}
}
