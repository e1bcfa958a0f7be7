package schematest

import "testing"

const schema = `{"$defs":{"id":{"type":"string","minLength":2,"pattern":"^[a-z]+$"}},
 "oneOf":[
  {"type":"object","properties":{"kind":{"const":"a"},"id":{"$ref":"#/$defs/id"},"n":{"type":["integer","null"],"minimum":1}},"required":["kind","id"],"additionalProperties":false},
  {"type":"object","properties":{"kind":{"const":"b"},"all":{"type":"array","minItems":1,"items":{"enum":["x","y"]}},"on":{"type":"boolean"}},"required":["kind"]}
 ]}`

func TestCheck(t *testing.T) {
	s, err := Parse([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	for frame, ok := range map[string]bool{
		`{"kind":"a","id":"xy"}`:             true,
		`{"kind":"a","id":"xy","n":1}`:       true,
		`{"kind":"a","id":"xy","n":null}`:    true,
		`{"kind":"b"}`:                       true,
		`{"kind":"b","all":["x","y"],"z":1}`: true,
		`{"kind":"b","on":true}`:             true,
		`{"kind":"a"}`:                       false,
		`{"kind":"a","id":"x"}`:              false,
		`{"kind":"a","id":"XY"}`:             false,
		`{"kind":"a","id":5}`:                false,
		`{"kind":"a","id":"xy","n":0}`:       false,
		`{"kind":"a","id":"xy","n":1.5}`:     false,
		`{"kind":"a","id":"xy","z":1}`:       false,
		`{"kind":"b","all":[]}`:              false,
		`{"kind":"b","all":["z"]}`:           false,
		`{"kind":"b","on":"yes"}`:            false,
		`{"kind":"c"}`:                       false,
		`[]`:                                 false,
		`{`:                                  false,
	} {
		if err := s.Check([]byte(frame)); (err == nil) != ok {
			t.Errorf("%s: %v", frame, err)
		}
	}
}

func TestParse(t *testing.T) {
	if _, err := Parse([]byte(`{"maximum":5}`)); err == nil {
		t.Error("a keyword that is not known was passed over")
	}
	s, err := Parse([]byte(`{"$ref":"#/$defs/none"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Check([]byte(`1`)) == nil {
		t.Error("a definition that there is not allows everything")
	}
}
