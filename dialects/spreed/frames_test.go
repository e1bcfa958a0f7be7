package spreed_test

import (
	_ "embed"
	"testing"

	"dragoman/dialects"
	"dragoman/dialects/schematest"
)

//go:embed schema/server.json
var schemaText []byte

// frames is a tap that checks all that we send against the schema.
type frames struct {
	t      *testing.T
	schema *schematest.Schema
}

func newFrames(t *testing.T) frames {
	s, err := schematest.Parse(schemaText)
	if err != nil {
		t.Fatalf("schema/server.json: %v", err)
	}
	return frames{t, s}
}

// Frame implements dialects.Tap.
func (f frames) Frame(_ dialects.ConnID, dir dialects.Direction, data []byte) {
	if dir != dialects.Out {
		return
	}
	if data[len(data)-1] != '\n' {
		f.t.Errorf("a frame without a line end: %s", data)
	}
	if err := f.schema.Check(data); err != nil {
		f.t.Errorf("a frame that the schema does not allow: %v\n%.600s", err, data)
	}
}

func TestSchemaRefuses(t *testing.T) {
	f := newFrames(t)
	const id = `"0cDghZ0eSBank4CzWUKA23cipjXX0K8dRc7zx119es0"`
	for name, frame := range map[string]string{
		"a document without an envelope": `{"Type":"Left","Id":` + id + `,"Status":"hard"}`,
		"no data":                        `{"Data":null,"From":` + id + `}`,
		"a nested Welcome":               `{"Data":{"Type":"Welcome","Welcome":{}},"From":` + id + `}`,
		"Left without how":               `{"Data":{"Type":"Left","Id":` + id + `},"From":` + id + `,"A":"AAAAADhtQ4AAKvyXHT2FTnG45aD1X"}`,
		"Bye without an object":          `{"Data":{"To":` + id + `,"Type":"Bye","Bye":null},"From":` + id + `,"To":` + id + `,"A":"AAAAADhtQ4AAKvyXHT2FTnG45aD1X"}`,
		"a unicast without attestation":  `{"Data":{"To":` + id + `,"Type":"Bye","Bye":{}},"From":` + id + `,"To":` + id + `}`,
		"Joined with Rev":                `{"Data":{"Type":"Joined","Id":` + id + `,"Prio":100,"Rev":1},"From":` + id + `,"A":"AAAAADhtQ4AAKvyXHT2FTnG45aD1X"}`,
		"a chat without Status":          `{"Data":{"To":"","Type":"Chat","Chat":{"Message":"x","Time":""}},"From":` + id + `,"A":"AAAAADhtQ4AAKvyXHT2FTnG45aD1X"}`,
		"an error that there is not":     `{"Data":{"Type":"Error","Code":"oops","Message":"x"},"From":` + id + `}`,
		"Turn null":                      `{"Data":{"Type":"Self","Id":` + id + `,"Sid":"u414lQ4EVdN6klgSX8-8m27OHNVSp6pu","Userid":"","Suserid":"","Token":"7PeFnIEC3EfXsTKNhDRUvkoqfS2Iqx5l4rgYZFjAB45X6rx","Version":"0.29.7","ApiVersion":1.4,"Turn":null,"Stun":[]},"From":` + id + `}`,
	} {
		if f.schema.Check([]byte(frame)) == nil {
			t.Errorf("%s: the schema allows %s", name, frame)
		}
	}
}
