package k3k

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"dragoman/bridge"
)

// maxBody is how long the body of a request may be, in bytes.
const maxBody = 256 << 10

// A route is one request of the REST interface (reference 4).
type route struct {
	pattern string // of http.ServeMux, below /v1
	do      func(*server, *request) (reply, error)
	open    bool // nobody has to be logged in
}

// routes is all of them.
var routes = []route{
	{"GET /auth/login", (*server).issuer, true},
	{"POST /auth/login", (*server).login, true},
	{"GET /turn", (*server).turn, true},
	{"POST /turn", (*server).guestTurn, true},
	{"POST /invite/verify", (*server).verify, true},
	{"POST /rooms/{room}/start_invited", (*server).startInvited, true},
	{"POST /names", (*server).byName, true},
	{"POST /rooms/{room}/start", (*server).start, false},
	{"GET /users/me", (*server).me, false},
	{"PATCH /users/me", (*server).changeMe, false},
	{"GET /users/me/tariff", (*server).myTariff, false},
	{"GET /users/find", (*server).findUsers, false},
	{"GET /users/{user}", (*server).user, false},
	{"PUT /users/me/event_favorites/{event}", (*server).favor, false},
	{"DELETE /users/me/event_favorites/{event}", (*server).disfavor, false},
	{"GET /rooms", (*server).listRooms, false},
	{"POST /rooms", (*server).makeRoom, false},
	{"GET /rooms/{room}", (*server).getRoom, false},
	{"PATCH /rooms/{room}", (*server).changeRoom, false},
	{"DELETE /rooms/{room}", (*server).deleteRoom, false},
	{"GET /rooms/{room}/tariff", (*server).roomTariff, false},
	{"GET /rooms/{room}/invites", (*server).listInvites, false},
	{"POST /rooms/{room}/invites", (*server).makeInvite, false},
	{"GET /rooms/{room}/invites/{code}", (*server).getInvite, false},
	{"PUT /rooms/{room}/invites/{code}", (*server).changeInvite, false},
	{"DELETE /rooms/{room}/invites/{code}", (*server).deleteInvite, false},
	{"GET /events", (*server).listEvents, false},
	{"POST /events", (*server).makeEvent, false},
	{"GET /events/{event}", (*server).getEvent, false},
	{"PATCH /events/{event}", (*server).changeEvent, false},
	{"DELETE /events/{event}", (*server).deleteEvent, false},
	{"GET /events/{event}/invites", (*server).listInvitees, false},
	{"POST /events/{event}/invites", (*server).invite, false},
	{"DELETE /events/{event}/invites/{user}", (*server).uninvite, false},
	{"PATCH /events/{event}/invite", (*server).acceptEvent, false},
	{"DELETE /events/{event}/invite", (*server).declineEvent, false},
}

// request is one of a client.
type request struct {
	*http.Request
	me bridge.Account // zero: nobody is logged in
}

// reply is the answer. Without a body it is empty.
type reply struct {
	status int // 0: 200
	body   any
	header http.Header
}

// empty is an answer without a body.
func empty() reply { return reply{status: http.StatusNoContent} }

// restError is an error in the words of the REST interface. Without a code the
// body is empty, as the permission layer answers (reference 4.1).
type restError struct {
	status  int
	code    string
	message string
}

// Error implements error.
func (e *restError) Error() string { return e.code + ": " + e.message }

// denied is what the permission layer answers.
var denied = &restError{status: http.StatusForbidden}

// invalidField is a validation that has failed (422).
type invalidField struct{ field, code, message string }

// Error implements error.
func (e *invalidField) Error() string { return e.field + ": " + e.code }

// expired is an access token, or an ID token, that does not hold any more.
type expired struct{ why string }

// Error implements error.
func (e *expired) Error() string { return "unauthorized: " + e.why }

// mount adds the routes. Clients spell the WebSocket's path in two ways, and one
// looks for it below /v1, too.
func (d *server) mount(mux *http.ServeMux) {
	api := http.NewServeMux()
	for _, r := range routes {
		method, path, _ := strings.Cut(r.pattern, " ")
		api.Handle(method+" /v1"+path, d.handle(r))
	}
	api.Handle("/", d.handle(route{do: func(*server, *request) (reply, error) {
		return reply{}, bridge.Errorf(bridge.NotFound, "there is no such thing")
	}}))
	mux.Handle("/v1/", common(api))
	for _, path := range []string{"/signaling", "/signalling", "/v1/signaling", "/v1/signalling"} {
		mux.HandleFunc("GET "+path, d.signaling)
	}
	mux.HandleFunc("/", d.anywhere)
}

// anywhere takes a WebSocket that asks for the protocol at any path: on a listener
// that dialects share, that is how it gets here.
func (d *server) anywhere(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || readUpgrade(r.Header).protocol == "" {
		http.NotFound(w, r)
		return
	}
	d.signaling(w, r)
}

// common is what all answers have: CORS for any page, and an id of the request.
func common(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("Access-Control-Expose-Headers", "link, x-request-id")
		head.Set("X-Request-Id", bridge.NewMessageID().String())
		if r.Method == http.MethodOptions {
			head.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
			head.Set("Access-Control-Allow-Headers", "content-type, authorization")
			head.Set("Access-Control-Max-Age", "3600")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// handle answers a route.
func (d *server) handle(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.Body = http.MaxBytesReader(w, q.Body, maxBody)
		own := &request{Request: q}
		var err error
		if !r.open {
			own.me, err = d.account(q)
		}
		var a reply
		if err == nil {
			a, err = r.do(d, own)
		}
		if err != nil {
			d.fail(w, q, err)
			return
		}
		for k, v := range a.header {
			w.Header()[k] = v
		}
		d.write(w, a.status, "application/json", a.body)
	})
}

func (d *server) write(w http.ResponseWriter, status int, kind string, body any) {
	if status == 0 {
		status = http.StatusOK
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	data, err := encode(body)
	if err != nil {
		d.env.Log.Error("encode an answer", "err", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(data)
}

// failure is the body of an error (reference 4.1).
type failure struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Errors  []fieldFailure `json:"errors,omitempty"`
}

type fieldFailure struct {
	Field   string `json:"field,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// fail answers an error.
func (d *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, body := failureOf(err)
	if e, ok := errors.AsType[*expired](err); ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="`+e.why+`", error_description="log in again"`)
	}
	d.env.Log.Debug("refused", "path", r.URL.Path, "code", status, "err", err)
	if status == http.StatusInternalServerError {
		d.env.Log.Error("request failed", "path", r.URL.Path, "err", err)
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	d.write(w, status, "text/json; charset=utf-8", body)
}

// failureOf translates an error.
func failureOf(err error) (status int, body *failure) {
	if e, ok := errors.AsType[*restError](err); ok {
		if e.code == "" {
			return e.status, nil
		}
		return e.status, &failure{Code: e.code, Message: e.message}
	}
	if e, ok := errors.AsType[*invalidField](err); ok {
		return http.StatusUnprocessableEntity, &failure{
			Code: "validation_failed", Message: "some fields are not valid",
			Errors: []fieldFailure{{e.field, e.code, e.message}},
		}
	}
	if _, ok := errors.AsType[*expired](err); ok {
		return http.StatusUnauthorized, &failure{Code: "unauthorized", Message: "log in again"}
	}
	o := outcomeOf(err)
	message := bridge.MessageOf(err)
	if o.status == http.StatusInternalServerError {
		message = "something went wrong here"
	}
	return o.status, &failure{Code: o.code, Message: message}
}

// body decodes the body of a request (reference 4.1).
func body[T any](r *request) (v T, err error) {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		kind, _, err := mime.ParseMediaType(kind)
		if err != nil || kind != "application/json" && kind != "text/json" {
			return v, &restError{http.StatusBadRequest, "invalid_content_type", "the body has to be JSON"}
		}
	}
	data, err := io.ReadAll(r.Body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return v, &restError{http.StatusBadRequest, "payload_overflow", "the body is too long"}
	}
	if err != nil {
		return v, &restError{http.StatusBadRequest, "invalid_payload", "the body cannot be read"}
	}
	if json.Unmarshal(data, &v) != nil {
		return v, &restError{http.StatusBadRequest, invalidJSON, "the body is not what it should be"}
	}
	return v, nil
}

// required tells that a field is missing from a body.
func required(ok bool) error {
	if ok {
		return nil
	}
	return &restError{http.StatusBadRequest, invalidJSON, "a field is missing"}
}

// optional is a field that may be absent, or null.
type optional[T any] struct {
	set bool
	v   *T // nil: null
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *optional[T]) UnmarshalJSON(b []byte) error {
	o.set = true
	return json.Unmarshal(b, &o.v)
}

// bearer returns the token of a request; "": there is none.
func bearer(r *http.Request) string {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// account returns who asks (reference 4.1, 4.2).
func (d *server) account(r *http.Request) (bridge.Account, error) {
	token := bearer(r)
	if token == "" {
		return bridge.Account{}, bridge.Errorf(bridge.Unauthenticated, "log in first")
	}
	grant, err := d.env.Login.ByAccessToken(r.Context(), bridge.Secret(token))
	if bridge.CodeOf(err) == bridge.Unauthenticated || bridge.CodeOf(err) == bridge.BadRequest {
		return bridge.Account{}, &expired{"invalid_token"}
	}
	if err != nil {
		return bridge.Account{}, err
	}
	a, err := d.env.Store.Accounts().Get(r.Context(), bridge.AccountOf(grant.User))
	switch {
	case bridge.CodeOf(err) == bridge.NotFound:
		return a, &restError{http.StatusUnauthorized, "unknown_sub", "log in first"}
	case err == nil && !a.Until.IsZero() && time.Now().After(a.Until):
		return a, &expired{"invalid_request"}
	}
	return a, err
}

// ctx is the context of the request.
func (r *request) ctx() context.Context { return r.Context() }
