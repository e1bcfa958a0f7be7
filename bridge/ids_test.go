package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestIDs(t *testing.T) {
	a, b := NewParticipantID(), NewParticipantID()
	if a == b || a.IsZero() || !(ParticipantID{}).IsZero() {
		t.Errorf("%s and %s", a, b)
	}
	if s := a.String(); len(s) != 36 || s[14] != '4' || !strings.Contains("89ab", s[19:20]) {
		t.Errorf("%s is no UUID of version 4", s)
	}
	for _, text := range []string{a.String(), strings.ToUpper(a.String())} {
		var back ParticipantID
		if err := back.UnmarshalText([]byte(text)); err != nil || back != a {
			t.Errorf("%s came back as %s, %v", text, back, err)
		}
	}
	raw, _ := json.Marshal(NewPublicationID())
	var pub PublicationID
	if err := json.Unmarshal(raw, &pub); err != nil || pub.IsZero() {
		t.Errorf("%s: %v", raw, err)
	}
	for _, text := range []string{"", "x", strings.Repeat("0", 36), "00000000-0000-0000-0000-00000000000g", "{" + a.String()[1:]} {
		if err := new(ParticipantID).UnmarshalText([]byte(text)); CodeOf(err) != BadRequest {
			t.Errorf("%q: %v", text, err)
		}
	}
	if back, ok := ParticipantIDFrom(a.Bytes()); !ok || back != a {
		t.Errorf("%s, %v", back, ok)
	}
	if back, ok := PublicationIDFrom(pub.Bytes()); !ok || back.Array() != pub.Array() {
		t.Errorf("%s, %v", back, ok)
	}
	for _, n := range []int{0, 15, 17} {
		if _, ok := ParticipantIDFrom(make([]byte, n)); ok {
			t.Errorf("%d bytes are an id", n)
		}
		if _, ok := PublicationIDFrom(make([]byte, n)); ok {
			t.Errorf("%d bytes are an id", n)
		}
	}
	if NewPeerID().IsZero() || NewMessageID().IsZero() {
		t.Error("zero")
	}
}

func TestNormalize(t *testing.T) {
	for text, want := range map[string]RoomID{
		"demo": "demo", "  Demo \t": "Demo", "team/standup": "team/standup", "Küche": "Küche",
		strings.Repeat("x", MaxRoomID): RoomID(strings.Repeat("x", MaxRoomID)),
		"":                             "", "  ": "", "a\x00b": "", "a\nb": "", "\xff": "", strings.Repeat("x", MaxRoomID+1): "",
	} {
		id, err := Normalize(text)
		if id != want || (err != nil) != (want == "") || err != nil && CodeOf(err) != BadRequest {
			t.Errorf("%q is %q, %v; want %q", text, id, err, want)
		}
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	s, token := Secret("hunter2"), ResumeToken("hunter2")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "token", token)
	encoded, _ := json.Marshal(map[string]any{"s": s})
	request := JoinRequest{Secret: s}
	spec := Spec{Secrets: map[Role]Secret{Speaker: s}}
	all := log.String() + string(encoded) + fmt.Sprintf("%v %+v %#v %s %q %v %#v %+v %+v", s, s, s, s, s, token, token, request, spec)
	if strings.Contains(all, "hunter") || !strings.Contains(all, "redacted") {
		t.Errorf("a secret shows in %s", all)
	}
	if empty, err := Secret("").MarshalText(); err != nil || len(empty) != 0 {
		t.Errorf("no secret is encoded as %q, %v", empty, err)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	e := &Error{Code: Forbidden, Msg: "you may not", Err: cause}
	wrapped := fmt.Errorf("do it: %w", e)
	for have, want := range map[string]string{
		e.Error():                         "forbidden: you may not: cause",
		MessageOf(wrapped):                "you may not",
		MessageOf(nil):                    "",
		MessageOf(cause):                  "internal",
		MessageOf(&Error{Code: RoomFull}): "room full",
		Code(200).String():                "code 200",
		CodeOf(nil).String():              "code 0",
		ByWish.String():                   "by wish",
		Refused.String():                  "refused",
		Reason(99).String():               "reason 99",
	} {
		if have != want {
			t.Errorf("%q, want %q", have, want)
		}
	}
	if CodeOf(wrapped) != Forbidden || CodeOf(cause) != Internal || CodeOf(nil) != 0 || !errors.Is(wrapped, cause) {
		t.Error("codes are lost by wrapping")
	}
	seen := map[string]bool{}
	for _, c := range Codes() {
		if s := c.String(); s == "" || seen[s] || strings.HasPrefix(s, "code") {
			t.Errorf("code %d is called %q", c, s)
		}
		seen[c.String()] = true
	}
	if len(seen) != int(Internal) {
		t.Errorf("%d codes", len(seen))
	}
}

func TestRolesGrow(t *testing.T) {
	if NoRole.Permissions() != 0 {
		t.Error("no role permits something")
	}
	for r := Listener; r <= Moderator; r++ {
		if r.Permissions() == (r-1).Permissions() || !r.Permissions().Has((r - 1).Permissions()) {
			t.Errorf("role %d does not have what %d has", r, r-1)
		}
	}
	for k, hidden := range map[Kind]bool{Person: false, Guest: false, Phone: false, Federated: false, Recorder: true, Service: true} {
		if k.Hidden() != hidden {
			t.Errorf("kind %d is hidden: %v", k, k.Hidden())
		}
	}
}

func TestBinaryIDs(t *testing.T) {
	want, have := NewMessageID(), MessageID{}
	b, err := want.MarshalBinary()
	if err != nil || len(b) != 16 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if err := have.UnmarshalBinary(b); err != nil || have != want {
		t.Errorf("have %s, %v, want %s", have, err, want)
	}
	for _, n := range []int{0, 15, 17} {
		if have.UnmarshalBinary(make([]byte, n)) == nil {
			t.Errorf("%d bytes are an id", n)
		}
	}
}
