package transcript

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"dragoman/dialects"
)

// hexed is a world whose clients write JSON in hexadecimal.
type hexed struct{ *Local }

func (hexed) Encode(who string, msg any) ([]byte, error) {
	data, err := encode(msg)
	return []byte(who + hex.EncodeToString(data)), err
}

func (hexed) Decode(who string, data []byte) (any, error) {
	text, ok := strings.CutPrefix(string(data), who)
	raw, err := hex.DecodeString(text)
	if !ok || err != nil {
		return nil, errors.New("hexadecimal of " + who)
	}
	return decode(raw)
}

// TestCoder plays a script in another encoding. The toy echoes binary frames.
func TestCoder(t *testing.T) {
	const head = `{"transcript":1,"dialect":"toy","title":"t","needs":[]}
{"who":"a","do":"dial","path":"/ws"}
`
	for name, c := range map[string]struct{ steps, want string }{
		"msg":         {`{"who":"a","dir":">","msg":{"x":[1]}}` + "\n" + `{"who":"a","dir":"<","msg":{"x":[{"$num":[0,5]}]}}`, ""},
		"another msg": {`{"who":"a","dir":">","msg":{"x":1}}` + "\n" + `{"who":"a","dir":"<","msg":{"x":2}}`, "$.x"},
		"binary":      {`{"who":"a","dir":">","binary":"AAE="}` + "\n" + `{"who":"a","dir":"<","binary":"AAE="}`, ""},
		"no code":     {`{"who":"a","dir":">","binary":"AAE="}` + "\n" + `{"who":"a","dir":"<","msg":{}}`, "hexadecimal of a"},
		"text":        {`{"who":"a","dir":">","text":"{\"do\":\"both\"}"}` + "\n" + `{"who":"a","dir":"<","msg":{}}`, "a binary frame"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Read(strings.NewReader(head + c.steps))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				w := hexed{Handler(newToy())}
				err := Play(context.Background(), s, w)
				if err == nil != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestRecordBinary: a tap hears of both kinds of frames.
func TestRecordBinary(t *testing.T) {
	r := NewRecording("x", "t")
	r.Frame(1, dialects.In, []byte{0xa1, 0x00})
	r.Frame(1, dialects.Out, []byte(`"x"`))
	steps := r.Script().Steps
	if len(steps) != 3 || string(steps[1].Binary) != "\xa1\x00" || steps[1].Msg.Set || steps[2].Binary != nil {
		t.Errorf("%+v", steps)
	}
}
