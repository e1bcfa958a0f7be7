package ahoy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"dragoman/bridge"
)

// The types of what clients send (reference 4 and 7). What the server sends is
// beside its struct below.
const (
	createRequest     = "CONFERENCE_CREATE_request"
	joinRequest       = "CONFERENCE_JOIN_request"
	leaveRequest      = "CONFERENCE_LEAVE_request"
	kickRequest       = "CONFERENCE_KICK_request"
	lockRequest       = "CONFERENCE_LOCK_request"
	describeRequest   = "CONFERENCE_DESCRIPTION_request"
	destroyRequest    = "CONFERENCE_DESTROY_request"
	shareRequest      = "MEDIA_SHARE_request"
	mediaRequest      = "MEDIA_request"
	chatRequest       = "CHAT_MESSAGE_request"
	receiveResponse   = "MEDIA_RECEIVE_response"
	descriptionAnswer = "SDP_response"
	requestSuffix     = "_request"
	responseSuffix    = "_response"
	statusOK          = 200
	unlimited         = -1 // remainingSeconds without a time limit
	largest           = count(1_000_000_000)
	defaultVideoKbit  = 500 // reference 4.4
	bitsPerKilobit    = 1000
)

var errNoMessage = errors.New("the frame has no messageType")

// message is a frame of which the envelope was understood.
type message struct {
	kind string          // messageType
	id   json.RawMessage // transactionID as it came; nil: there was none
	data []byte          // the whole object
}

// decode reads the envelope of a frame. An error means that the frame is none of
// this dialect and gets no answer.
func decode(data []byte) (message, error) {
	if !utf8.Valid(data) {
		return message{}, errors.New("the frame is not UTF-8") // it would break those it is passed on to
	}
	var head struct {
		MessageType   *string         `json:"messageType"`
		TransactionID json.RawMessage `json:"transactionID"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return message{}, fmt.Errorf("envelope: %w", err)
	}
	if head.MessageType == nil {
		return message{}, errNoMessage
	}
	m := message{kind: *head.MessageType, id: head.TransactionID, data: data}
	if isNull(m.id) {
		m.id = nil
	}
	return m, nil
}

// transaction returns the transactionID as text; ids of other types than string
// have their JSON text.
func (m message) transaction() string {
	var s string
	if json.Unmarshal(m.id, &s) == nil {
		return s
	}
	return string(m.id)
}

// read decodes the message's own properties into one of the structs below.
func read[T any](m message) (T, error) {
	var v T
	if err := json.Unmarshal(m.data, &v); err != nil {
		return v, &bridge.Error{Code: bridge.BadRequest, Err: fmt.Errorf("%s: %w", m.kind, err)}
	}
	return v, nil
}

// encode writes a message. Text is not escaped for HTML: old clients look at raw
// strings.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// flag is a boolean as clients write it: true, false, 1, 0, null (reference 3).
type flag bool

// UnmarshalJSON takes every form of a flag.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*f = true
	case "false", "null":
		*f = false
	default:
		n, err := number(string(b))
		if err != nil {
			return err
		}
		*f = n != 0
	}
	return nil
}

// count is a number as clients write it: a number or a decimal string. 0 stands
// for null, nothing, and everything negative: no limit. Fractions are cut off.
type count int64

// UnmarshalJSON takes every form of a count.
func (c *count) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	if text == "null" || text == "" {
		*c = 0
		return nil
	}
	n, err := number(text)
	if err != nil {
		return err
	}
	*c = count(min(max(n, 0), float64(largest)))
	return nil
}

// number reads a decimal number. One that is too large for a float64 is infinite.
func number(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if strings.Trim(s, "0123456789+-.eE") != "" || err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("not a number")
	}
	return n, nil
}

// What clients ask. Strings are "" when null or absent.
type (
	create struct {
		ConferenceID      string `json:"conferenceID"`
		ConferenceName    string `json:"conferenceName"`
		Description       string `json:"description"`
		Password          string `json:"password"`
		ListenerPassword  string `json:"listenerPassword"`
		ModeratorPassword string `json:"moderatorPassword"`
		MaxMember         count  `json:"maxMember"`
		MaxVideoBitrate   count  `json:"maxVideoBitrate"` // kbit/s
		TimeLimit         count  `json:"timeLimit"`       // seconds
	}
	join struct {
		ConferenceID string          `json:"conferenceID"`
		Name         string          `json:"name"`
		Password     string          `json:"password"`
		Invitation   json.RawMessage `json:"invitation"`
		Session      json.RawMessage `json:"session"`
		UUID         json.RawMessage `json:"uuid"`
	}
	kick struct {
		MemberID string `json:"memberID"`
	}
	lock struct {
		Lock flag `json:"lock"`
	}
	describe struct {
		Description json.RawMessage `json:"description"`
	}
	share struct {
		Audio           flag  `json:"audio"`
		Video           flag  `json:"video"`
		MaxVideoBitrate count `json:"maxVideoBitrate"` // kbit/s
	}
	media struct {
		Members *[]wish `json:"members"`
	}
	wish struct {
		MemberID string `json:"memberID"`
		Audio    flag   `json:"audio"`
		Video    flag   `json:"video"`
	}
	chat struct {
		Message json.RawMessage `json:"message"`
	}
	chatText struct {
		Text *string `json:"text"`
	}
	// sdpAnswer is MEDIA_RECEIVE_response and SDP_response.
	sdpAnswer struct {
		Status *float64 `json:"status"` // absent: 200
		SDP    string   `json:"sdp"`
	}
)

// ok reports whether the client agreed.
func (a sdpAnswer) ok() bool { return (a.Status == nil || *a.Status == statusOK) && a.SDP != "" }

// envelope begins every message of the server. Only responses have a status and
// a reason.
type envelope struct {
	MessageType   string          `json:"messageType"`
	Status        int             `json:"status,omitempty"`
	Reason        string          `json:"reason,omitempty"`
	TransactionID json.RawMessage `json:"transactionID,omitempty"`
}

func (e *envelope) head() *envelope { return e }

// response is a struct that embeds envelope.
type response interface{ head() *envelope }

// Responses. The others have nothing but the envelope.
type (
	createResponse struct {
		envelope
		ConferenceID   string `json:"conferenceID"`
		ConferenceName string `json:"conferenceName"`
		Description    string `json:"description"`
	}
	existsResponse struct {
		envelope
		ConferenceID string `json:"conferenceID"`
	}
	movedResponse struct {
		envelope
		URL string `json:"url"`
	}
	joinResponse struct {
		envelope
		RemainingSeconds int64       `json:"remainingSeconds"`
		Locked           bool        `json:"locked"`
		ConferenceID     string      `json:"conferenceID"`
		ConferenceName   string      `json:"conferenceName"`
		Description      string      `json:"description"`
		SpeakerID        string      `json:"speakerID"`
		MemberID         string      `json:"memberID"`
		Moderator        bool        `json:"moderator"`
		Speaker          bool        `json:"speaker"`
		WebRTC           bool        `json:"webrtc"`
		Members          []memberDoc `json:"members"`
		ICEServers       []iceServer `json:"iceServers,omitempty"`
	}
)

// iceServer is a W3C RTCIceServer with the property of older browsers beside it.
type iceServer struct {
	URLs       string `json:"urls"`
	URL        string `json:"url"`
	Username   string `json:"username,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// Parts of members.
type (
	memberDoc struct {
		Name      string   `json:"name"`
		MemberID  string   `json:"memberID"`
		Moderator bool     `json:"moderator"`
		Speaker   bool     `json:"speaker"`
		WebRTC    bool     `json:"webrtc"`
		Audio     audioDoc `json:"audio"`
		Video     videoDoc `json:"video"`
		IP        string   `json:"ip"`
	}
	audioDoc struct {
		Available bool `json:"available"`
		Muted     bool `json:"muted"`
		Speaking  bool `json:"speaking"`
	}
	videoDoc struct {
		Available bool `json:"available"`
		Muted     bool `json:"muted"`
	}
	memberRef struct {
		Name     string `json:"name"`
		MemberID string `json:"memberID"`
	}
	leaverRef struct {
		memberRef
		Moderator bool `json:"moderator"`
	}
)

// Indications, and requests of the server.
type (
	joinIndication struct { // CONFERENCE_JOIN_indication
		envelope
		Member memberDoc `json:"member"`
	}
	leaveIndication struct { // CONFERENCE_LEAVE_indication
		envelope
		Member leaverRef `json:"member"`
	}
	kickIndication struct { // CONFERENCE_KICK_indication
		envelope
		Timeout int `json:"timeout"`
	}
	lockIndication struct { // CONFERENCE_LOCK_indication
		envelope
		Locked bool `json:"locked"`
	}
	describeIndication struct { // CONFERENCE_DESCRIPTION_indication
		envelope
		Description string `json:"description"`
	}
	mediaIndication struct { // MEDIA_indication
		envelope
		Member memberRef `json:"member"`
		Audio  audioDoc  `json:"audio"`
		Video  videoDoc  `json:"video"`
	}
	mediaEvent struct { // MEDIA_event
		envelope
		Member memberRef `json:"member"`
		Event  string    `json:"event"`
	}
	chatIndication struct { // CHAT_MESSAGE_indication
		envelope
		From    memberRef       `json:"from"`
		Message json.RawMessage `json:"message"`
	}
	receiveMedia struct { // MEDIA_RECEIVE_request
		envelope
		SDP string `json:"sdp"`
	}
	sendMedia struct { // SDP_request
		envelope
		Member memberRef `json:"member"`
		SDP    string    `json:"sdp"`
	}
)
