package nkmedia_test

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
	event := func(sub, kind, body string) string {
		return `{"class":"core","cmd":"event","tid":1,"data":{"class":"media","subclass":"` + sub + `","type":"` + kind + `","obj_id":"x","body":` + body + `}}`
	}
	const end = `{"code":100011,"reason":"User stop received"}`
	if err := checkSchema([]byte(event("session", "destroyed", end))); err != nil {
		t.Fatal(err)
	}
	for name, frame := range map[string]string{
		"no tid":                       `{"result":"ok"}`,
		"another result":               `{"result":"fine","tid":1}`,
		"data that is null":            `{"result":"ok","data":null,"tid":1}`,
		"an error without a code":      `{"result":"error","data":{"error":"x"},"tid":1}`,
		"an error with a code as text": `{"result":"error","data":{"code":"100006","error":"x"},"tid":1}`,
		"a ping with a subclass":       `{"class":"core","subclass":"core","cmd":"ping","data":{"time":60},"tid":1}`,
		"a ping without a time":        `{"class":"core","cmd":"ping","tid":1}`,
		"tid 0":                        `{"class":"core","cmd":"ping","data":{"time":60},"tid":0}`,
		"another request":              `{"class":"media","cmd":"invite","data":{},"tid":1}`,
		"an unknown event":             event("conf", "muted", `{}`),
		"an event without a type":      `{"class":"core","cmd":"event","tid":1,"data":{"class":"media","subclass":"conf","obj_id":"x"}}`,
		"an event of another kind":     event("conf", "type", `{"type":"publish"}`),
		"an end without a reason":      event("session", "destroyed", `{"code":100011}`),
		"a member without a user":      event("conf", "started_member", `{"session_id":"s","role":"publisher","user_id":""}`),
		"a member of another role":     event("conf", "started_member", `{"session_id":"s","role":"viewer","user_id":"a"}`),
		"an answer that is no SDP":     event("session", "answer", `{"answer":{"sdp":"x","sdp_type":"webrtc","trickle_ice":false}}`),
	} {
		if checkSchema([]byte(frame)) == nil {
			t.Errorf("%s: the schema allows %s", name, frame)
		}
	}
}
