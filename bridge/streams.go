package bridge

import (
	"slices"
	"strings"
)

// Bounds of publications.
const (
	MaxPublications = 16 // of one participant
	MaxLayers       = 8  // of one publication
	maxRID          = 64 // bytes
)

// needs returns what must be permitted to have a track of a source.
func needs(src Source, t Track) Permissions {
	switch {
	case src == Screen:
		return PublishScreen
	case t == Video:
		return PublishVideo
	}
	return PublishAudio
}

// set changes the state of one track.
func (p *Publication) set(t Track, s TrackState) {
	if t == Video {
		p.Video = s
	} else {
		p.Audio = s
	}
}

func tracks() [2]Track { return [...]Track{Audio, Video} }

func (c Publish) apply(r *room, m *member) error {
	p := c.Publication
	if err := m.may(0); err != nil {
		return err
	}
	if err := checkPublication(p); err != nil {
		return err
	}
	if err := m.mayPublish(p); err != nil {
		return err
	}
	old := r.pubs[p.ID]
	switch {
	case old != nil && old.owner != m:
		return Errorf(Exists, "the stream belongs to somebody else")
	case old != nil && old.Source != p.Source:
		return Errorf(Exists, "the stream shows something else already")
	case old == nil && m.pubs >= MaxPublications:
		return Errorf(TooMany, "nobody may publish more than %d streams", MaxPublications)
	}
	m.sign(&p)
	switch {
	case old == nil:
		r.publish(m, p)
	case !samePublication(old.Publication, p):
		old.Publication = p
		r.tell(PublicationChanged{Pub: p, By: m.by()})
		r.hush(m)
		r.rank(old)
	}
	return nil
}

// sign makes a stream its owner's: what a moderator has silenced stays so.
func (m *member) sign(p *Publication) {
	p.Owner = m.ID
	p.Layers = slices.Clone(p.Layers)
	for _, t := range tracks() {
		if p.State(t) != Absent && m.silenced[p.Source][t] {
			p.set(t, Silenced)
		}
	}
}

// publish adds a stream.
func (r *room) publish(m *member, p Publication) {
	n := &publication{Publication: p, owner: m, watchers: map[*member]string{}}
	r.pubs[p.ID] = n
	r.pubOrder = append(r.pubOrder, n)
	m.pubs++
	r.tell(Published{Pub: p})
}

// checkPublication tells whether a stream may be like that.
func checkPublication(p Publication) error {
	switch {
	case p.ID.IsZero():
		return Errorf(BadRequest, "the stream has no id")
	case p.Source > Screen:
		return Errorf(BadRequest, "a stream shows a camera or a screen")
	case p.Audio > Muted || p.Video > Muted:
		return Errorf(BadRequest, "a track is absent, live or muted")
	case len(p.Layers) > MaxLayers:
		return Errorf(BadRequest, "a stream has at most %d layers", MaxLayers)
	}
	for i, l := range p.Layers {
		if !validRID(l.RID) || l.Width < 0 || l.Height < 0 {
			return Errorf(BadRequest, "the stream has a layer without a proper name or size")
		}
		if slices.ContainsFunc(p.Layers[:i], func(o Layer) bool { return o.RID == l.RID }) {
			return Errorf(BadRequest, "the stream has two layers of one name")
		}
	}
	return nil
}

// mayPublish answers what of a stream a member may not have.
func (m *member) mayPublish(p Publication) error {
	can := m.Can
	switch {
	case p.Source == Screen && !can.Has(PublishScreen):
		return Errorf(Forbidden, "you are not allowed to share your screen")
	case p.Source == Screen:
		return nil
	case p.Audio != Absent && !can.Has(PublishAudio):
		return Errorf(Forbidden, "you are not allowed to speak")
	case p.Video != Absent && !can.Has(PublishVideo):
		return Errorf(Forbidden, "you are not allowed to share your camera")
	case can&(PublishAudio|PublishVideo) == 0:
		return Errorf(Forbidden, "you are not allowed to publish")
	}
	return nil
}

// validRID reports whether s is a rid-id (RFC 8851, 10: letters, digits, "-" and
// "_").
func validRID(s string) bool {
	return s != "" && len(s) <= maxRID && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

func samePublication(a, b Publication) bool {
	return a.Owner == b.Owner && a.Source == b.Source && a.Audio == b.Audio && a.Video == b.Video &&
		slices.Equal(a.Layers, b.Layers)
}

func (c SetTrack) apply(r *room, m *member) error {
	p := r.pubs[c.ID]
	if err := m.may(0); err != nil {
		return err
	}
	switch {
	case p == nil:
		return Errorf(NotFound, "there is no such stream")
	case p.owner != m:
		return Errorf(Forbidden, "the stream belongs to somebody else")
	case c.Track > Video || p.State(c.Track) == Absent:
		return Errorf(BadRequest, "the stream has no such track")
	case p.State(c.Track) == Silenced && c.Muted:
		return nil // as quiet as can be
	case p.State(c.Track) == Silenced:
		return Errorf(Forbidden, "a moderator has muted you")
	}
	state := Live
	if c.Muted {
		state = Muted
	}
	r.setTrack(p, c.Track, state, m.by())
	return nil
}

// setTrack changes the state of a track and tells so.
func (r *room) setTrack(p *publication, t Track, s TrackState, by ParticipantID) {
	if p.State(t) == s {
		return
	}
	p.set(t, s)
	r.tell(PublicationChanged{Pub: p.Publication, By: by})
	r.hush(p.owner)
}

// hush ends the talking of one who cannot be heard any more.
func (r *room) hush(m *member) {
	if m.Talking && !r.audible(m) {
		r.setTalking(m, false)
	}
}

func (c Unpublish) apply(r *room, m *member) error {
	if err := m.may(0); err != nil {
		return err
	}
	p := r.pubs[c.ID]
	switch {
	case p == nil:
		return Errorf(NotFound, "there is no such stream")
	case p.owner != m && !m.Can.Has(MutingOthers):
		return Errorf(Forbidden, "the stream belongs to somebody else")
	}
	r.unpublish(p)
	return nil
}

// unpublish ends a stream.
func (r *room) unpublish(p *publication) {
	delete(r.pubs, p.ID)
	r.pubOrder = slices.DeleteFunc(r.pubOrder, func(o *publication) bool { return o == p })
	p.owner.pubs--
	r.tell(Unpublished{Pub: p.Publication})
	r.hush(p.owner)
}

func (r *room) unpublishAll(m *member) {
	if m.pubs == 0 {
		return
	}
	for _, p := range slices.Clone(r.pubOrder) {
		if p.owner == m {
			r.unpublish(p)
		}
	}
}

func (c Subscribe) apply(r *room, m *member) error {
	p, err := r.watched(m, c.ID)
	if err != nil {
		return err
	}
	if _, ok := p.watchers[m]; !ok {
		p.watchers[m] = ""
	}
	return nil
}

func (c Unsubscribe) apply(r *room, m *member) error {
	if p := r.pubs[c.ID]; p != nil {
		r.unwatch(p, m)
	}
	return nil
}

func (c Want) apply(r *room, m *member) error {
	p, err := r.watched(m, c.ID)
	if err != nil {
		return err
	}
	if c.Layer != "" && !validRID(c.Layer) {
		return Errorf(BadRequest, "that is no name of a layer")
	}
	p.watchers[m] = c.Layer
	r.rank(p)
	return nil
}

// watched returns a stream that a member may receive.
func (r *room) watched(m *member, id PublicationID) (*publication, error) {
	if err := m.may(Subscribing); err != nil {
		return nil, err
	}
	p := r.pubs[id]
	if p == nil {
		return nil, Errorf(NotFound, "there is no such stream")
	}
	return p, nil
}

// unwatch notes that a member does not receive a stream any more.
func (r *room) unwatch(p *publication, m *member) {
	if _, ok := p.watchers[m]; ok {
		delete(p.watchers, m)
		r.rank(p)
	}
}

// rank tells the owner of a stream the highest layer that anybody wants, when it
// has changed. A layer that the publication does not name ranks above all it
// does: rather too good a picture than too bad a one.
func (r *room) rank(p *publication) {
	height := func(rid string) int {
		if rid == "" {
			return -1
		}
		if i := slices.IndexFunc(p.Layers, func(l Layer) bool { return l.RID == rid }); i >= 0 {
			return i
		}
		return len(p.Layers)
	}
	best := ""
	for _, rid := range p.watchers {
		if h := height(rid); h > height(best) || h == height(best) && rid > best {
			best = rid
		}
	}
	if best != p.wanted {
		p.wanted = best
		r.tellOne(p.owner, Wanted{ID: p.ID, Layer: best})
	}
}
