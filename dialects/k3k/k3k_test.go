package k3k_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/cluster/clustertest"
	"dragoman/dialects"
	"dragoman/dialects/k3k"
	"dragoman/e2e/transcript"
	"dragoman/e2e/transcript/transcripttest"
)

// settings are the folders of transcripts, with what is different about the node.
var settings = map[string]func(*world){
	"testdata": func(*world) {},
	"testdata/limit": func(w *world) {
		w.configure(func(c *k3k.Config) { c.Room.TimeLimit, c.Room.MaxMember = time.Minute, 10 })
	},
	"testdata/presenter": func(w *world) { w.configure(func(c *k3k.Config) { c.GrantPresenter = true }) },
	"testdata/turn": func(w *world) {
		w.env.ICE = func() []dialects.ICEServer {
			return []dialects.ICEServer{
				{URLs: []string{"stun:stun.example.org"}},
				{URLs: []string{"turn:turn.example.org"}, Username: "946684860:x", Credential: "c", TTL: time.Minute},
			}
		}
	},
	"testdata/broken": func(w *world) { w.store.broken = bridge.Errorf(bridge.Internal, "the disk is full") },
}

func TestTranscripts(t *testing.T) {
	for name, rooms := range clustertest.Topologies() {
		t.Run(name, func(t *testing.T) {
			for dir, set := range settings {
				transcripttest.Dir(t, dir, func(t *testing.T) transcript.World {
					w := newWorldOn(t, rooms)
					set(w)
					return w.open()
				})
			}
		})
	}
}

// types counts what all transcripts speak.
func types(t *testing.T, key func(transcript.Spoken) string) (sent, heard map[string]int) {
	t.Helper()
	sent, heard = map[string]int{}, map[string]int{}
	for dir := range settings {
		s, h, err := transcript.Types(dir, key)
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
	return sent, heard
}

// The tables of the reference: what clients send, what they are told, and what can
// go wrong, by section. Names are "namespace/action", "namespace/message" and
// "namespace/error code".
var (
	actions = map[string]string{
		"control":    "7.2 join enter_room raise_hand lower_hand grant_moderator_role revoke_moderator_role",
		"media":      "8.1 publish publish_complete update_media_session unpublish subscribe resubscribe sdp_answer sdp_candidate sdp_end_of_candidates configure moderator_mute grant_presenter_role revoke_presenter_role",
		"chat":       "9 send_message enable_chat disable_chat clear_history set_last_seen_timestamp",
		"moderation": "10 kick ban enable_waiting_room disable_waiting_room accept enable_raise_hands disable_raise_hands reset_raised_hands debrief send_to_waiting_room change_display_name",
		"polls":      "11.3 start vote finish",
		"timer":      "11.4 start stop update_ready_status",
	}
	messages = map[string]string{
		"control":    "7.3 join_success join_blocked joined update left role_updated room_deleted time_limit_quota_elapsed",
		"media":      "8.2 sdp_answer sdp_offer webrtc_up webrtc_down media_status focus_update request_mute presenter_granted presenter_revoked",
		"chat":       "9 message_sent chat_enabled chat_disabled history_cleared",
		"moderation": "10 kicked banned waiting_room_enabled waiting_room_disabled accepted in_waiting_room joined_waiting_room left_waiting_room raise_hands_enabled raise_hands_disabled raised_hand_reset_by_moderator session_ended debriefing_started sent_to_waiting_room",
		"polls":      "11.3 started live_update done",
		"timer":      "11.4 started stopped updated_ready_status",
	}
	failures = map[string]string{
		"control":    "7.3 invalid_json invalid_namespace invalid_username already_joined not_yet_joined not_accepted_or_not_in_waiting_room raise_hands_disabled insufficient_permissions target_is_room_owner nothing_to_do",
		"media":      "8.5 invalid_sdp_offer handle_sdp_answer invalid_candidate invalid_end_of_candidates invalid_request_offer invalid_configure_request permission_denied",
		"chat":       "9 chat_disabled insufficient_permissions",
		"moderation": "10 cannot_ban_guest cannot_send_room_owner_to_waiting_room cannot_change_name_of_registered_users invalid_display_name",
		"polls":      "11.3 insufficient_permissions invalid_choice_count invalid_poll_id invalid_choice_id invalid_choice_description invalid_duration invalid_topic_length voted_already still_running",
		"timer":      "11.4 insufficient_permissions invalid_duration timer_already_running",
	}
	// requests are those of section 4, as method and path with {} for ids.
	requests = map[string]string{
		"4.2": "GET /auth/login,POST /auth/login",
		"4.3": "GET /users/me,PATCH /users/me,GET /users/{},GET /users/find,GET /users/me/tariff,GET /rooms/{}/tariff",
		"4.4": "POST /events,GET /events,GET /events/{},PATCH /events/{},DELETE /events/{},GET /events/{}/invites,POST /events/{}/invites,DELETE /events/{}/invites/{},PATCH /events/{}/invite,DELETE /events/{}/invite,PUT /users/me/event_favorites/{},DELETE /users/me/event_favorites/{}",
		"4.5": "GET /rooms,POST /rooms,GET /rooms/{},PATCH /rooms/{},DELETE /rooms/{},POST /rooms/{}/invites,GET /rooms/{}/invites,GET /rooms/{}/invites/{},PUT /rooms/{}/invites/{},DELETE /rooms/{}/invites/{},POST /invite/verify,POST /rooms/{}/start,POST /rooms/{}/start_invited",
		"4.6": "GET /turn,POST /turn",
		"0":   "POST /names", // ours
	}
	// codes are those of error bodies.
	codes = "bad_request unauthorized not_found validation_failed invalid_json invalid_content_type payload_overflow unknown_sub invalid_claims query_too_short invalid_event banned_from_room no_breakout_rooms session_running wrong_room_password missing_protocol missing_ticket invalid_ticket internal_server_error"
	// elsewhere are messages and codes that no transcript hears, and where else
	// they are: README.md says why the first are never sent.
	elsewhere = map[string]string{
		"media/webrtc_slow":           "never sent",
		"media/sdp_candidate":         "never sent",
		"media/sdp_end_of_candidates": "never sent",
		"invalid_payload":             "a body that breaks off",
	}
)

// TestEveryRowHasATranscript lists what of the reference no transcript speaks.
func TestEveryRowHasATranscript(t *testing.T) {
	sent, heard := types(t, spoken)
	for what, table := range map[string]map[string]string{"sends": actions, "hears": messages, "hears error": failures} {
		counts := heard
		if what == "sends" {
			counts = sent
		}
		for namespace, row := range table {
			section, names, _ := strings.Cut(row, " ")
			for name := range strings.FieldsSeq(names) {
				if what == "hears error" {
					name = "error " + name
				}
				if counts[namespace+"/"+name] == 0 {
					t.Errorf("no transcript %s %s/%s (%s)", what, namespace, name, section)
				}
			}
		}
	}
	for section, row := range requests {
		for request := range strings.SplitSeq(row, ",") {
			if sent[request] == 0 {
				t.Errorf("no transcript requests %s (%s)", request, section)
			}
		}
	}
	bodies := expectedCodes(t)
	for code := range strings.FieldsSeq(codes) {
		if !bodies[code] {
			t.Errorf("no transcript is answered %s (4.1)", code)
		}
	}
	for name := range elsewhere {
		if heard[name] > 0 || bodies[name] {
			t.Errorf("%s is in a transcript, and said not to be", name)
		}
	}
}

// spoken is the name of a frame or a request.
func spoken(f transcript.Spoken) string {
	if f.HTTP != nil {
		return f.HTTP.Method + " " + pattern(f.HTTP.Path)
	}
	m, _ := f.Msg.(map[string]any)
	p, _ := m["payload"].(map[string]any)
	key := "message"
	if f.Sent {
		key = "action"
	}
	name := fmt.Sprintf("%v/%v", m["namespace"], p[key])
	if p["error"] != nil {
		name += fmt.Sprintf(" %v", p["error"])
	}
	return name
}

// pattern returns a path below /v1 with {} for ids.
func pattern(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/v1"), "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "${") || strings.Count(p, "-") == 4 {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

// expectedCodes returns the codes that error bodies have in transcripts.
func expectedCodes(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	types(t, func(f transcript.Spoken) string {
		if f.HTTP == nil || f.HTTP.Expect == nil {
			return ""
		}
		if b, ok := f.HTTP.Expect.Body.V.(map[string]any); ok {
			all[fmt.Sprint(b["code"])] = true
		}
		return ""
	})
	return all
}

func TestNames(t *testing.T) {
	d := k3k.New()
	if d.Name() != "k3k" || len(d.Subprotocols()) != 2 {
		t.Errorf("the dialect is %q and speaks %q", d.Name(), d.Subprotocols())
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*k3k.Config){
		"negative grace":   func(c *k3k.Config) { c.EnterAfter = -1 },
		"negative members": func(c *k3k.Config) { c.Room.MaxMember = -1 },
		"no end of rooms":  func(c *k3k.Config) { c.Room.EmptyTimeout = 0 },
		"too much chat":    func(c *k3k.Config) { c.Room.KeepChat = 1001 },
	} {
		c := k3k.DefaultConfig()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
		w := newWorld(t)
		w.env.Config = func(into any) error { *into.(*k3k.Config) = c; return nil }
		if k3k.New().Mount(http.NewServeMux(), w.env) == nil {
			t.Errorf("%s is mounted", name)
		}
		if err := w.rooms.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	w.env.Store = nil
	if k3k.New().Mount(http.NewServeMux(), w.env) == nil {
		t.Error("it is mounted without a store")
	}
	if err := w.rooms.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
