package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeRequest(t *testing.T) {
	for text, want := range map[string]Request{
		`{"Type":"Hello","Hello":{"Name":"r","Credentials":{"PIN":"1"}},"Iid":"7"}`:            {Type: TypeHello, Iid: "7", Hello: &Hello{Name: "r", Credentials: &Credentials{PIN: "1"}}},
		`{"type":"hello","HELLO":{"id":"r","name":null,"x":1}}`:                                {Type: "hello", Hello: &Hello{ID: "r"}},
		`{"Type":"Users","Users":[]}`:                                                          {Type: TypeUsers},
		`{"Type":"Alive","Alive":5}`:                                                           {Type: TypeAlive, Alive: &Alive{Alive: 5}},
		`{"Type":"Alive","Alive":{"Type":"Alive","Alive":6}}`:                                  {Type: TypeAlive, Alive: &Alive{Type: TypeAlive, Alive: 6}},
		`{"Type":"Alive","Alive":null}`:                                                        {Type: TypeAlive},
		`{"Type":"Bye","Bye":{"To":"x","Bye":null}}`:                                           {Type: TypeBye, Bye: &Bye{To: "x"}},
		`{"Type":"Bye","Bye":{"To":"x","Bye":{"Reason":"busy"}}}`:                              {Type: TypeBye, Bye: &Bye{To: "x", Bye: Object(`{"Reason":"busy"}`)}},
		`{"Type":"Chat","Chat":{"To":"","Chat":{"Message":null,"Status":{"SeenMids":["a"]}}}}`: {Type: TypeChat, Chat: &Chat{Chat: &Message{Status: &ChatStatus{SeenMids: []string{"a"}}}}},
		`{"Type":"Candidate","Candidate":{"To":"x","Candidate":"anything"}}`:                   {Type: TypeCandidate, Candidate: &Candidate{To: "x", Candidate: json.RawMessage(`"anything"`)}},
		`{}`:   {},
		`null`: {},
	} {
		got, err := DecodeRequest([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{
		``, `[]`, `5`, `"x"`, `{`, `{"Type":5}`, `{"Type":"Self","Iid":5}`, `{"Type":"Hello","Hello":[]}`,
		`{"Type":"Self","Chat":5}`, `{"Type":"Alive","Alive":"x"}`, `{"Type":"Alive","Alive":-1}`, `{"Type":"Alive","Alive":1.5}`,
		`{"Type":"Offer","Offer":{"Offer":[]}}`, `{"Type":"Answer","Answer":{"Answer":"x"}}`, `{"Type":"Bye","Bye":{"Bye":5}}`,
		"{\"Type\":\"\xff\"}", `{} {}`,
	} {
		if got, err := DecodeRequest([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}

func TestEncode(t *testing.T) {
	for want, doc := range map[string]any{
		`{"Data":{"Type":"Bye","To":"x","Bye":{}},"From":"a"}` + "\n": Envelope{From: "a", Data: struct {
			Type, To string
			Bye      Object
		}{TypeBye, "x", nil}},
		`{"Data":{"To":"","Type":"Chat","Chat":{"Message":"\u003cb\u003e \u0026 \u2028","Time":"","Status":null}}}` + "\n": Envelope{Data: Chat{Type: TypeChat, Chat: &Message{Message: "<b> & \u2028"}}},
		`{"Data":{"Type":"Self","Id":"i","Sid":"s","Userid":"","Suserid":"","Token":"t","Version":"v","ApiVersion":1.4,"Turn":{"username":"","password":"","ttl":0,"urls":null},"Stun":[]},"From":"i","Iid":"0"}` + "\n": Envelope{
			Data: Self{Type: TypeSelf, ID: "i", Sid: "s", Token: "t", Version: "v", ApiVersion: APIVersion, Stun: []string{}}, From: "i", Iid: "0",
		},
		`{"Data":{"Type":"Left","Id":"i","Status":"hard"},"From":"i","A":"att"}` + "\n":                          Envelope{Data: Left{Type: TypeLeft, ID: "i", Status: Hard}, From: "i", A: "att"},
		`{"Data":{"Type":"Status","Id":"i","Rev":3,"Prio":100,"Status":null},"From":"i"}` + "\n":                 Envelope{Data: Status{Type: TypeStatus, ID: "i", Rev: 3, Prio: Prio}, From: "i"},
		`{"Data":{"Type":"Joined","Id":"i","Ua":"Chrome 80","Prio":100,"Status":{"a":1}},"From":"i"}` + "\n":     Envelope{Data: Joined{Type: TypeJoined, ID: "i", Ua: "Chrome 80", Prio: Prio, Status: json.RawMessage(`{"a":1}`)}, From: "i"},
		`{"Data":{"Type":"","Id":"i","Prio":100}}` + "\n":                                                        Envelope{Data: User{ID: "i", Prio: Prio}},
		`{"Type":"Offer","Offer":{"To":"x","Type":"Offer","Offer":{"type":"offer","sdp":"v=0","_id":0}}}` + "\n": Request{Type: TypeOffer, Offer: &Offer{To: "x", Type: TypeOffer, Offer: Object(`{"type":"offer","sdp":"v=0","_id":0}`)}},
	} {
		got, err := Encode(doc)
		if err != nil || string(got) != want {
			t.Errorf("%+v:\n got %s want %s %v", doc, got, want, err)
		}
	}
}

// TestIDs shows that the id of a token connection keeps its JSON type.
func TestIDs(t *testing.T) {
	for _, id := range []string{`0`, `17`, `"0"`, `"x"`} {
		var d Description
		if err := json.Unmarshal([]byte(`{"type":"offer","sdp":"v=0","_token":"t","_id":`+id+`}`), &d); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(d)
		if err != nil || !strings.HasSuffix(string(out), `"_id":`+id+`}`) {
			t.Errorf("%s became %s, %v", id, out, err)
		}
	}
}

func TestDecodeChannel(t *testing.T) {
	for text, want := range map[string]ChannelDocument{
		`{"Type":"Talking","Talking":true}`:                                {Type: TypeTalking, Talking: true},
		`{"Type":"Screenshare","Id":null,"Screenshare":{"id":"t"}}`:        {Type: TypeScreenshare, Screenshare: &Screenshare{ID: "t"}},
		`{"Type":"Chat","To":"x","Chat":{"Message":null,"Mid":null}}`:      {Type: TypeChat, To: "x", Chat: &Message{}},
		`{"Type":"Presentation","Id":"x","Presentation":{"id":"t"}}`:       {Type: TypePresentation, Presentation: Object(`{"id":"t"}`)},
		`{"Type":"YouTubeVideo","Id":"x","YouTubeVideo":{"Type":"Pause"}}`: {Type: TypeYouTubeVideo, YouTubeVideo: Object(`{"Type":"Pause"}`)},
	} {
		got, err := DecodeChannel([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{``, "\x02{}", `[]`, `{"Type":"Talking","Talking":"x"}`, `{"Type":"Presentation","Presentation":5}`, "{\"Type\":\"\xff\"}"} {
		if got, err := DecodeChannel([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestDecodeControl(t *testing.T) {
	for text, want := range map[string]Control{
		`{"m":"bye"}`:       {Mode: ModeBye},
		`{"m":"r","i":17}`:  {Mode: ModeRequest, Index: 17},
		`{"x":"something"}`: {},
	} {
		if got, err := DecodeControl([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if _, err := DecodeControl([]byte(`{"m":5}`)); err == nil {
		t.Error("a number is a mode")
	}
}

func TestTypeOf(t *testing.T) {
	for doc, want := range map[string]string{`{"Type":"Bye"}`: TypeBye, `{}`: "", `[]`: "", `x`: ""} {
		if got := TypeOf([]byte(doc)); got != want {
			t.Errorf("%s: %q", doc, got)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"Type":"Hello","Iid":"0","Hello":{"Version":"0.29.7","Ua":"Chrome 156","Name":"team/standup","Type":"","Credentials":{"PIN":"1234"}}}`,
		`{"Type":"Offer","Offer":{"To":"I2","Type":"Offer","Offer":{"type":"offer","sdp":"v=0...","_conference":"Conference:team"}}}`,
		`{"Type":"Candidate","Candidate":{"To":"I2","Type":"Candidate","Candidate":{"type":"candidate","sdpMLineIndex":0}}}`,
		`{"Type":"Chat","Chat":{"To":"","Type":"Chat","Chat":{"Message":"hello","NoEcho":true,"Mid":"346c","Status":{"Geolocation":{"latitude":1.5,"altitude":null}}}}}`,
		`{"Type":"Sessions","Iid":"4","Sessions":{"Type":"Sessions","Sessions":{"Type":"session","Token":"x"}}}`,
		`{"Type":"Alive","Alive":1700000000000}`, `null`, `[]`, `{"Type":"Bye","Bye":{"To":"","Bye":null}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRequest(data)
		if err != nil {
			return
		}
		out, err := Encode(r)
		if err != nil {
			t.Fatalf("%q was understood and cannot be said: %v", data, err)
		}
		if _, err := DecodeRequest(out); err != nil {
			t.Fatalf("%q became %q: %v", data, out, err)
		}
	})
}

func FuzzDecodeChannel(f *testing.F) {
	f.Add([]byte(`{"Type":"Talking","Talking":true}`))
	f.Add([]byte(`{"Type":"Chat","To":"I2","Chat":{"Message":"hi","Mid":"m"}}`))
	f.Add([]byte("\x02x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := DecodeChannel(data)
		if err != nil {
			return
		}
		if _, err := json.Marshal(d); err != nil {
			t.Fatalf("%q was understood and cannot be said: %v", data, err)
		}
	})
}

func FuzzDecodeControl(f *testing.F) {
	f.Add([]byte(`{"m":"bye"}`))
	f.Add([]byte(`{"m":"r","i":0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeControl(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(c)
		if again, bad := DecodeControl(out); err != nil || bad != nil || again != c {
			t.Fatalf("%q became %q", data, out)
		}
	})
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(`{"type":"offer","sdp":"v=0","_token":"t","_id":0}`))
	f.Add([]byte(`{"type":"candidate","sdpMLineIndex":null,"candidate":"a=candidate","_id":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Description
		var c ICE
		if json.Unmarshal(data, &d) == nil {
			if _, err := json.Marshal(d); err != nil {
				t.Fatal(err)
			}
		}
		if json.Unmarshal(data, &c) == nil {
			if _, err := json.Marshal(c); err != nil {
				t.Fatal(err)
			}
		}
	})
}
