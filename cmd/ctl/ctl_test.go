package ctl

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"dragoman/dialects/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatANodeMaySay(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		check  func(error) bool
	}{
		"a refusal of the API":    {403, `{"error":{"code":"forbidden","message":"this key may only look"}}`, refused(403, "this key may only look")},
		"a refusal in plain text": {503, "draining\n", refused(503, "draining")},
		"a page of somebody else": {404, "<html>" + string(make([]byte, 500)), refused(404, "Not Found")},
		"something else":          {200, "<html>", func(err error) bool { return err != nil }},
		"rooms":                   {200, `{"rooms":[{"id":"a"}]}`, func(err error) bool { return err == nil }},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("%s: key %q", name, r.Header.Get("Authorization"))
			}
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		}))
		client := &Client{Base: s.URL + "/", Key: "secret"}
		if _, err := client.Rooms(t.Context()); !c.check(err) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func refused(status int, message string) func(error) bool {
	return func(err error) bool {
		r, ok := errors.AsType[*Refusal](err)
		return ok && r.Status == status && r.Message == message
	}
}

func TestNobodyAnswers(t *testing.T) {
	client := &Client{Base: "http://127.0.0.1:1"}
	_, err := client.Create(t.Context(), admin.Spec{ID: "x"})
	if u, ok := errors.AsType[*Unreachable](err); !ok || u.Base != client.Base || errors.Unwrap(u) == nil {
		t.Errorf("%v", err)
	}
}

func TestRoomNamesAreEscaped(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.EscapedPath()
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	if err := (&Client{Base: s.URL}).Close(t.Context(), "team/a b?"); err != nil || asked != "DELETE /api/v1/rooms/team%2Fa%20b%3F" {
		t.Errorf("%q, %v", asked, err)
	}
}
