package rose_test

import (
	"encoding/hex"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// join is the shortest argument of a join.
const join = `"u8sConferenceID":"c-1","contact":{"u8sDisplayName":"Bob"},"bPublisher":false,"capabilities":{"eClientCapabilities":[],"customCapabilities":[]}`

// TestRead: what clients write in their own ways is read (reference 2.4, 3.1, 3.2).
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		into rose.Value
		want rose.Value
	}{
		"members in any order, and unknown ones": {`{"x":[{"y":1}],"u8sSessionToken":"s","_type":7}`, new(rose.LeaveConferenceArgument), &rose.LeaveConferenceArgument{SessionToken: "s"}},
		"null is absent":                         {`{"u8sConferenceID":null}`, new(rose.RequestAuthTokenArgument), &rose.RequestAuthTokenArgument{}},
		"a list that is null is absent":          {`{"u8sSessionToken":"s","media":null}`, new(rose.ConfigurePublishingArgument), &rose.ConfigurePublishingArgument{SessionToken: "s"}},
		"an empty list is there":                 {`{"u8sSessionToken":"s","media":[]}`, new(rose.ConfigurePublishingArgument), &rose.ConfigurePublishingArgument{SessionToken: "s", Media: []rose.MediaSetting{}}},
		"base64 without padding":                 {`{"u8sContentType":"image/png","binImageData":"iVBORw"}`, new(rose.ConferenceImage), &rose.ConferenceImage{ContentType: "image/png", ImageData: []byte("\x89PNG")}},
		"base64 with padding":                    {`{"u8sContentType":"image/png","binImageData":"iVBORw=="}`, new(rose.ConferenceImage), &rose.ConferenceImage{ContentType: "image/png", ImageData: []byte("\x89PNG")}},
		"a time with an offset":                  {`{"stFrom":"2030-01-02T05:04:05+02:00"}`, new(rose.ListScheduledMeetingsArgument), &rose.ListScheduledMeetingsArgument{From: new(moment)}},
		"a time in days":                         {`{"stFrom":47485.127835648149}`, new(rose.ListScheduledMeetingsArgument), &rose.ListScheduledMeetingsArgument{From: new(moment)}},
		"a number written like a fraction":       {`{"eMediaType":2.0,"bMuted":true}`, new(rose.PublishedMedia), &rose.PublishedMedia{MediaType: rose.MediaVideo, Muted: true}},
		"an enumeration that nobody knows":       {`{"eMediaType":9,"bMuted":true}`, new(rose.PublishedMedia), &rose.PublishedMedia{MediaType: 9, Muted: true}},
	} {
		if err := rose.JSON.Unmarshal([]byte(c.text), c.into); err != nil || !reflect.DeepEqual(c.into, c.want) {
			t.Errorf("%s: %+v, %v", name, c.into, err)
		}
	}
}

var moment = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// TestMistyped: the member that is wrong is named (reference 2.5).
func TestMistyped(t *testing.T) {
	for text, member := range map[string]string{
		`{}`: "u8sConferenceID",
		`{` + strings.Replace(join, `"c-1"`, `null`, 1) + `}`:                     "u8sConferenceID",
		`{` + strings.Replace(join, `"c-1"`, `7`, 1) + `}`:                        "u8sConferenceID",
		`{` + strings.Replace(join, `{"u8sDisplayName":"Bob"}`, `{}`, 1) + `}`:    "contact.u8sDisplayName",
		`{` + strings.Replace(join, `{"u8sDisplayName":"Bob"}`, `"Bob"`, 1) + `}`: "contact",
		`{` + strings.Replace(join, `false`, `0`, 1) + `}`:                        "bPublisher",
		`{` + strings.Replace(join, `[],"c`, `["1"],"c`, 1) + `}`:                 "capabilities.eClientCapabilities",
		`{` + strings.Replace(join, `[],"c`, `[1.5],"c`, 1) + `}`:                 "capabilities.eClientCapabilities",
		`{` + strings.Replace(join, `[],"c`, `{},"c`, 1) + `}`:                    "capabilities.eClientCapabilities",
		`{` + join + `,"media":[{"bMuted":true}]}`:                                "media.eMediaType",
		`{` + join + `,"media":[null]}`:                                           "media",
		`{` + join + `,"u8sToken":1}`:                                             "u8sToken",
		`{` + join + `,"image":{"u8sContentType":"a","binImageData":"?"}}`:        "image.binImageData",
		`{` + join + `,"properties":[{"key":"a"}]}`:                               "properties.value",
	} {
		err := rose.JSON.Unmarshal([]byte(text), new(rose.JoinConferenceArgument))
		if m, ok := errors.AsType[*rose.Mistyped](err); !ok || m.Member != member {
			t.Errorf("%s: %v, want %s", text, err, member)
		}
	}
	for _, text := range []string{`{"stFrom":"yesterday"}`, `{"stFrom":-1}`, `{"stFrom":1e9}`, `{"stFrom":true}`} {
		err := rose.JSON.Unmarshal([]byte(text), new(rose.ListScheduledMeetingsArgument))
		if m, ok := errors.AsType[*rose.Mistyped](err); !ok || m.Member != "stFrom" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestUnread: what is no message at all (reference 2.5).
func TestUnread(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "[1]", "7", `"invoke"`, "{}", `{"invoke":null}`, `{"invoke":{"invokeID":1},"result":{"invokeID":1}}`,
		`{"invoke":{"invokeID":1}} {}`, "{\"invoke\":{\"invokeID\":1,\"operationName\":\"\xff\"}}", `{"invoke":`, `[{"x":1}]`,
	} {
		if m, err := rose.JSON.Decode([]byte(text)); !errors.Is(err, rose.ErrUnread) || m != nil {
			t.Errorf("%s: %+v, %v", text, m, err)
		}
	}
	deep := strings.Repeat("3080", 30)
	for _, text := range []string{
		"", "a1", "a103020101ff", "a1050201", "a18002010102020dad0000", "3003020101", "a1" + deep, "a1ff" + strings.Repeat("00", 8), "bf2103020101",
		"a50302010102", "a184ffffffff",
	} {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := rose.BER.Decode(data); !errors.Is(err, rose.ErrUnread) || m != nil {
			t.Errorf("%s: %+v, %v", text, m, err)
		}
	}
}

// TestPartOfAMessage: what of an envelope can be read is, so that it can be refused
// by its invokeID.
func TestPartOfAMessage(t *testing.T) {
	for text, member := range map[string]string{
		`{"invoke":{"operationName":7,"invokeID":5}}`:                              "invoke.operationName",
		`[{"invoke":{"invokeID":5,"authentication":{"auth":{"method":"Basic"}}}}]`: "invoke.authentication.auth.authdata",
		`{"invoke":{"invokeID":5,"operationID":"x"}}`:                              "invoke.operationID",
	} {
		m, err := rose.JSON.Decode([]byte(text))
		if x, ok := errors.AsType[*rose.Mistyped](err); !ok || x.Member != member || m.Invoke == nil || m.Invoke.InvokeID != 5 {
			t.Errorf("%s: %+v, %v", text, m, err)
		}
	}
	data, _ := hex.DecodeString("a109020105a20404027878") // [2] holds an OCTET STRING
	m, err := rose.BER.Decode(data)
	if x, ok := errors.AsType[*rose.Mistyped](err); !ok || x.Member != "invoke.operationName" || m.Invoke.InvokeID != 5 {
		t.Errorf("BER: %+v, %v", m, err)
	}
}

// TestExtensions: unknown elements at the end of a SEQUENCE are skipped, and an
// argument that is not there is an empty one, if it can be.
func TestExtensions(t *testing.T) {
	data, _ := hex.DecodeString("a10e02010102020dae30050c01738900")
	m, err := rose.BER.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var a rose.LeaveConferenceArgument
	if err := m.Invoke.Argument.Into(&a); err != nil || a.SessionToken != "s" {
		t.Errorf("%+v, %v", a, err)
	}
	data, _ = hex.DecodeString("a10702010102020dac")
	if m, err = rose.BER.Decode(data); err != nil || m.Invoke.Argument.Present() {
		t.Fatalf("%+v, %v", m, err)
	}
	if err := m.Invoke.Argument.Into(new(rose.RequestAuthTokenArgument)); err != nil {
		t.Error(err)
	}
	if err := m.Invoke.Argument.Into(new(rose.LeaveConferenceArgument)); err == nil {
		t.Error("a member that must be there is not")
	}
}

// TestTimesInBER: whole seconds survive, in whatever form a REAL comes.
func TestTimesInBER(t *testing.T) {
	for at := moment; at.Before(moment.Add(25 * time.Hour)); at = at.Add(617 * time.Second) {
		v := rose.ListScheduledMeetingsArgument{From: &at}
		var got rose.ListScheduledMeetingsArgument
		if err := rose.BER.Unmarshal(rose.BER.Marshal(&v), &got); err != nil || !got.From.Equal(at) {
			t.Fatalf("%v becomes %v, %v", at, got.From, err)
		}
	}
	for name, c := range map[string]struct{ real, want string }{
		"decimal":            {"0334373438352e32354530", "2030-01-02T06:00:00Z"}, // NR3 47485.25E0
		"zero":               {"", "1899-12-30T00:00:00Z"},
		"base 16":            {"a0ff10", "1899-12-31T00:00:00Z"},
		"scaled":             {"840001", "1900-01-01T00:00:00Z"},
		"an exponent of two": {"81000001", "1899-12-31T00:00:00Z"},
		"a long exponent":    {"83010001", "1899-12-31T00:00:00Z"},
		"negative":           {"c00001", ""},
		"infinite":           {"40", ""},
		"a base of none":     {"b00001", ""},
		"no mantissa":        {"8000", ""},
		"far away":           {"81000101010101010101ff", ""},
	} {
		raw, err := hex.DecodeString(c.real)
		if err != nil {
			t.Fatal(name, err)
		}
		data := append([]byte{0x30, byte(len(raw) + 2), 0x81, byte(len(raw))}, raw...)
		var got rose.ListScheduledMeetingsArgument
		err = rose.BER.Unmarshal(data, &got)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: %v", name, got.From)
			}
		} else if err != nil || got.From.Format(time.RFC3339) != c.want {
			t.Errorf("%s: %v, %v", name, got.From, err)
		}
	}
}

// TestCheck holds bounds (reference 5.2).
func TestCheck(t *testing.T) {
	long := strings.Repeat("ü", rose.MaxText)
	many := make([]rose.StringPair, rose.MaxList+1)
	for name, c := range map[string]struct {
		v    rose.Value
		want string
	}{
		"fine":               {&rose.ConferenceContact{DisplayName: strings.Repeat("ü", rose.MaxName), Company: &long, CustomFields: many[1:]}, ""},
		"a name":             {&rose.ConferenceContact{DisplayName: strings.Repeat("ü", rose.MaxName+1)}, "u8sDisplayName is too long"},
		"a text":             {&rose.ConferenceContact{Company: new(long + "x")}, "u8sCompany is too long"},
		"a list":             {&rose.ConferenceContact{CustomFields: many}, "customFields is too long"},
		"an image":           {&rose.ConferenceImage{ImageData: make([]byte, rose.MaxImage+1)}, "binImageData is too long"},
		"an SDP":             {&rose.SDPOfferArgument{SDP: strings.Repeat("x", rose.MaxSDP+1)}, "u8sSDP is too long"},
		"a longer SDP":       {&rose.SDPOfferArgument{SDP: strings.Repeat("x", rose.MaxSDP)}, ""},
		"a value":            {&rose.SubscribeMediaArgument{Media: []rose.MediaSetting{{MediaType: 4}}}, "media.eMediaType has a value that is not known"},
		"a value, inside":    {&rose.MediaSetting{MediaType: 1, Quality: new(rose.ConferenceQuality(9))}, "eQuality has a value that is not known"},
		"any capability":     {&rose.ConferenceCapabilities{ClientCapabilities: []int64{4711}}, ""},
		"a token":            {&rose.RequestAuthTokenResult{Token: "x"}, ""},
		"a far too long one": {&rose.UpdateMeetingArgument{Token: new(secret(rose.MaxToken + 1))}, "u8sToken is too long"},
	} {
		err := rose.Check(c.v)
		if got := text(err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func secret(n int) bridge.Secret { return bridge.Secret(strings.Repeat("x", n)) }

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestFromQuery reads what a GET can say.
func TestFromQuery(t *testing.T) {
	var a rose.ConfigurePublishingArgument
	err := rose.FromQuery(url.Values{"u8sSessionToken": {"s"}, "bPublisher": {"true"}, "x": {"y"}}, &a)
	if want := (rose.ConfigurePublishingArgument{SessionToken: "s", Publisher: new(true)}); err != nil || !reflect.DeepEqual(a, want) {
		t.Errorf("%+v, %v", a, err)
	}
	var l rose.ListScheduledMeetingsArgument
	if err := rose.FromQuery(url.Values{"stFrom": {"2030-01-02T03:04:05Z"}}, &l); err != nil || !l.From.Equal(moment) {
		t.Errorf("%+v, %v", l, err)
	}
	var q rose.PublishedMedia
	if err := rose.FromQuery(url.Values{"eMediaType": {"3"}, "bMuted": {"1"}}, &q); err != nil || q != (rose.PublishedMedia{MediaType: 3, Muted: true}) {
		t.Errorf("%+v, %v", q, err)
	}
	for name, c := range map[string]struct {
		q url.Values
		v rose.Value
	}{
		"u8sSessionToken":     {nil, new(rose.LeaveConferenceArgument)},
		"bPublisher":          {url.Values{"u8sSessionToken": {"s"}, "bPublisher": {"maybe"}}, new(rose.ConfigurePublishingArgument)},
		"media":               {url.Values{"u8sSessionToken": {"s"}, "media": {"[]"}}, new(rose.ConfigurePublishingArgument)},
		"image":               {url.Values{"u8sSessionToken": {"s"}, "image": {"x"}}, new(rose.ConfigurePublishingArgument)},
		"stTo":                {url.Values{"stTo": {"soon"}}, new(rose.ListScheduledMeetingsArgument)},
		"eMediaType":          {url.Values{"eMediaType": {"audio"}}, new(rose.PublishedMedia)},
		"binImageData":        {url.Values{"u8sContentType": {"x"}, "binImageData": {"x"}}, new(rose.ConferenceImage)},
		"eClientCapabilities": {url.Values{}, new(rose.ConferenceCapabilities)},
	} {
		err := rose.FromQuery(c.q, c.v)
		if m, ok := errors.AsType[*rose.Mistyped](err); !ok || m.Member != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMessages: what is made is what the reference shows (reference 2.1).
func TestMessages(t *testing.T) {
	op, _ := rose.Lookup(rose.OpJoinConference, "")
	for want, m := range map[string]*rose.Message{
		`{"_type":"ROSEMessage","error":{"_type":"ROSEError","invokedID":3,"error_value":404,"error":{"_type":"AsnRequestError","iErrorDetail":404,"u8sErrorString":"no \"c\"\u0001"}}}`:      rose.Fail(3, &rose.RequestError{ErrorDetail: 404, ErrorString: "no \"c\"\x01"}),
		`{"_type":"ROSEMessage","reject":{"_type":"ROSEReject","invokedID":{"_type":"ROSERejectChoice","invokedID":3},"reject":{"_type":"RejectProblem","invokeProblem":1},"details":"..."}}`: rose.Refuse(3, rose.UnrecognisedOperation, "..."),
		`{"_type":"ROSEMessage","result":{"_type":"ROSEResult","invokeID":3,"result":{"_type":"ROSEResultSeq","resultValue":0,"result":{"_type":"AsnLeaveConferenceResult"}}}}`:               rose.Answer(3, new(rose.LeaveConferenceResult)),
		`{"_type":"ROSEMessage","invoke":{"_type":"ROSEInvoke","invokeID":9,"operationName":"asnJoinConference","operationID":3501,"argument":{"_type":"AsnLeaveConferenceResult"}}}`:         op.Call(9, new(rose.LeaveConferenceResult)),
	} {
		if got := string(rose.JSON.Encode(m)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// TestEnveloped tells whole messages from bare arguments.
func TestEnveloped(t *testing.T) {
	for text, want := range map[string]bool{
		`{"u8sSessionToken":"s"}`: false, `{}`: false, `[{"invoke":{}}]`: true, `{"reject":{}}`: true, `what`: true, `{"Invoke":1}`: true,
	} {
		if got := rose.JSON.Enveloped([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if rose.BER.Enveloped([]byte{0x30, 0}) || !rose.BER.Enveloped([]byte{0xa1, 0}) {
		t.Error("BER: wrong")
	}
}

// TestLength finds the end of a message in a stream (reference 4.4).
func TestLength(t *testing.T) {
	for in, want := range map[string]int{"": 0, "a1": 0, "a103": 5, "a181": 0, "a18180": 131, "a18201": 0, "a182014402": 328} {
		data, _ := hex.DecodeString(in)
		if n, err := rose.Length(data); n != want || err != nil {
			t.Errorf("%s: %d, %v", in, n, err)
		}
	}
	for _, in := range []string{"a180", "a185", "bf2101"} {
		data, _ := hex.DecodeString(in)
		if n, err := rose.Length(data); err == nil {
			t.Errorf("%s: %d", in, n)
		}
	}
}
