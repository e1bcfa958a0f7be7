package livekit

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	protocol "github.com/livekit/protocol/livekit"

	"dragoman/bridge"
	"dragoman/cluster/livekit"
	"dragoman/cluster/livekit/livekittest"
	"dragoman/dialects/admin"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
	"dragoman/media/mediatest"
)

// TestThrough (recipe 3): two LiveKit rooms meet through one of ours, and nothing is lost
// or doubled on the way, and nobody comes round.
func TestThrough(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	through := func(theirs string) func(*livekit.Settings) {
		return func(p *livekit.Settings) { p.Room, p.Rooms, p.Transit = theirs, []string{"r"}, true }
	}
	n := node.Start(t, node.Options{Config: peered(peering(lk, "one", through("first")), peering(lk, "two", through("second")))})
	anna := s.at(n, "ahoy", "r", "Anna")
	lara, l := s.guest(lk, "first", "Lara", livekittest.JoinOptions{Media: mediatest.Config{Simulcast: true}})
	luc, u := s.guest(lk, "second", "Luc", livekittest.JoinOptions{})
	all := []driver.Member{anna, lara, luc}
	s.look(all, all)
	for c, name := range map[*livekittest.Client]string{l: "Luc", u: "Lara"} {
		ids := c.Named(name)
		if len(ids) != 1 {
			t.Fatalf("%s sees %v who are %s", c.Identity(), ids, name)
		}
		video, sound := c.Received(ids[0], livekittest.Camera), c.Received(ids[0], livekittest.Microphone)
		if video.Lost+video.Undecodable > 0 || video.Broken > video.Switches || sound.Lost > 0 {
			t.Errorf("%s received %+v and %+v", c.Identity(), video, sound)
		}
		s.keyed(c, ids[0])
	}
	s.do("say", func(ctx context.Context) error {
		return errors.Join(lara.Say(ctx, "", "to all"), luc.Say(ctx, "", "me, too"))
	})
	s.saw(luc, driver.Sight{What: driver.Said, Who: "Lara", Text: "to all"})
	s.saw(lara, driver.Sight{What: driver.Said, Who: "Luc", Text: "me, too"})
	s.saw(anna, driver.Sight{What: driver.Said, Who: "Luc", Text: "me, too"})
	s.settle()
	s.alone(lk, "first", "Lara", "Anna", "Luc")
	s.alone(lk, "second", "Luc", "Anna", "Lara")
	s.attend(patience, []string{n.Admin()}, "r", "Anna", "Lara", "Luc")
	for _, m := range []driver.Member{luc, anna} {
		s.times(m, driver.Sight{What: driver.Said, Text: "to all"}, 1)
	}
	s.do("leave", lara.Leave)
	s.saw(luc, driver.Sight{What: driver.Left, Who: "Lara"})
	s.alone(lk, "second", "Luc", "Anna")
}

// settle waits as long as it takes until somebody would have been seen who should not:
// LiveKit tells of silent people up to three seconds late.
func (s *stage) settle() { s.away(5 * time.Second) }

// TestSpeakers (recipe 4): who is loud is told of as a speaker, both ways; who is silent,
// or does not say how loud it is, is not.
func TestSpeakers(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	level := func(l uint8) func(*driver.Options) {
		return func(o *driver.Options) { o.Media.Level = l }
	}
	kim, anna := s.at(n, "k3k", "r", "Kim", level(10)), s.at(n, "ahoy", "r", "Anna", level(127))
	lara, _ := s.guest(lk, "r", "Lara", livekittest.JoinOptions{Media: mediatest.Config{Level: 10}})
	luc, _ := s.guest(lk, "r", "Luc", livekittest.JoinOptions{NoLevels: true})
	s.saw(lara, driver.Sight{What: driver.Talks, Who: "Kim"})
	s.saw(luc, driver.Sight{What: driver.Talks, Who: "Kim"})
	s.saw(anna, driver.Sight{What: driver.Talks, Who: "Lara"})
	s.settle()
	for _, m := range []driver.Member{lara, luc, kim} {
		s.times(m, driver.Sight{What: driver.Talks, Who: "Anna"}, 0)
	}
	s.times(anna, driver.Sight{What: driver.Talks, Who: "Luc"}, 0)
	// Who began first is in focus for k3k; when that one is silent, it is the next.
	s.do("mute", func(ctx context.Context) error { return kim.Mute(ctx, true) })
	s.saw(kim, driver.Sight{What: driver.Talks, Who: "Lara"})
}

// TestModeration (recipe 5): moderators of each side mute and remove people of the other,
// if these are no moderators themselves.
func TestModeration(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Start(t, node.Options{Config: peered(peering(lk, "lk"))})
	enters := func(with bridge.Secret) func(*driver.Options) {
		return func(o *driver.Options) {
			o.Secrets = map[bridge.Role]string{bridge.NoRole: string(with), bridge.Listener: "l", bridge.Speaker: "s", bridge.Moderator: "m"}
		}
	}
	anna, kim := s.at(n, "ahoy", "r", "Anna", enters("s")), s.at(n, "k3k", "r", "Kim", enters("m"))
	lara, inside := s.guest(lk, "r", "Lara", livekittest.JoinOptions{})
	luc, _ := s.guest(lk, "r", "Luc", livekittest.JoinOptions{})
	all := []driver.Member{kim, anna, lara, luc}
	s.look(all, all)

	s.do("mute Anna", func(ctx context.Context) error { return lara.Driver.(driver.Muter).MuteOther(ctx, "Anna", true) })
	s.saw(luc, driver.Sight{What: driver.Muted, Who: "Anna"})
	s.saw(anna, driver.Sight{What: driver.Said, Who: "Anna", Text: "[Somebody asks you to switch off your microphone]"})
	s.do("silence of Anna", func(ctx context.Context) error { return luc.Deaf(ctx, "Anna") })

	s.act(n, "mute", map[string]any{"participants": []string{s.id(n, "Lara")}, "track": "audio", "force": true})
	s.do("Lara is muted", func(ctx context.Context) error {
		return inside.WaitTold(ctx, livekittest.Told{What: livekittest.Muted, Who: "Lara", Text: livekittest.Microphone.String()})
	})
	s.do("silence of Lara", func(ctx context.Context) error { return errors.Join(anna.Deaf(ctx, "Lara"), luc.Deaf(ctx, "Lara")) })

	s.do("remove Luc", func(ctx context.Context) error { return kim.Kick(ctx, "Luc") })
	s.saw(luc, driver.Sight{What: driver.ThrownOut})
	for _, m := range []driver.Member{kim, anna, lara} {
		s.saw(m, driver.Sight{What: driver.Left, Who: "Luc"})
	}
	s.do("remove Anna", func(ctx context.Context) error { return lara.Kick(ctx, "Anna") })
	s.saw(anna, driver.Sight{What: driver.ThrownOut})
	s.saw(kim, driver.Sight{What: driver.Left, Who: "Anna"})
	anna.Close()
	s.settle()
	s.attend(patience, []string{n.Admin()}, "r", "Kim", "Lara")
	s.alone(lk, "r", "Kim", "Lara")
}

// act does something with a room r, as the operator.
func (s *stage) act(n *node.Node, what string, in any) {
	s.Helper()
	s.do(what, func(ctx context.Context) error {
		return node.Operator(n.Admin()).Do(ctx, http.MethodPost, "/api/v1/rooms/r/"+what, in, nil)
	})
}

// id is the id of somebody in a room r.
func (s *stage) id(n *node.Node, name string) (id string) {
	s.Helper()
	s.until(patience, name+" is there", func() error {
		var r admin.Room
		err := node.Operator(n.Admin()).Do(s.ctx, http.MethodGet, "/api/v1/rooms/r", nil, &r)
		for _, p := range r.Participants {
			if p.Name == name {
				id = p.ID
				return nil
			}
		}
		return errors.Join(err, errors.New("nobody of that name"))
	})
	return id
}

// TestEdges (recipe 7): two nodes of a cluster have the same LiveKit room. Each sees only
// who is LiveKit's own as federated, and these see each of ours once. That somebody says to
// be one of ours changes nothing.
func TestEdges(t *testing.T) {
	s := newStage(t)
	lk := livekittest.Start(t, livekittest.Options{})
	n := node.Cluster(t, 2, peered(peering(lk, "lk")))
	roots := []string{n[0].Admin(), n[1].Admin()}
	anna, kim := s.at(n[0], "ahoy", "r", "Anna"), s.at(n[1], "k3k", "r", "Kim")
	lara, _ := s.guest(lk, "r", "Lara", livekittest.JoinOptions{})
	forged, _ := s.guest(lk, "r", "Luc", livekittest.JoinOptions{Attributes: map[string]string{"bridge.cluster": "dragoman", "bridge.node": "n0"}})
	other, _ := s.guest(lk, "r", "Mia", livekittest.JoinOptions{Kind: protocol.ParticipantInfo_BRIDGE, Attributes: map[string]string{"bridge.cluster": "another"}})
	all := []driver.Member{anna, kim, lara, forged, other}
	s.look(all, all)
	s.settle()
	s.attend(patience, roots, "r", "Anna", "Kim", "Lara", "Luc", "Mia")
	s.alone(lk, "r", "Anna", "Kim", "Lara", "Luc", "Mia")
	for _, root := range roots {
		var r admin.Room
		s.do("ask", func(ctx context.Context) error {
			return node.Operator(root).Do(ctx, http.MethodGet, "/api/v1/rooms/r", nil, &r)
		})
		for _, p := range r.Participants {
			if theirs := p.Name != "Anna" && p.Name != "Kim"; (p.Kind == "federated") != theirs {
				t.Errorf("%s is of kind %s", p.Name, p.Kind)
			}
		}
	}
	for _, m := range all {
		for _, of := range all {
			if m.Name != of.Name {
				s.times(m, driver.Sight{What: driver.Came, Who: of.Name}, 1)
			}
		}
	}
}
