package asn

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// What the web proxy says of itself (reference 4.2).
const (
	protocolVersion = 61 // of version 6
	localServer     = "local"
)

// Lives of sessions of the web proxy: one that no WebSocket uses ends.
const (
	sessionLife  = time.Minute
	sessionRenew = 20 * time.Second
)

// instance is the WebSocket of the conference instance (reference 4.1).
func (d *server) instance(w http.ResponseWriter, r *http.Request) {
	a, err := d.byHeader(r)
	if err != nil {
		d.unauthorized(w)
		return
	}
	d.serve(w, r, &speaker{account: a})
}

// unauthorized asks for credentials.
func (d *server) unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="`+d.cfg.Realm+`"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// locate tells clients who looks after a server: this node.
func (d *server) locate(w http.ResponseWriter, r *http.Request) {
	if !d.serves(r.URL.Query().Get("ucsid")) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, map[string]any{"redirect": scheme(r, "http") + "://" + r.Host})
}

// serves reports whether an id names a server of ours.
func (d *server) serves(id string) bool {
	return id == localServer || slices.Contains(d.cfg.ServerIDs, id)
}

func (d *server) version(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"ucserverprotocolversion": protocolVersion})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(marshal(v))
}

// logonErrors are the numbers of AsnLogonError.
var logonErrors = map[bridge.Code]int{bridge.Unauthenticated: 101, bridge.Forbidden: 129, bridge.TooMany: 131}

// logonExpired is that of a token that was good.
const logonExpired = 130

// createSession logs a client in (reference 4.2).
func (d *server) createSession(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-ucsid")
	if id == "" {
		id = r.URL.Query().Get("ucsid")
	}
	if id != "" && !d.serves(id) {
		answer(w, http.StatusBadGateway, map[string]any{"error": map[string]any{
			"details": "unknown server", "_type": "WsError", "iErrorDetail": 119, "u8sErrorString": "there is no such server",
		}})
		return
	}
	a, inURL, err := d.credentials(r)
	if err == nil && !a.known() {
		err = bridge.Errorf(bridge.Unauthenticated, "there are no credentials")
	}
	if err != nil {
		d.noSession(w, r, inURL, err)
		return
	}
	raw := make([]byte, 16)
	rand.Read(raw) // never fails since Go 1.24
	session := bridge.Secret(hex.EncodeToString(raw))
	if err := d.keepSession(r.Context(), session, a); err != nil {
		d.env.Log.Warn("session", "err", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer(w, http.StatusOK, map[string]any{"sessionid": string(session)})
}

// credentials are the first that are present; inURL: they were in the query, or a
// token.
func (d *server) credentials(r *http.Request) (a account, inURL bool, err error) {
	q := r.URL.Query()
	switch token := r.Header.Get("x-uctoken"); {
	case q.Has("token"):
		a, err = d.byToken(r.Context(), bridge.Secret(q.Get("token")))
		return a, true, err
	case token != "":
		a, err = d.byToken(r.Context(), bridge.Secret(token))
		return a, true, err
	case q.Has("user"):
		a, err = d.logIn(r.Context(), r, q.Get("user"), bridge.Secret(q.Get("pass")))
		return a, true, err
	}
	a, err = d.byHeader(r)
	return a, false, err
}

// noSession says why there is no session. Clients that would show a dialog of the
// browser's on a 401 ask for another status.
func (d *server) noSession(w http.ResponseWriter, r *http.Request, inURL bool, err error) {
	if !inURL && r.Header.Get("X-no401") == "" && !r.URL.Query().Has("no401") {
		d.unauthorized(w)
		return
	}
	number, known := logonErrors[bridge.CodeOf(err)]
	if !known {
		number = logonErrors[bridge.Unauthenticated]
	}
	if errors.Is(err, errExpired) {
		number = logonExpired
	}
	answer(w, http.StatusBadRequest, map[string]any{
		"error": map[string]any{
			"_type": "AsnLogonError", "iErrorDetail": number, "sAuthCredetials": "", "u8sErrorString": bridge.MessageOf(err), "u8sFailedUser": "",
		},
		"error_value": 0, "invokedID": 0, "sessionID": "",
	})
}

// sessionTicket is what a session is kept under.
func sessionTicket(session bridge.Secret) bridge.Secret { return "asn-session/" + session }

func (d *server) keepSession(ctx context.Context, session bridge.Secret, a account) error {
	return d.env.Store.Tickets().Put(ctx, sessionTicket(session), marshal(a), time.Now().Add(sessionLife))
}

// bySession returns whose session it is; Unauthenticated: there is none of that id.
func (d *server) bySession(ctx context.Context, session bridge.Secret) (a account, err error) {
	data, err := d.env.Store.Tickets().Get(ctx, sessionTicket(session))
	if bridge.CodeOf(err) == bridge.NotFound {
		return a, bridge.Errorf(bridge.Unauthenticated, "the session is not known, or not any more")
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// proxied is the WebSocket of the web proxy.
func (d *server) proxied(w http.ResponseWriter, r *http.Request) {
	session := bridge.Secret(r.URL.Query().Get("x-ucsessionid"))
	a, err := d.bySession(r.Context(), session)
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	d.serve(w, r, &speaker{account: a, session: session, wrapped: true})
}

// renew keeps the session for as long as the WebSocket is open.
func (s *speaker) renew(ctx context.Context) error {
	if err := s.d.keepSession(ctx, s.session, s.account); err != nil {
		s.c.Log.Warn("session", "err", err)
	}
	s.c.After(sessionRenew, s.renew)
	return nil
}

// clientCall is a call of a session without a WebSocket.
func (d *server) clientCall(w http.ResponseWriter, r *http.Request) {
	a, err := d.bySession(r.Context(), bridge.Secret(r.Header.Get("X-ucsessionid")))
	if err != nil {
		d.unauthorized(w)
		return
	}
	d.proxyCall(w, r, a)
}

// directCall is a call without a session.
func (d *server) directCall(w http.ResponseWriter, r *http.Request) {
	a, _, err := d.credentials(r)
	if err != nil || !a.known() {
		d.unauthorized(w)
		return
	}
	d.proxyCall(w, r, a)
}

// proxyCall carries a call out and answers as the web proxy does: with the bare
// result, or 400 and the members of the message.
func (d *server) proxyCall(w http.ResponseWriter, r *http.Request, a account) {
	x, ok := d.exchange(w, r, a)
	if !ok {
		return
	}
	switch m := x.answer; {
	case m == nil:
		w.WriteHeader(http.StatusNoContent)
	case m.Result != nil:
		x.write(w, http.StatusOK, m.Result.Result.Result.Value)
	case m.Error != nil:
		answer(w, http.StatusBadRequest, map[string]any{
			"error": json.RawMessage(rose.JSON.Marshal(m.Error.Error.Value)), "error_value": m.Error.ErrorValue, "invokedID": m.Error.InvokedID, "sessionID": "",
		})
	default:
		answer(w, http.StatusBadRequest, map[string]any{
			"reject": json.RawMessage(rose.JSON.Marshal(m.Reject.Reject)), "details": deref(m.Reject.Details),
		})
	}
}
