package ahoy_test

import (
	_ "embed"
	"fmt"
	"sync"
	"testing"

	"dragoman/dialects/schematest"
)

//go:embed schema/server.json
var schemaText []byte

// parseSchema reads the schema; a test that uses it fails when it is broken.
var parseSchema = sync.OnceValues(func() (*schematest.Schema, error) { return schematest.Parse(schemaText) })

// checkSchema checks a frame.
func checkSchema(frame []byte) error {
	s, err := parseSchema()
	if err != nil {
		return fmt.Errorf("schema/server.json: %w", err)
	}
	return s.Check(frame)
}

func TestSchemaRefuses(t *testing.T) {
	const id = `"8e6ba9db9deb96bb23c70788f1b9a7634245aecf1160787ca571ab12dde07b78"`
	for name, frame := range map[string]string{
		"no type":                        `{"status":200,"reason":"OK"}`,
		"an unknown type":                `{"messageType":"CONFERENCE_WAVE_indication"}`,
		"a type with a blank":            `{"messageType":"CONFERENCE_KICK indication","timeout":0}`,
		"a flag for timeout":             `{"messageType":"CONFERENCE_KICK_indication","timeout":true}`,
		"another timeout":                `{"messageType":"CONFERENCE_KICK_indication","timeout":2}`,
		"a transaction of an indication": `{"messageType":"CONFERENCE_LOCK_indication","locked":true,"transactionID":"x"}`,
		"a number for a flag":            `{"messageType":"CONFERENCE_LOCK_indication","locked":1}`,
		"a response without status":      `{"messageType":"MEDIA_response","reason":"OK","transactionID":"x"}`,
		"a short memberID":               `{"messageType":"MEDIA_event","member":{"name":"","memberID":"8e6b"},"event":"audio_muted"}`,
		"an unknown event":               `{"messageType":"MEDIA_event","member":{"name":"","memberID":` + id + `},"event":"waves"}`,
		"null for a name":                `{"messageType":"MEDIA_event","member":{"name":null,"memberID":` + id + `},"event":"audio_muted"}`,
		"speaking is missing":            `{"messageType":"MEDIA_indication","member":{"name":"","memberID":` + id + `},"audio":{"available":true,"muted":false},"video":{"available":true,"muted":false}}`,
		"a percent sign in SDP":          `{"messageType":"SDP_request","transactionID":` + id + `,"member":{"name":"","memberID":` + id + `},"sdp":"v=0\r\ns=%20"}`,
		"a member without ip":            `{"messageType":"CONFERENCE_JOIN_indication","member":{"name":"","memberID":` + id + `,"moderator":false,"speaker":true,"webrtc":true,"audio":{"available":false,"muted":true,"speaking":false},"video":{"available":false,"muted":true}}}`,
		"members null":                   `{"messageType":"CONFERENCE_JOIN_response","status":200,"reason":"OK","remainingSeconds":-1,"locked":false,"conferenceID":"r","conferenceName":"r","description":"","speakerID":` + id + `,"memberID":` + id + `,"moderator":true,"speaker":true,"webrtc":true,"members":null}`,
	} {
		if checkSchema([]byte(frame)) == nil {
			t.Errorf("%s: the schema allows %s", name, frame)
		}
	}
}
