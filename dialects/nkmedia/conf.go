package nkmedia

import (
	"cmp"
	"context"
	"slices"
	"time"

	"dragoman/bridge"
)

// Words of fields (reference 6.1, 8.2).
var (
	audioCodecs = []string{"opus", "isac32", "isac16", "pcmu", "pcma"}
	videoCodecs = []string{"vp8", "vp9", "h264"}
	backends    = []string{janus, "nkmedia_kms", "nkmedia_fs"}
)

const (
	janus = "nkmedia_janus"
	sfu   = "sfu"
)

// codecNames are the codecs that there really are, as the room model names them.
var codecNames = map[string]string{
	"opus": "opus", "pcmu": "PCMU", "pcma": "PCMA", "vp8": "VP8", "vp9": "VP9", "h264": "H264",
}

// Attributes of a room that say what its conference is like.
const (
	attrBackend = Name + "/backend"
	attrAudio   = Name + "/audio_codec"
	attrVideo   = Name + "/video_codec"
)

// conference is what a conference is like.
type conference struct {
	backend, audio, video string
	bitrate               int
}

// confOf returns what that of a room is like. A room of another dialect has the
// usual codecs.
func confOf(i bridge.Info) conference {
	return conference{
		backend: cmp.Or(i.Attrs[attrBackend], janus), audio: cmp.Or(i.Attrs[attrAudio], "opus"),
		video: cmp.Or(i.Attrs[attrVideo], "vp8"), bitrate: i.MaxBitrate,
	}
}

// created is the body of the event of that name.
func (c conference) created() object {
	return object{"class": sfu, "backend": c.backend, "audio_codec": c.audio, "video_codec": c.video, "bitrate": c.bitrate}
}

// codecs are all that is negotiated with its publishers.
func (c conference) codecs() []string { return []string{codecNames[c.audio], codecNames[c.video]} }

// confOptions are the fields by which a conference is described; with a prefix in
// session/create.
func confOptions(prefix string) []field {
	return []field{
		{name: prefix + "audio_codec", kind: isWord, words: audioCodecs},
		{name: prefix + "video_codec", kind: isWord, words: videoCodecs},
		{name: prefix + "bitrate", kind: isNumber},
	}
}

// confCommands are those of media/conf (reference 6).
func confCommands() map[string]command {
	id := []field{{name: "conf_id", must: true, max: maxID}, {name: "password", max: maxID}}
	create := append([]field{
		{name: "class", must: true, kind: isWord, words: []string{sfu, "mcu"}},
		{name: "conf_id", max: maxID},
		{name: "backend", kind: isWord, words: backends},
	}, confOptions("")...)
	return map[string]command{
		"media/conf/create":      {create, (*speaker).createConf},
		"media/conf/destroy":     {id, (*speaker).destroyConf},
		"media/conf/get_list":    {[]field{{name: "service"}}, (*speaker).listConfs},
		"media/conf/get_info":    {id, (*speaker).confInfo},
		"media/conf/msglog_send": {slices.Concat(id, []field{{name: "msg", must: true, kind: isObject}}), (*speaker).logMessage},
		"media/conf/msglog_get":  {id, (*speaker).messageLog},
	}
}

// roomNamed returns the room of a conference id.
func roomNamed(v values, name string) (bridge.RoomID, error) {
	room, err := bridge.Normalize(v.text(name))
	if err != nil {
		return "", refuse(syntaxError, name)
	}
	return room, nil
}

// createConf handles conf/create (reference 6.1).
func (s *speaker) createConf(ctx context.Context, q *request) (any, error) {
	if q.v.text("class") == "mcu" {
		return nil, refuse(notImplemented)
	}
	room := bridge.RoomID("conf-" + newID())
	if q.v.has("conf_id") {
		var err error
		if room, err = roomNamed(q.v, "conf_id"); err != nil {
			return nil, err
		}
	}
	if err := s.makeRoom(ctx, room, q.v, ""); err != nil {
		return nil, err
	}
	q.after(func(ctx context.Context) error { return s.announce(ctx, room, q.v, "") })
	return q.conf(string(room), object{}), nil
}

// conference is what a client wants one to be like.
func (s *speaker) conference(v values, prefix string) conference {
	return conference{
		backend: cmp.Or(v.text("backend"), janus), audio: cmp.Or(v.text(prefix+"audio_codec"), "opus"),
		video: cmp.Or(v.text(prefix+"video_codec"), "vp8"), bitrate: cmp.Or(v.number(prefix+"bitrate"), s.d.cfg.Room.MaxBitrate),
	}
}

// maxMade is how many conferences a client may make in a minute: each is there for a
// while, and there are not rooms without end.
const maxMade = 120

func (s *speaker) mayMake() bool {
	if s.made == 0 {
		s.c.After(time.Minute, func(context.Context) error {
			s.made = 0
			return nil
		})
	}
	s.made++
	return s.made <= maxMade
}

// makeRoom makes the room of a conference. Exists: there is one.
func (s *speaker) makeRoom(ctx context.Context, room bridge.RoomID, v values, prefix string) error {
	if !s.mayMake() {
		return refuse(noMediaServer)
	}
	c := s.conference(v, prefix)
	if c.backend == "nkmedia_fs" || codecNames[c.audio] == "" {
		return refuse(notImplemented)
	}
	idle := s.d.cfg.Room.Idle
	err := s.d.env.Host.Create(ctx, bridge.Spec{
		ID: room, MaxBitrate: c.bitrate, KeepChat: s.d.cfg.Room.KeepLog, NeverJoined: idle, EmptyTimeout: idle,
		Attrs: map[string]string{attrBackend: c.backend, attrAudio: c.audio, attrVideo: c.video},
	})
	return translated(err, map[bridge.Code]int{bridge.Unavailable: noMediaServer})
}

// announce tells all connections that a conference was made, and what it is like.
func (s *speaker) announce(ctx context.Context, room bridge.RoomID, v values, prefix string) error {
	body, err := rawOf(s.conference(v, prefix).created())
	if err != nil {
		return err
	}
	return send(ctx, s.house, bridge.ParticipantID{}, topicCreated, made{room, body})
}

// destroyConf handles conf/destroy. It asks the room, whose rules may refuse
// (reference 10.8).
func (s *speaker) destroyConf(ctx context.Context, q *request) (any, error) {
	room, err := s.confIn(q)
	if err != nil {
		return nil, err
	}
	if s.grant.Role != bridge.NoRole && s.grant.Role < bridge.Moderator {
		return nil, refuse(unauthorized)
	}
	q.after(func(ctx context.Context) error {
		body, err := rawOf(reason(apiStop))
		if err != nil {
			return err
		}
		return send(ctx, s.house, bridge.ParticipantID{}, topicGone, made{room, body})
	})
	return nil, s.visiting(ctx, room, func(x *bridge.Session) error {
		if !x.At.Self.Can.Has(bridge.Managing) {
			return refuse(unauthorized)
		}
		end := bridge.PutDoc{Key: docEnd, Value: []byte(s.api), IfVersion: bridge.AnyVersion}
		if err := x.Do(ctx, end); err != nil {
			return err
		}
		return x.Do(ctx, bridge.CloseRoom{Reason: bridge.ByEnd})
	})
}

// confIn returns the room that a request is about, and remembers its password if
// the client gives one.
func (s *speaker) confIn(q *request) (bridge.RoomID, error) {
	room, err := roomNamed(q.v, "conf_id")
	if err == nil && q.v.has("password") {
		s.keepSecret(room, q.v.text("password"))
	}
	return room, err
}

// maxSecrets is how many passwords of rooms a connection remembers.
const maxSecrets = 100

func (s *speaker) keepSecret(room bridge.RoomID, secret string) {
	if len(s.secrets) >= maxSecrets {
		clear(s.secrets)
	}
	s.secrets[room] = bridge.Secret(secret)
}

// listConfs handles conf/get_list.
func (s *speaker) listConfs(ctx context.Context, q *request) (any, error) {
	infos, err := s.d.env.Host.List(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]object, 0, len(infos))
	for _, i := range infos {
		all = append(all, q.conf(string(i.ID), object{"class": sfu}))
	}
	return all, nil
}

// confInfo handles conf/get_info, and room/info of other versions (reference 14).
func (s *speaker) confInfo(ctx context.Context, q *request) (any, error) {
	room, err := s.confIn(q)
	if err != nil {
		return nil, err
	}
	var data object
	err = s.visiting(ctx, room, func(x *bridge.Session) error {
		data = confOf(x.At.Room).created()
		members, publishers, listeners := object{}, object{}, object{}
		for _, m := range s.listed(room, newRoster(x.At)) {
			s.remember(m.id, room)
			members[m.id] = m.doc()
			if m.role == publisher {
				publishers[m.id] = object{"user": m.user}
			} else {
				listeners[m.id] = object{"user": m.user, "peer": m.peer}
			}
		}
		data["members"] = members
		if q.room {
			q.conf(string(room), data)
			data["publishers"], data["listeners"] = publishers, listeners
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// visit takes a hidden seat in a room: for a party, or with nil for a moment. It is
// let in as this user would be: what a secret, a ban or a waiting room keeps from the
// user is not seen by this way either.
func (s *speaker) visit(ctx context.Context, room bridge.RoomID, p party) (*bridge.Session, error) {
	info, err := s.d.env.Host.Lookup(ctx, room)
	if err != nil {
		return nil, err
	}
	if info.WaitingRoom && !s.inside(room) {
		return nil, refuse(unauthorized)
	}
	// No AtMost: a hidden participant to whom a role is granted is let in anywhere.
	req := bridge.JoinRequest{
		Room: room, Kind: bridge.Service, User: s.grant.User, Name: s.user, Secret: s.secrets[room], Dialect: Name, Remote: s.c.Remote,
	}
	if p != nil {
		return s.join(ctx, req, p)
	}
	return s.d.env.Host.Join(ctx, req)
}

// visiting lends a hidden seat in a room to a function.
func (s *speaker) visiting(ctx context.Context, room bridge.RoomID, f func(*bridge.Session) error) error {
	x, err := s.visit(ctx, room, nil)
	if err != nil {
		return err
	}
	defer func() { _ = x.Leave(ctx, bridge.ByWish) }() // hidden: nobody notices
	return f(x)
}

// inside reports whether this client has a seat in a room, and does not wait.
func (s *speaker) inside(room bridge.RoomID) bool {
	return slices.ContainsFunc(s.seats, func(t *seat) bool { return t.room == room && !t.waiting })
}
