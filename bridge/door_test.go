package bridge

import (
	"fmt"
	"testing"
)

// The rule of ahoy.md 4.3, row by row. A small letter is a configured secret, a dash
// none; M, S and L in this order.
func TestRoleBySecret(t *testing.T) {
	const (
		wrong = NoRole     // WrongSecret
		none  = Role(0xff) // Unauthenticated
	)
	rows := []struct {
		secrets string
		given   Secret
		want    Role
	}{
		// Nothing is configured.
		{"---", "", Moderator},
		{"---", "x", Moderator},
		// The moderators' only.
		{"m--", "", Speaker},
		{"m--", "m", Moderator},
		{"m--", "x", wrong},
		// The speakers' only.
		{"-s-", "", Listener},
		{"-s-", "s", Moderator},
		{"-s-", "x", wrong},
		// The listeners' only.
		{"--l", "", Moderator},
		{"--l", "l", Listener},
		{"--l", "x", wrong},
		// Two of them.
		{"ms-", "", Listener},
		{"ms-", "m", Moderator},
		{"ms-", "s", Speaker},
		{"ms-", "x", wrong},
		{"m-l", "", Speaker},
		{"m-l", "m", Moderator},
		{"m-l", "l", Listener},
		{"-sl", "", none},
		{"-sl", "s", Moderator},
		{"-sl", "l", Listener},
		// All.
		{"msl", "", none},
		{"msl", "m", Moderator},
		{"msl", "s", Speaker},
		{"msl", "l", Listener},
		{"msl", "M", wrong},
		{"msl", "ms", wrong},
		// The same secret for several roles: the highest.
		{"aaa", "a", Moderator},
		{"-aa", "a", Moderator},
	}
	for _, r := range rows {
		d := door{secrets: map[Role]Secret{}}
		for i, role := range []Role{Moderator, Speaker, Listener} {
			if s := r.secrets[i : i+1]; s != "-" {
				d.secrets[role] = Secret(s)
			}
		}
		t.Run(fmt.Sprintf("%s given %q", r.secrets, string(r.given)), func(t *testing.T) {
			p, err := roleBySecret(d, r.given, compare)
			switch {
			case r.want == wrong && CodeOf(err) == WrongSecret:
			case r.want == none && CodeOf(err) == Unauthenticated:
			case err != nil || p.role != r.want:
				t.Errorf("role %d, %v; want %d", p.role, err, r.want)
			}
			if key := r.given != "" && r.given == d.secrets[Moderator]; p.key != key {
				t.Errorf("key %v, want %v", p.key, key)
			}
		})
	}
}

func TestUsualRole(t *testing.T) {
	rows := []struct {
		secrets map[Role]Secret
		given   Secret
		want    Role
	}{
		{nil, "", Listener},
		{nil, "x", Listener},
		{map[Role]Secret{Moderator: "m"}, "", Listener},
		{map[Role]Secret{Moderator: "m"}, "m", Moderator},
		{map[Role]Secret{Listener: "l"}, "", Listener},
		{map[Role]Secret{Speaker: "s"}, "s", Moderator},
	}
	for _, r := range rows {
		p, err := roleBySecret(door{secrets: r.secrets, usual: Listener}, r.given, compare)
		if err != nil || p.role != r.want {
			t.Errorf("%v given %q: role %d, %v; want %d", r.secrets, string(r.given), p.role, err, r.want)
		}
	}
	// Where speakers need a secret, what is usual opens nothing.
	p, err := roleBySecret(door{secrets: map[Role]Secret{Speaker: "s"}, usual: Moderator}, "", compare)
	if err != nil || p.role != Listener {
		t.Errorf("role %d, %v", p.role, err)
	}
}

func TestGrantsAtTheDoor(t *testing.T) {
	secured := door{secrets: map[Role]Secret{Moderator: "m", Speaker: "s", Listener: "l"}}
	rows := []struct {
		name string
		door door
		req  JoinRequest
		want pass
		code Code
	}{
		{"at most", door{}, JoinRequest{AtMost: Listener}, pass{role: Listener}, 0},
		{"at most is no more", secured, JoinRequest{Secret: "l", AtMost: Moderator}, pass{role: Listener}, 0},
		{"a key and at most", secured, JoinRequest{Secret: "m", AtMost: Speaker}, pass{role: Speaker, key: true}, 0},
		{"our own program", secured, JoinRequest{Kind: Service, AtMost: Moderator}, pass{role: Moderator, trusted: true}, 0},
		{"our own recorder", secured, JoinRequest{Kind: Recorder, AtMost: Listener}, pass{role: Listener, trusted: true}, 0},
		{"a program of nobody's", secured, JoinRequest{Kind: Service}, pass{}, Unauthenticated},
		{"a wrong secret", secured, JoinRequest{Secret: "x", AtMost: Moderator}, pass{}, WrongSecret},
	}
	for _, r := range rows {
		p, err := passOf(r.door, r.req, compare)
		if p != r.want || CodeOf(err) != r.code {
			t.Errorf("%s: %+v, %v; want %+v, %v", r.name, p, err, r.want, r.code)
		}
	}
}
