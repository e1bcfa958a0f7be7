package ahoy_test

import (
	"fmt"
	"testing"

	"dragoman/cluster/clustertest"
	"dragoman/dialects/ahoy"
	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// dirs are where transcripts are. Those of the second need an engine that does
// what the script says, not what a real one finds out.
func dirs() []string { return []string{"testdata", "testdata/engine"} }

func TestTranscripts(t *testing.T) {
	for name, rooms := range clustertest.Topologies() {
		t.Run(name, func(t *testing.T) {
			for _, dir := range dirs() {
				transcripttest.Dir(t, dir, func(t *testing.T) transcript.World { return newWorldOn(t, rooms).open() })
			}
		})
	}
}

// fromClients and fromServer are all message types of the reference, with the
// section that has them.
var (
	fromClients = map[string]string{
		"CONFERENCE_CREATE_request":      "4.1",
		"CONFERENCE_JOIN_request":        "4.2",
		"MEDIA_SHARE_request":            "4.4",
		"MEDIA_request":                  "4.5",
		"CONFERENCE_LEAVE_request":       "4.6",
		"CONFERENCE_KICK_request":        "4.7",
		"CHAT_MESSAGE_request":           "4.8",
		"CONFERENCE_DESCRIPTION_request": "4.9",
		"CONFERENCE_LOCK_request":        "4.10",
		"CONFERENCE_DESTROY_request":     "4.11",
		"MEDIA_RECEIVE_response":         "7.2",
		"SDP_response":                   "7.3",
		"INVITE_request":                 "4.12, of another subprotocol",
		"conferenceStatisticsRequest":    "3, without a messageType",
	}
	fromServer = map[string]string{
		"CONFERENCE_CREATE_response 200":      "4.1",
		"CONFERENCE_CREATE_response 486":      "4.1",
		"CONFERENCE_JOIN_response 200":        "4.2",
		"CONFERENCE_JOIN_response 403":        "4.2",
		"CONFERENCE_JOIN_response 404":        "4.2",
		"CONFERENCE_JOIN_response 470":        "4.2",
		"CONFERENCE_JOIN_response 486":        "4.2",
		"MEDIA_SHARE_response 200":            "4.4",
		"MEDIA_SHARE_response 403":            "4.4",
		"MEDIA_response 200":                  "4.5",
		"MEDIA_response 403":                  "3",
		"CONFERENCE_LEAVE_response 200":       "4.6",
		"CONFERENCE_KICK_response 200":        "4.7",
		"CONFERENCE_KICK_response 400":        "3",
		"CONFERENCE_KICK_response 403":        "4.7",
		"CONFERENCE_KICK_response 404":        "4.7",
		"CHAT_MESSAGE_response 200":           "4.8",
		"CHAT_MESSAGE_response 400":           "3",
		"CHAT_MESSAGE_response 403":           "3",
		"CONFERENCE_DESCRIPTION_response 200": "4.9",
		"CONFERENCE_DESCRIPTION_response 400": "3",
		"CONFERENCE_DESCRIPTION_response 403": "4.9",
		"CONFERENCE_LOCK_response 200":        "4.10",
		"CONFERENCE_LOCK_response 403":        "4.10",
		"CONFERENCE_DESTROY_response 200":     "4.11",
		"CONFERENCE_DESTROY_response 403":     "4.11",
		"INVITE_response 501":                 "3",
		"CONFERENCE_JOIN_indication":          "5.1",
		"CONFERENCE_LEAVE_indication":         "5.2",
		"CONFERENCE_KICK_indication":          "5.3",
		"MEDIA_indication":                    "5.4",
		"CHAT_MESSAGE_indication":             "5.5",
		"CONFERENCE_DESCRIPTION_indication":   "5.6",
		"CONFERENCE_LOCK_indication":          "5.7",
		"MEDIA_event start_speaking":          "5.8",
		"MEDIA_event stop_speaking":           "5.8",
		"MEDIA_event audio_muted":             "5.8",
		"MEDIA_event audio_unmuted":           "5.8",
		"MEDIA_RECEIVE_request":               "7.2",
		"SDP_request":                         "7.3",
	}
)

// TestEveryTypeHasATranscript fails for a type of the reference that no
// transcript sends, or hears. Of responses every status counts by itself (302,
// 500 and what configuration makes of them are in config_test.go).
func TestEveryTypeHasATranscript(t *testing.T) {
	sent, heard := map[string]int{}, map[string]int{}
	for _, dir := range dirs() {
		s, h, err := transcript.Types(dir, typeOf)
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range s {
			sent[k] += n
		}
		for k, n := range h {
			heard[k] += n
		}
	}
	for kind, section := range fromClients {
		if sent[kind] == 0 {
			t.Errorf("no transcript sends %s (%s)", kind, section)
		}
	}
	for kind, section := range fromServer {
		if heard[kind] == 0 {
			t.Errorf("no transcript hears %s (%s)", kind, section)
		}
	}
}

func typeOf(f transcript.Spoken) string {
	m, ok := f.Msg.(map[string]any)
	if !ok {
		return ""
	}
	kind, ok := m["messageType"].(string)
	switch {
	case !ok:
		for k := range m {
			return k
		}
		return ""
	case f.Sent:
		return kind
	case m["status"] != nil:
		return fmt.Sprintf("%s %v", kind, m["status"])
	case m["event"] != nil:
		return fmt.Sprintf("%s %v", kind, m["event"])
	}
	return kind
}

func TestNames(t *testing.T) {
	d := ahoy.New()
	if d.Name() != "ahoy" || len(d.Subprotocols()) != 1 || d.Subprotocols()[0] != "conference-protocol" {
		t.Errorf("the dialect is %q and speaks %q", d.Name(), d.Subprotocols())
	}
}
