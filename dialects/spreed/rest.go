package spreed

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
)

// maxBody bounds what the REST API reads of a request.
const maxBody = 64 << 10

// methods serves a path of the REST API: another method is 405 with nothing.
type methods map[string]http.HandlerFunc

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := m[r.Method]
	if h == nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h(w, r)
}

// routes are the paths of reference 1. What is switched off falls through to the
// page of a room, for GET.
func (s *server) routes(mux *http.ServeMux) {
	get := func(h http.HandlerFunc) http.Handler { return methods{http.MethodGet: h, http.MethodHead: h} }
	mux.Handle("/ws", methods{http.MethodGet: s.channeling})
	mux.Handle("/api/v1/config", get(s.config))
	mux.Handle("/api/v1/rooms", methods{http.MethodPost: s.newRoom})
	mux.Handle("/api/v1/tokens", methods{http.MethodPost: s.checkCode})
	if u := s.cfg.Users; u.Enabled {
		mux.Handle("/api/v1/sessions/{id}/{$}", methods{http.MethodPatch: s.patchSession})
		if u.AllowRegistration && u.Mode == modeSecret {
			mux.Handle("/api/v1/users", methods{http.MethodPost: s.register})
		}
	}
	if s.cfg.Stats {
		mux.Handle("/api/v1/stats", get(s.stats))
	}
	mux.Handle("/static/img/buddy/{flags}/{image}/{rest...}", get(s.buddy))
	mux.Handle("/static/{path...}", get(s.asset))
	mux.Handle("/.well-known/spreed-configuration", get(s.wellKnown))
	mux.Handle("/robots.txt", get(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n") // the client may be gone
	}))
	mux.Handle("/favicon.ico", get(s.favicon))
	mux.HandleFunc("/", s.room)
}

func (s *server) favicon(w http.ResponseWriter, r *http.Request) {
	if s.pages.static == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.SetPathValue("path", "img/favicon.ico")
	s.asset(w, r)
}

func (s *server) config(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	s.json(w, http.StatusOK, s.settings(r))
}

// newRoom makes up the name of a room. Nothing is created.
func (s *server) newRoom(w http.ResponseWriter, _ *http.Request) {
	const size = 11
	name := rand.Text()[:size]
	s.json(w, http.StatusOK, map[string]string{"name": name, "url": "/" + name})
}

// apiError is how the REST API refuses (reference 1).
type apiError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Success bool   `json:"success"`
}

func (s *server) refuse(w http.ResponseWriter, status int, code, message string) {
	s.json(w, status, apiError{Code: code, Message: message})
}

// checkCode tells whether an access code is known.
func (s *server) checkCode(w http.ResponseWriter, r *http.Request) {
	const longest = 100
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	code := strings.ToLower(r.FormValue("a"))
	if len(code) > longest {
		s.refuse(w, http.StatusRequestEntityTooLarge, "auth_too_large", "the code is too long")
		return
	}
	for _, known := range s.cfg.Codes {
		if code != "" && subtle.ConstantTimeCompare([]byte(strings.ToLower(known)), []byte(code)) == 1 {
			s.json(w, http.StatusOK, map[string]any{"token": code, "success": true})
			return
		}
	}
	s.refuse(w, http.StatusForbidden, "invalid_token", "the code is not known")
}

// sessionProof is what a page shows of a session and its user.
type sessionProof struct {
	ID     string `json:"id"`
	Sid    string `json:"sid"`
	Combo  string `json:"useridcombo"`
	Secret string `json:"secret"`
}

// nonce is what makes a session a user's.
type nonceReply struct {
	Nonce     string `json:"nonce"`
	Userid    string `json:"userid"`
	Combo     string `json:"useridcombo,omitempty"`
	Secret    string `json:"secret,omitempty"`
	Timestamp int64  `json:"timestamp,omitempty"`
	Success   bool   `json:"success"`
}

// patchSession gives a nonce to a session whose user proves itself (reference 1.2).
func (s *server) patchSession(w http.ResponseWriter, r *http.Request) {
	var p sessionProof
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&p)
	user, ok := s.userOf(r, p)
	var nonce string
	if err == nil && ok && r.PathValue("id") == p.ID {
		nonce, err = s.askNonce(r.Context(), p.ID, p.Sid, user)
	}
	if err != nil || nonce == "" {
		s.refuse(w, http.StatusForbidden, "session_patch_failed", "the session cannot be authenticated")
		return
	}
	s.json(w, http.StatusOK, nonceReply{Nonce: nonce, Userid: user, Success: true})
}

// userOf returns whom a request proves to be.
func (s *server) userOf(r *http.Request, p sessionProof) (user string, ok bool) {
	switch u := s.cfg.Users; u.Mode {
	case modeHeader:
		user = r.Header.Get(u.Header)
	case modeCertificate:
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			user = r.TLS.VerifiedChains[0][0].Subject.CommonName
		}
	default:
		return openCombo(string(u.Secret), p.Combo, p.Secret, time.Now())
	}
	return user, user != ""
}

// askNonce asks the live session for a nonce. Empty: it has another Sid, or is a
// user's already.
func (s *server) askNonce(ctx context.Context, id, sid, user string) (string, error) {
	to, ok := s.forms.parse(id)
	if !ok || to.virtual {
		return "", bridge.Errorf(bridge.NotFound, "there is no such session")
	}
	answers, err := s.house.ask(ctx, to.id, topicNonce, question{Sid: sid, User: user})
	if err != nil {
		return "", err
	}
	return answers[0].Nonce, nil
}

// comboLife is how long a registered user is vouched for.
const comboLife = 365 * 24 * time.Hour

// register makes a user for a session (reference 1.2). Nothing is stored: whoever
// shows the useridcombo with its secret is that user.
func (s *server) register(w http.ResponseWriter, r *http.Request) {
	p, code := readProof(w, r)
	if code != "" {
		s.refuse(w, http.StatusBadRequest, code, "the request cannot be read")
		return
	}
	user := fmt.Sprintf("%s@%s", bridge.NewMessageID(), s.cfg.Users.Realm)
	nonce, err := s.askNonce(r.Context(), p.ID, p.Sid, user)
	switch {
	case bridge.CodeOf(err) == bridge.NotFound || err == nil && nonce == "":
		s.refuse(w, http.StatusForbidden, "users_invalid_session", "the session is not known")
		return
	case err != nil:
		s.refuse(w, http.StatusBadRequest, "users_request_failed", bridge.MessageOf(err))
		return
	}
	expires := time.Now().Add(comboLife)
	useridcombo, mac := combo(string(s.cfg.Users.Secret), user, expires)
	s.json(w, http.StatusOK, nonceReply{
		Nonce: nonce, Userid: user, Combo: useridcombo, Secret: mac, Timestamp: expires.Unix(), Success: true,
	})
}

func readProof(w http.ResponseWriter, r *http.Request) (p sessionProof, code string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		if json.NewDecoder(r.Body).Decode(&p) != nil {
			return p, "users_bad_request"
		}
	case "application/x-www-form-urlencoded", "multipart/form-data":
		p.ID, p.Sid = r.FormValue("id"), r.FormValue("sid")
	default:
		return p, "users_invalid_request"
	}
	if p.ID == "" || p.Sid == "" {
		return p, "users_bad_request"
	}
	return p, ""
}

// stats tells how much there is to do (reference 1.2).
func (s *server) stats(w http.ResponseWriter, r *http.Request) {
	rooms, err := s.env.Host.List(r.Context())
	if err != nil {
		s.env.Log.Debug("list", "err", err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	n := &s.counts
	hub := map[string]any{
		"rooms": len(rooms), "connections": n.sessions.Load(), "sessions": n.sessions.Load(), "users": n.users.Load(),
		"count": n.joins.Load(), "broadcastchatmessages": n.broadcastChats.Load(), "unicastchatmessages": n.unicastChats.Load(),
	}
	if ok, _ := strconv.ParseBool(r.URL.Query().Get("details")); ok {
		members := map[string]int{}
		for _, room := range rooms {
			members[string(room.ID)] = room.Members
		}
		hub["roomsmembers"] = members
		hub["takenover"], hub["resumed"], hub["abandoned"] = n.takenOver.Load(), n.resumed.Load(), n.abandoned.Load()
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	s.json(w, http.StatusOK, map[string]any{
		"runtime": map[string]any{
			"alloc": memory.Alloc, "sys": memory.Sys, "numgc": memory.NumGC, "goroutines": runtime.NumGoroutine(),
		},
		"hub": hub,
	})
}
