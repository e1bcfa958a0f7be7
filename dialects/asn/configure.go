package asn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// configurePublishing handles asnConfigurePublishing.
func (t *seat) configurePublishing(ctx context.Context, a *rose.ConfigurePublishingArgument) (*rose.ConfigurePublishingResult, error) {
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	m := t.me
	var err error
	switch {
	case a.PartyID == nil || *a.PartyID == t.id.String():
		err = t.configureSelf(ctx, a)
	case !t.me.moderates():
		return nil, fail(rose.Forbidden, "only moderators configure others")
	default:
		if m, err = t.partyByID(*a.PartyID); err == nil {
			err = t.configureOther(ctx, m, a)
		}
	}
	if err == nil {
		err = t.sync(ctx)
	}
	if err != nil {
		return nil, err
	}
	r := &rose.ConfigurePublishingResult{Party: *m.party()}
	if m == t.me {
		r.PublishID = t.up.publishID()
	}
	return r, nil
}

// checkPublishing holds what is common to settings of a publishing leg.
func checkPublishing(all []rose.MediaSetting) error {
	for _, s := range all {
		if s.Quality != nil || s.MaxBitrate != nil {
			return fail(rose.InvalidArgument, "quality and bitrate are for subscriptions")
		}
	}
	return checkSettings(all)
}

// configureSelf changes one's own leg and what one says of oneself.
func (t *seat) configureSelf(ctx context.Context, a *rose.ConfigurePublishingArgument) error {
	if err := errors.Join(rose.Check(a), checkPublishing(a.Media)); err != nil {
		return err
	}
	if a.Contact != nil && strings.TrimSpace(a.Contact.DisplayName) == "" {
		return fail(rose.DisplayNameMissing, "the display name is empty")
	}
	next := t.self
	if a.Contact != nil {
		next.Contact = *a.Contact
	}
	if a.Capabilities != nil {
		next.Capabilities = once(*a.Capabilities)
	}
	if a.Properties != nil {
		next.Properties = own(a.Properties)
	}
	if err := t.maySet(next, a.Media); err != nil {
		return err
	}
	if a.Image != nil {
		id, err := t.d.keepImage(ctx, *a.Image, time.Now().Add(pictureLife))
		if err != nil {
			return err
		}
		next.ImageID = &id
	}
	if err := t.describe(ctx, next); err != nil {
		return err
	}
	if err := t.setPublisher(ctx, a.Publisher); err != nil {
		return err
	}
	return t.set(ctx, a.Media)
}

// maySet checks settings of one's own leg. What a moderator of another dialect
// holds down stays down (README.md).
func (t *seat) maySet(next rose.ConferenceParty, all []rose.MediaSetting) error {
	capable := t.self.Capabilities
	t.self.Capabilities = next.Capabilities
	defer func() { t.self.Capabilities = capable }()
	for _, s := range all {
		on := s.Enabled != nil && *s.Enabled
		if on && !t.capable(s.MediaType) {
			return fail(rose.MediaNotSupported, "the capability for this media was not announced")
		}
		if on && !(t.me.who.Can | t.lifts).Has(permission(s.MediaType)) && t.me.who.Can&publishing != 0 {
			return fail(rose.Forbidden, "you are not allowed to publish this media")
		}
		if p, ok := t.me.stream(s.MediaType); ok && s.Muted != nil && !*s.Muted && state(p, s.MediaType) == bridge.Silenced {
			return fail(rose.Forbidden, "a moderator has muted you")
		}
	}
	return nil
}

// describe changes what one says of oneself.
func (t *seat) describe(ctx context.Context, next rose.ConferenceParty) error {
	text := string(rose.JSON.Marshal(&next))
	if len(text) > bridge.MaxAttrs {
		return fail(rose.TooLarge, "contact, capabilities and properties are too large")
	}
	old := t.self
	t.self = next
	if name := cut(next.Contact.DisplayName, bridge.MaxName); name != t.me.who.Name && name != cut(old.Contact.DisplayName, bridge.MaxName) {
		if err := t.session.Do(ctx, bridge.Rename{Name: name}); err != nil {
			return err
		}
	}
	if text != t.me.who.Attrs[attrParty] {
		if err := t.session.Do(ctx, bridge.SetAttrs{Attrs: map[string]string{attrParty: text}}); err != nil {
			return err
		}
	}
	if old.ImageID != nil && next.ImageID != nil && *old.ImageID != *next.ImageID {
		t.d.dropImage(ctx, *old.ImageID)
	}
	return t.up.publish(ctx) // a capability that was dropped takes its stream along
}

// setPublisher makes the party a publisher, or just a member.
func (t *seat) setPublisher(ctx context.Context, on *bool) error {
	switch {
	case on == nil:
		return nil
	case !*on:
		if err := t.up.close(ctx); err != nil {
			return err
		}
		if t.me.who.Can&publishing == 0 {
			return nil
		}
		t.lifts |= t.me.who.Can & publishing
		return t.d.command(ctx, t.room.ID, bridge.Permit{Target: t.id, Remove: publishing})
	}
	if t.me.who.Can&publishing == 0 {
		if err := t.lift(ctx, publishing); err != nil {
			return err
		}
	}
	if t.up != nil {
		return nil
	}
	if err := t.newUplink(ctx); err != nil {
		return err
	}
	return nil
}

// lift takes back what an asn moderator has taken, or the party has given up itself.
func (t *seat) lift(ctx context.Context, want bridge.Permissions) error {
	missing := want &^ t.me.who.Can & t.lifts
	if want&^t.me.who.Can&^t.lifts == want {
		return fail(rose.Forbidden, "you are not allowed to publish")
	}
	if missing == 0 {
		return nil
	}
	if err := t.d.command(ctx, t.room.ID, bridge.Permit{Target: t.id, Add: missing}); err != nil {
		return err
	}
	return t.sync(ctx)
}

// set changes the settings of one's own leg.
func (t *seat) set(ctx context.Context, all []rose.MediaSetting) error {
	for _, s := range all {
		w := t.wants[s.MediaType]
		if s.Muted != nil {
			w.muted = *s.Muted
		}
		if s.Enabled != nil {
			w.off, w.revoked = !*s.Enabled, false
			if need := permission(s.MediaType); *s.Enabled && !t.me.who.Can.Has(need) && t.lifts.Has(need) {
				if err := t.lift(ctx, need); err != nil {
					return err
				}
			}
		}
		t.wants[s.MediaType] = w
	}
	return t.up.publish(ctx)
}

// permitted is called when the party may publish more, or less, than before. The
// room has ended what is not permitted any more.
func (t *seat) permitted(ctx context.Context) error {
	for m, w := range t.wants {
		if !t.me.who.Can.Has(permission(m)) {
			w.revoked = false // it comes back with the permission
			t.wants[m] = w
		}
	}
	if t.me.who.Can&publishing == 0 {
		return t.up.close(ctx)
	}
	return t.up.publish(ctx)
}

// note is what a moderator tells all parties of this dialect about a party that it
// is about to change: who is behind the change, and what the room model has no
// word for.
type note struct {
	Target bridge.ParticipantID
	Muted  map[rose.ConferenceMediaType]bool `json:",omitempty"` // to be set by the party itself
	Lifts  bridge.Permissions                `json:",omitempty"` // what it may take back by itself
}

// obey does what a moderator wants of this party.
func (t *seat) obey(ctx context.Context, n note) error {
	t.lifts |= n.Lifts
	for m, muted := range n.Muted {
		w := t.wants[m]
		w.muted = muted
		t.wants[m] = w
	}
	err := t.up.publish(ctx)
	if err != nil {
		t.s.c.Log.Info("settings of a moderator", "err", err)
	}
	return nil
}

// configureOther is a moderator's change of another leg.
func (t *seat) configureOther(ctx context.Context, m *member, a *rose.ConfigurePublishingArgument) error {
	if a.Contact != nil || a.Capabilities != nil || a.Properties != nil || a.Image != nil {
		return fail(rose.InvalidArgument, "contact, capabilities, properties and image are everybody's own")
	}
	if err := errors.Join(rose.Check(a), checkPublishing(a.Media)); err != nil {
		return err
	}
	add, remove, err := grants(m, a)
	if err != nil {
		return err
	}
	n := note{Target: m.who.ID, Muted: map[rose.ConferenceMediaType]bool{}, Lifts: remove}
	for _, s := range a.Media {
		if s.Muted != nil {
			n.Muted[s.MediaType] = *s.Muted
		}
	}
	if m.who.Dialect == Name {
		if err := t.announce(ctx, n); err != nil {
			return err
		}
	}
	if err := t.permit(ctx, m, add, remove); err != nil {
		return err
	}
	return t.muteOther(ctx, m, n.Muted)
}

// grants are the permissions that settings give and take. Moderators cannot make a
// client send: they can only allow it.
func grants(m *member, a *rose.ConfigurePublishingArgument) (add, remove bridge.Permissions, err error) {
	if a.Publisher != nil && *a.Publisher {
		add = publishing
	} else if a.Publisher != nil {
		remove = publishing
	}
	for _, s := range a.Media {
		switch {
		case s.Enabled == nil:
		case !*s.Enabled:
			remove |= permission(s.MediaType)
		default:
			if said, own := m.said(); own && !has(said.Capabilities, s.MediaType) {
				return 0, 0, fail(rose.MediaNotSupported, "the party has not announced the capability for this media")
			}
			add |= permission(s.MediaType)
		}
	}
	return add &^ remove &^ m.who.Can, remove & m.who.Can, nil
}

func has(c rose.ConferenceCapabilities, m rose.ConferenceMediaType) bool {
	return slices.Contains(c.ClientCapabilities, int64(m))
}

// announce says who is behind what follows. For parties of other dialects the room
// says so.
func (t *seat) announce(ctx context.Context, n note) error {
	t.blame[n.Target] = blame{t.id, time.Now().Add(blameTime)}
	return t.session.Do(ctx, bridge.Send{Topic: topicSettings, Data: marshal(n)})
}

// permit changes what somebody may publish. A moderator that publishes nothing
// itself cannot give what it does not have, so the bridge does it.
func (t *seat) permit(ctx context.Context, m *member, add, remove bridge.Permissions) error {
	if add == 0 && remove == 0 {
		return nil
	}
	c := bridge.Permit{Target: m.who.ID, Add: add, Remove: remove}
	if t.me.who.Can.Has(add) {
		return t.session.Do(ctx, c)
	}
	return t.d.command(ctx, t.room.ID, c)
}

// muteOther mutes and unmutes streams of somebody. Unmuting is up to the owner's own
// server, which has been told: only parties of this dialect expect it.
func (t *seat) muteOther(ctx context.Context, m *member, all map[rose.ConferenceMediaType]bool) error {
	for media, muted := range all {
		if err := t.muteStream(ctx, m, media, muted); err != nil {
			return err
		}
	}
	if m.who.Dialect != Name {
		return nil
	}
	return t.await(ctx, func() bool {
		for media, muted := range all {
			if p, there := m.stream(media); there && !muted && state(p, media) != bridge.Live {
				return false
			}
		}
		return true
	})
}

// muteStream silences a stream, or lets it go. A silenced one of this dialect is let
// go at once, so that its owner can unmute it (reference 3504). Clients of others do
// not know that they may: some would be unmuted by the next thing that they say.
func (t *seat) muteStream(ctx context.Context, m *member, media rose.ConferenceMediaType, muted bool) error {
	p, there := m.stream(media)
	if !there {
		return nil
	}
	for _, track := range tracksOf(media) {
		c := bridge.Mute{Targets: []bridge.ParticipantID{m.who.ID}, Source: p.Source, Track: track}
		if muted {
			c.Force = true
			if err := t.session.Do(ctx, c); err != nil {
				return err
			}
			if m.who.Dialect != Name {
				continue
			}
		}
		c.Force, c.Off = false, true
		if err := t.session.Do(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// tracksOf are the tracks that a media can have: a screen has its sound.
func tracksOf(media rose.ConferenceMediaType) []bridge.Track {
	if media != rose.MediaScreen {
		return []bridge.Track{placeOf(media).track}
	}
	return []bridge.Track{bridge.Audio, bridge.Video}
}

// obeyTime is how long another party's server may take to do what a moderator wants.
const obeyTime = 500 * time.Millisecond

// await takes in events until a condition holds, or obeyTime has passed.
func (t *seat) await(ctx context.Context, met func() bool) error {
	timer := time.NewTimer(obeyTime)
	defer timer.Stop()
	wake := t.s.c.Wake()
	defer func() { // what else was told is still to be read
		select {
		case wake <- struct{}{}:
		default:
		}
	}()
	for {
		if err := t.sync(ctx); err != nil {
			return err
		}
		if met() {
			return nil
		}
		select {
		case <-wake:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
