package k3k_test

import (
	_ "embed"
	"sync"
	"testing"

	"dragoman/dialects/schematest"
)

//go:embed schema/server.json
var schemaText []byte

var schema = sync.OnceValues(func() (*schematest.Schema, error) { return schematest.Parse(schemaText) })

func checkSchema(frame []byte) error {
	s, err := schema()
	if err != nil {
		return err
	}
	return s.Check(frame)
}

func TestSchemaRefuses(t *testing.T) {
	const (
		id   = `"35b94009-38db-453f-8e38-fb2635236e59"`
		head = `"timestamp":"2024-01-10T22:22:03.120000Z"`
	)
	for name, frame := range map[string]string{
		"no timestamp":          `{"namespace":"control","payload":{"message":"left","id":` + id + `}}`,
		"whole seconds":         `{"namespace":"control","timestamp":"2024-01-10T22:22:03Z","payload":{"message":"left","id":` + id + `}}`,
		"an unknown message":    `{"namespace":"control",` + head + `,"payload":{"message":"hand_raised"}}`,
		"another namespace":     `{"namespace":"media",` + head + `,"payload":{"message":"left","id":` + id + `}}`,
		"an unknown error":      `{"namespace":"media",` + head + `,"payload":{"message":"error","error":"oops"}}`,
		"no id":                 `{"namespace":"control",` + head + `,"payload":{"message":"left"}}`,
		"an id in upper case":   `{"namespace":"control",` + head + `,"payload":{"message":"left","id":"35B94009-38DB-453F-8E38-FB2635236E59"}}`,
		"an update w/o media":   `{"namespace":"control",` + head + `,"payload":{"message":"update","id":` + id + `,"control":{"display_name":"","role":"user","participation_kind":"user","hand_is_up":false,"joined_at":"2024-01-10T22:22:03.120000Z","left_at":null,"hand_updated_at":"2024-01-10T22:22:03.120000Z","is_room_owner":false}}}`,
		"an update w/o left_at": `{"namespace":"control",` + head + `,"payload":{"message":"update","id":` + id + `,"control":{"display_name":"","role":"user","participation_kind":"user","hand_is_up":false,"joined_at":"2024-01-10T22:22:03.120000Z","hand_updated_at":"2024-01-10T22:22:03.120000Z","is_room_owner":false},"media":{"is_presenter":true}}}`,
		"a missing focus":       `{"namespace":"media",` + head + `,"payload":{"message":"focus_update"}}`,
	} {
		if checkSchema([]byte(frame)) == nil {
			t.Errorf("%s: the schema allows %s", name, frame)
		}
	}
}
