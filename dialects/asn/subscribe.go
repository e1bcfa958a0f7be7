package asn

import (
	"context"
	"errors"
	"slices"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// maxDowns is how many subscriptions a party may have.
const maxDowns = 200

// checkSettings holds what is common to all lists of settings (reference 3504, 3505,
// 3507).
func checkSettings(all []rose.MediaSetting) error {
	seen := map[rose.ConferenceMediaType]bool{}
	for _, m := range all {
		if seen[m.MediaType] {
			return fail(rose.InvalidArgument, "a media is given twice")
		}
		seen[m.MediaType] = true
		if m.MaxBitrate != nil && *m.MaxBitrate < 0 {
			return fail(rose.InvalidArgument, "a bitrate is not negative")
		}
	}
	return nil
}

// subscribe handles asnSubscribeMedia.
func (t *seat) subscribe(ctx context.Context, a *rose.SubscribeMediaArgument) (*rose.SubscribeMediaResult, error) {
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	m, err := t.partyByID(a.PartyID)
	if err != nil {
		return nil, err
	}
	if err := t.maySubscribe(m, a); err != nil {
		return nil, err
	}
	d := &downlink{
		t: t, id: bridge.NewPeerID().String(), of: m.who.ID, wishes: map[rose.ConferenceMediaType]*wish{},
		sent: map[bridge.Source]sending{}, mids: map[string]rose.ConferenceMediaType{},
	}
	for _, s := range a.Media {
		d.wishes[s.MediaType] = new(wish)
		d.wishes[s.MediaType].set(s)
	}
	if d.peer, err = t.connect(ctx, d, bridge.PeerOptions{}); err != nil {
		return nil, err
	}
	t.downs[d.id] = d
	if err := d.arrange(m); err != nil {
		d.close()
		return nil, err
	}
	err = t.s.soon(func() error { return d.offer(context.WithoutCancel(ctx)) })
	return &rose.SubscribeMediaResult{SubscriptionID: d.id}, err
}

// partyByID returns the party of an id; 460: there is none.
func (t *seat) partyByID(text string) (*member, error) {
	var id bridge.ParticipantID
	if id.UnmarshalText([]byte(text)) == nil && text == id.String() {
		if m := t.find(id); m != nil {
			return m, nil
		}
	}
	return nil, fail(rose.PartyNotFound, "there is no such party in the room")
}

func (t *seat) maySubscribe(m *member, a *rose.SubscribeMediaArgument) error {
	if err := errors.Join(rose.Check(a), checkSettings(a.Media)); err != nil {
		return err
	}
	switch {
	case m == t.me:
		return fail(rose.InvalidArgument, "nobody subscribes to oneself")
	case len(a.Media) == 0:
		return fail(rose.InvalidArgument, "the list of media is empty")
	case slices.ContainsFunc(a.Media, func(s rose.MediaSetting) bool { return s.Enabled != nil && !*s.Enabled }):
		return fail(rose.InvalidArgument, "a subscription to nothing")
	}
	for _, s := range a.Media {
		if !t.capable(s.MediaType) {
			return fail(rose.MediaNotSupported, "the capability for this media was not announced")
		}
	}
	for _, s := range a.Media {
		if _, ok := m.stream(s.MediaType); !ok {
			return fail(rose.NotPublishing, "the party does not publish this media")
		}
	}
	for _, d := range t.downs {
		for _, s := range a.Media {
			if d.of == m.who.ID && d.wishes[s.MediaType] != nil {
				return fail(rose.Conflict, "there is a subscription to this media already")
			}
		}
	}
	if len(t.downs) >= maxDowns {
		return fail(rose.TooMany, "there are too many subscriptions")
	}
	return nil
}

func (w *wish) set(s rose.MediaSetting) {
	if s.Muted != nil {
		w.paused = *s.Muted
	}
	if s.Quality != nil {
		w.quality = *s.Quality
	}
	if s.MaxBitrate != nil {
		w.bitrate = *s.MaxBitrate
	}
}

// unsubscribe handles asnUnsubscribeMedia.
func (t *seat) unsubscribe(_ context.Context, a *rose.UnsubscribeMediaArgument) (*rose.UnsubscribeMediaResult, error) {
	d := t.downs[a.SubscriptionID]
	if d == nil {
		return nil, errNoSubscription()
	}
	d.close()
	return new(rose.UnsubscribeMediaResult), nil
}

func errNoSubscription() error {
	return fail(rose.SubscriptionNotFound, "there is no such subscription")
}

// configureMedia handles asnConfigureMedia.
func (t *seat) configureMedia(ctx context.Context, a *rose.ConfigureMediaArgument) (*rose.ConfigureMediaResult, error) {
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	d := t.downs[a.SubscriptionID]
	if d == nil {
		return nil, errNoSubscription()
	}
	if err := errors.Join(rose.Check(a), checkSettings(a.Media)); err != nil {
		return nil, err
	}
	if len(a.Media) == 0 {
		return nil, fail(rose.InvalidArgument, "the list of media is empty")
	}
	m := t.members[d.of]
	if err := d.mayConfigure(m, a.Media); err != nil {
		return nil, err
	}
	anew := d.configure(a.Media)
	if err := d.arrange(m); err != nil {
		return nil, err
	}
	var err error
	if anew {
		err = t.s.soon(func() error { return d.offer(context.WithoutCancel(ctx)) })
	}
	return d.settings(), err
}

// configure changes the wishes, and reports whether there are others than before.
func (d *downlink) configure(all []rose.MediaSetting) (anew bool) {
	for _, s := range all {
		w := d.wishes[s.MediaType]
		switch off := s.Enabled != nil && !*s.Enabled; {
		case off && w != nil:
			delete(d.wishes, s.MediaType)
			anew = true
		case !off && w == nil:
			w = new(wish)
			d.wishes[s.MediaType] = w
			anew = true
		}
		if w != nil {
			w.set(s)
		}
	}
	return anew
}

// mayConfigure checks settings against what there is: a media that the subscription
// lacks can only be added.
func (d *downlink) mayConfigure(m *member, all []rose.MediaSetting) error {
	for _, s := range all {
		if d.wishes[s.MediaType] != nil {
			continue
		}
		on := s.Enabled != nil && *s.Enabled
		_, published := m.stream(s.MediaType)
		switch {
		case s.Enabled != nil && !on:
			continue // it is not there
		case on && !d.t.capable(s.MediaType):
			return fail(rose.MediaNotSupported, "the capability for this media was not announced")
		case !published:
			return fail(rose.NotPublishing, "the party does not publish this media")
		case !on:
			return fail(rose.InvalidArgument, "the subscription does not have this media")
		}
		for _, o := range d.t.downs {
			if o != d && o.of == d.of && o.wishes[s.MediaType] != nil {
				return fail(rose.Conflict, "there is a subscription to this media already")
			}
		}
	}
	return nil
}

// settings are all streams of the subscription, with every member filled.
func (d *downlink) settings() *rose.ConfigureMediaResult {
	r := &rose.ConfigureMediaResult{Media: []rose.MediaSetting{}}
	for _, m := range medias() {
		if w := d.wishes[m]; w != nil {
			r.Media = append(r.Media, rose.MediaSetting{
				MediaType: m, Enabled: new(true), Muted: new(w.paused), Quality: new(w.quality), MaxBitrate: new(w.bitrate),
			})
		}
	}
	return r
}
