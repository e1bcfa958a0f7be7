package spreed

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// screens are the token connections of a client in one room (reference 11, 14.12):
// the screens of others that it looks at, and its own, which is got once for all
// whom the bridge speaks for. Between Spreed clients screens go from peer to peer.
type screens struct {
	m     *meeting
	views []*view
	own   *pull // nil: the client shares no screen
	last  int   // of the ids of our own offers
}

// view is one connection over which the client gets a screen.
type view struct {
	who    *member
	id     string // the client's _id, as JSON
	token  string
	stream bridge.PublicationID
	peer   bridge.Peer
	over   bool // says good-bye
}

// pull is the connection over which a client's screen is got.
type pull struct {
	via    *member // in whose name
	token  string
	id     string // our _id, as JSON
	stream bridge.PublicationID
	peer   bridge.Peer
	live   bool // it is published
}

// maxViews is how many screens a client can look at.
const maxViews = 32

// firstID is far from where clients begin to count: theirs and ours name the same
// connections to the same peers.
const firstID = 1_000_000

func newScreens(m *meeting) screens { return screens{m: m, last: firstID} }

// token is by what a screen is asked for. It is made of what is known anyway, so
// that none has to be remembered.
func (m *meeting) token(x *member, p bridge.Publication) string {
	return "screenshare_" + x.id + "_" + p.ID.String()
}

// announce tells a new screen to the client, on the leg with its owner. What a
// Spreed client shares it announces itself.
func (v *screens) announce(p bridge.Publication) {
	x := v.m.members[p.Owner]
	if x == nil || !x.virtual() {
		return
	}
	if l := v.m.calls.legs[x.ID]; l != nil && l.open {
		v.say(l, p)
	}
}

// tell tells the screens of a member on a leg that was just opened, and the
// client's own to the member.
func (v *screens) tell(ctx context.Context, l *leg) {
	if !l.who.virtual() {
		if l.late != nil {
			v.m.calls.pass(l.who, l.late)
			l.late = nil
		}
		v.repeat(ctx, l.who)
		return
	}
	for _, p := range v.m.streams {
		if p.Owner == l.who.ID && p.Source == bridge.Screen {
			v.say(l, p)
		}
	}
}

// repeat announces the client's screen to another Spreed client. The client does
// so itself when the call connects, but to a channel that is not open yet then, and
// it does not try again (reference 11.1).
func (v *screens) repeat(ctx context.Context, x *member) {
	if v.own == nil {
		return
	}
	doc, err := json.Marshal(wire.ChannelDocument{
		Type: wire.TypeScreenshare, Screenshare: &wire.Screenshare{ID: v.own.token},
	})
	if err == nil {
		_ = v.m.s.gentle(v.m.session.Do(ctx, bridge.Send{To: x.ID, Topic: topicChannel, Data: doc}))
	}
}

// copied takes a document of another Spreed client for the leg with it. A screen is
// announced once, as soon as the channel is open: clients that are told twice show it
// twice.
func (v *screens) copied(x *member, doc []byte) {
	d, err := wire.DecodeChannel(doc)
	if err != nil || d.Type != wire.TypeScreenshare || d.Screenshare == nil {
		v.m.calls.pass(x, doc)
		return
	}
	l := v.m.calls.legs[x.ID]
	if l == nil || l.screen == d.Screenshare.ID {
		return
	}
	l.screen, l.late = d.Screenshare.ID, nil
	if !v.m.calls.pass(x, doc) {
		l.late = doc
	}
}

func (v *screens) say(l *leg, p bridge.Publication) {
	doc, err := json.Marshal(wire.ChannelDocument{
		Type: wire.TypeScreenshare, Screenshare: &wire.Screenshare{ID: v.m.token(l.who, p)},
	})
	if err == nil {
		_ = v.m.s.gentle(l.peer.Message(wire.Channel, true, doc))
	}
}

// offered answers a client that asks one whom the bridge speaks for with a token.
// One that is not known is ignored, as the web client does.
func (v *screens) offered(ctx context.Context, x *member, d wire.Description) error {
	var stream bridge.PublicationID
	for _, p := range v.m.streams {
		if p.Owner == x.ID && p.Source == bridge.Screen && v.m.token(x, p) == d.Token {
			stream = p.ID
		}
	}
	if stream.IsZero() || len(v.views) >= maxViews {
		return nil
	}
	v.remove(v.find(x, d.ID))
	ctx, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	peer, err := v.m.session.Connect(ctx, bridge.PeerOptions{Codecs: []string{"VP8"}})
	if err != nil {
		return v.m.s.gentle(err)
	}
	w := &view{who: x, id: string(d.ID), token: d.Token, stream: stream, peer: peer}
	v.views = append(v.views, w)
	err = peer.Send(stream, bridge.SendOptions{NoAudio: true, Stream: x.id + "-screen"})
	var sdp bridge.SDP
	if err == nil {
		sdp, err = peer.Answer(ctx, bridge.SDP(d.SDP))
	}
	if err != nil {
		v.remove(w)
		return v.m.s.gentle(err)
	}
	return v.m.unicast(x, wire.Answer{To: v.m.s.id, Type: wire.TypeAnswer, Answer: object(wire.Description{
		Type: "answer", SDP: string(sdp), Token: d.Token, ID: d.ID,
	})})
}

func (v *screens) find(x *member, id json.RawMessage) *view {
	for _, w := range v.views {
		if w.who.ID == x.ID && w.id == string(id) {
			return w
		}
	}
	return nil
}

func (v *screens) remove(w *view) {
	if w == nil {
		return
	}
	v.views = slices.DeleteFunc(v.views, func(o *view) bool { return o == w })
	_ = v.m.s.gentle(w.peer.Close())
}

// dismiss ends a view: the client is told on its channel, and the connection stays
// until that has had time to arrive.
func (v *screens) dismiss(w *view) {
	if w.over {
		return
	}
	w.over = true
	bye, err := json.Marshal(wire.Control{Mode: wire.ModeBye})
	if err != nil || w.peer.Message(wire.Channel, true, bye) != nil {
		v.remove(w)
		return
	}
	v.m.s.after(farewellTime, func(context.Context) error {
		v.remove(w)
		return nil
	})
}

// unpublished ends the views of a screen that is not shared any more.
func (v *screens) unpublished(_ context.Context, p bridge.Publication) {
	for _, w := range slices.Clone(v.views) {
		if w.stream == p.ID {
			v.dismiss(w)
		}
	}
}

// gone ends what hangs on a member who leaves. The own screen is then got in
// somebody else's name: the token still holds.
func (v *screens) gone(ctx context.Context, x *member) {
	for _, w := range slices.Clone(v.views) {
		if w.who == x {
			v.dismiss(w)
		}
	}
	if p := v.own; p != nil && p.via != nil && p.via.ID == x.ID {
		v.unplug(p)
		v.plug(ctx, p)
	}
}

// attach goes on for a client that came back: what hung on those who have left
// ends.
func (v *screens) attach(ctx context.Context) {
	for _, w := range slices.Clone(v.views) {
		if w.who = v.m.members[w.who.ID]; w.who == nil || w.over {
			v.remove(w)
		}
	}
	p := v.own
	if p == nil || p.via == nil {
		return
	}
	if p.via = v.m.members[p.via.ID]; p.via == nil {
		v.unplug(p)
		v.plug(ctx, p)
	}
}

// shared takes in that the client shares its screen. It says so on every leg.
func (v *screens) shared(ctx context.Context, token string) {
	if v.own != nil && v.own.token == token {
		if v.own.peer == nil {
			v.plug(ctx, v.own)
		}
		return
	}
	v.stopped(ctx)
	v.own = &pull{token: token, stream: bridge.NewPublicationID()}
	v.plug(ctx, v.own)
}

// joined gets the client's screen when there is somebody whom the bridge speaks
// for at last.
func (v *screens) joined(ctx context.Context) {
	if v.own != nil && v.own.peer == nil {
		v.plug(ctx, v.own)
	}
}

// plug asks the client for its screen, in the name of somebody whom the bridge
// speaks for. Without one nobody needs it from here.
func (v *screens) plug(ctx context.Context, p *pull) {
	i := slices.IndexFunc(v.m.order, (*member).virtual)
	if i < 0 || !v.m.self.Can.Has(bridge.PublishScreen) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	peer, err := v.m.session.Connect(ctx, bridge.PeerOptions{Codecs: []string{"VP8"}, Channels: []string{wire.Channel}})
	if err != nil {
		_ = v.m.s.gentle(err)
		return
	}
	v.last++
	p.via, p.peer, p.id = v.m.order[i], peer, strconv.Itoa(v.last)
	err = peer.Receive(p.stream, bridge.Screen, "video")
	var sdp bridge.SDP
	if err == nil {
		sdp, err = peer.Offer(ctx)
	}
	if err != nil {
		_ = v.m.s.gentle(err)
		v.unplug(p)
		return
	}
	err = v.m.unicast(p.via, wire.Offer{To: v.m.s.id, Type: wire.TypeOffer, Offer: object(wire.Description{
		Type: "offer", SDP: string(sdp), Token: p.token, ID: json.RawMessage(p.id),
	})})
	_ = v.m.s.gentle(err) // a socket that is lost is noticed by its reader
}

func (v *screens) unplug(p *pull) {
	if p.peer != nil {
		_ = v.m.s.gentle(p.peer.Close())
	}
	p.peer, p.via, p.id = nil, nil, ""
}

// answered takes the client's answer to our offer for its screen.
func (v *screens) answered(ctx context.Context, x *member, d wire.Description) error {
	p := v.own
	if p == nil || p.peer == nil || p.via.ID != x.ID || p.id != string(d.ID) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, negotiationTime)
	defer cancel()
	if err := p.peer.Accept(ctx, bridge.SDP(d.SDP)); err != nil {
		v.unplug(p)
		return v.m.s.gentle(err)
	}
	if p.live {
		return nil
	}
	p.live = true
	return v.m.s.gentle(v.m.session.Do(ctx, bridge.Publish{Publication: bridge.Publication{
		ID: p.stream, Source: bridge.Screen, Video: bridge.Live,
	}}))
}

// stopped: the client shares its screen no more.
func (v *screens) stopped(ctx context.Context) {
	p := v.own
	if p == nil {
		return
	}
	v.own = nil
	v.unplug(p)
	if p.live {
		_ = v.m.s.gentle(v.m.session.Do(ctx, bridge.Unpublish{ID: p.stream}))
	}
}

// candidate adds a candidate of a token connection.
func (v *screens) candidate(ctx context.Context, x *member, c wire.ICE) {
	var peer bridge.Peer
	if w := v.find(x, c.ID); w != nil {
		peer = w.peer
	} else if p := v.own; p != nil && p.via != nil && p.via.ID == x.ID && p.id == string(c.ID) {
		peer = p.peer
	}
	if peer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, candidateTime)
	defer cancel()
	_ = v.m.s.gentle(peer.AddCandidate(ctx, candidateOf(c)))
}

// of returns what a peer belongs to.
func (v *screens) of(id bridge.PeerID) (w *view, own *pull) {
	for _, w := range v.views {
		if w.peer.ID() == id {
			return w, nil
		}
	}
	if p := v.own; p != nil && p.peer != nil && p.peer.ID() == id {
		return nil, p
	}
	return nil, nil
}

// The events of peers. Each reports whether the peer is one of a screen.

func (v *screens) changed(ctx context.Context, e bridge.PeerChanged) bool {
	w, own := v.of(e.Peer)
	over := e.State == bridge.PeerFailed || e.State == bridge.PeerClosed
	switch {
	case over && w != nil:
		v.remove(w)
	case over && own != nil:
		v.stopped(ctx)
	}
	return w != nil || own != nil
}

func (v *screens) track(_ context.Context, e bridge.PeerTrack) bool {
	w, own := v.of(e.Peer)
	return w != nil || own != nil
}

func (v *screens) channel(ctx context.Context, e bridge.PeerChannel) bool {
	w, own := v.of(e.Peer)
	shut := e.Label == wire.Channel && !e.Open
	switch {
	case shut && w != nil:
		v.remove(w)
	case shut && own != nil:
		v.stopped(ctx)
	}
	return w != nil || own != nil
}

func (v *screens) message(ctx context.Context, e bridge.PeerMessage) bool {
	w, own := v.of(e.Peer)
	if w == nil && own == nil {
		return false
	}
	c, err := wire.DecodeControl(e.Data)
	bye := err == nil && e.Text && c.Mode == wire.ModeBye
	switch {
	case bye && w != nil:
		v.remove(w)
	case bye:
		v.stopped(ctx)
	}
	return true
}
