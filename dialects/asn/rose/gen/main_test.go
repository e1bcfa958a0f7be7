package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestCurrent: what is checked in is what the modules say.
func TestCurrent(t *testing.T) {
	want, err := generate("../../schema")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../types.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("types.go is not what the modules say: run go generate ./dialects/asn/rose")
	}
}

func TestParseRefuses(t *testing.T) {
	head := "M DEFINITIONS IMPLICIT TAGS ::= BEGIN "
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {"", "BEGIN"},
		"no end":              {head, "END"},
		"a type twice":        {head + "A ::= NULL A ::= NULL END", "twice"},
		"a list of nobody":    {head + "A ::= SEQUENCE OF SEQUENCE { } END", "without a name"},
		"an odd tag":          {head + "A ::= SEQUENCE { a [x] NULL } END", "invalid syntax"},
		"a value of nothing":  {head + "A ::= ENUMERATED { a } END", `want "("`},
		"an argument of none": {head + "o OPERATION ::= 1 END", "ARGUMENT"},
	} {
		if _, err := parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"u8sConferenceID": "ConferenceID", "bPublisher": "Publisher", "eRole": "Role", "binImageData": "ImageData", "urls": "URLs",
		"stStart": "Start", "seqPartyIDs": "PartyIDs", "iSequence": "Sequence", "contact": "Contact", "linked-ID": "LinkedID",
	} {
		if got := goField(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if got, err := goValue("AsnConferenceErrorEnum", "eMAILADDRESSMISSING"); got != "MailAddressMissing" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := goValue("X", "eWHATEVER"); err == nil {
		t.Error("a value of unknown words has a name")
	}
}
