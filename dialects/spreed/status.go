package spreed

import (
	"context"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"dragoman/bridge"
	"dragoman/dialects/spreed/wire"
)

// Attributes by which the speakers of others know a session of this dialect.
const (
	attrStatus = "spreed/status" // JSON, as others are shown it
	attrRev    = "spreed/rev"
	attrTold   = "spreed/told" // the Rev of the last status that others were told; a Hello raises Rev only
	attrUa     = "spreed/ua"
	attrUser   = "spreed/user"
)

// Attributes that all dialects may show.
const (
	attrAvatar  = "avatar" // a URL
	attrMessage = "status" // a text
)

// maxStatus bounds what a status may take of a participant's attributes.
const maxStatus = bridge.MaxAttrs - 8<<10

// known are the parts of a status that mean something elsewhere (reference 5.7).
type known struct {
	DisplayName  string `json:"displayName"`
	BuddyPicture string `json:"buddyPicture"`
	Message      string `json:"message"`
}

func knownOf(status json.RawMessage) (k known) {
	_ = json.Unmarshal(status, &k) // a status may be anything
	return k
}

// onStatus replaces the status (reference 5.7). One that is too large to be kept
// is dropped; the original server has no such bound.
func (s *speaker) onStatus(ctx context.Context, r wire.Request) error {
	if r.Status == nil {
		return nil
	}
	status, image, found := extract(r.Status.Status, func(i picture) string { return s.imageName(i) })
	if len(status) > maxStatus {
		s.c.Refused()
		return nil
	}
	if found {
		s.image = image
	}
	s.status = status
	s.rev++
	s.toldRev = s.rev
	return s.spread(ctx)
}

// attrs is the session as its room knows it.
func (s *speaker) attrs() map[string]string {
	k := knownOf(s.status)
	return map[string]string{
		attrStatus: string(s.status), attrRev: strconv.FormatUint(s.rev, 10),
		attrTold: strconv.FormatUint(s.toldRev, 10),
		attrUa:   cut(s.ua, bridge.MaxName), attrUser: cut(s.user, bridge.MaxName),
		attrMessage: cut(k.Message, 1<<10), attrAvatar: s.avatar(k.BuddyPicture),
	}
}

// name is what the client calls itself.
func (s *speaker) name() string { return cut(knownOf(s.status).DisplayName, bridge.MaxName) }

// spread tells the room what is different.
func (s *speaker) spread(ctx context.Context) error {
	if s.at == nil {
		return nil
	}
	if err := s.at.session.Do(ctx, bridge.Rename{Name: s.name()}); err != nil {
		return s.gentle(err)
	}
	return s.gentle(s.at.session.Do(ctx, bridge.SetAttrs{Attrs: s.attrs()}))
}

// cut shortens a text to so many bytes, at a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
