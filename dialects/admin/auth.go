package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"dragoman/bridge"
)

// handler answers a request or says why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// guard lets in who has a key.
func (d *Dialect) guard(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		who, err := d.judge(r)
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			fail(w, err)
		}
		if r.Method != http.MethodGet {
			d.log.Info("admin", "who", who, "method", r.Method, "path", r.URL.Path, "code", int(bridge.CodeOf(err)))
		}
	})
}

// judge says who asks, or why that one may not.
func (d *Dialect) judge(r *http.Request) (who string, err error) {
	if r.Method != http.MethodGet && !isJSON(r) {
		// A page of another site can send forms and text to us without asking, but
		// not this type.
		return "", bridge.Errorf(bridge.BadRequest, "the body has to be application/json")
	}
	if d.cfg.Open && len(d.cfg.Keys) == 0 {
		if !isLocalHost(r.Host) {
			// Without keys, the name in the address bar is what tells our user's page
			// from one whose name was made to point here.
			return "", bridge.Errorf(bridge.Forbidden, "without keys the API answers to localhost only, not to %q", r.Host)
		}
		return "anybody", nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", bridge.Errorf(bridge.Unauthenticated, "the API needs a key: Authorization: Bearer KEY")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	for _, k := range d.cfg.Keys {
		if subtle.ConstantTimeCompare(sum[:], k.Hash[:]) == 0 {
			continue
		}
		if k.ReadOnly && r.Method != http.MethodGet {
			return k.Name, bridge.Errorf(bridge.Forbidden, "this key may only look")
		}
		return k.Name, nil
	}
	return "", bridge.Errorf(bridge.Unauthenticated, "the key is not known here")
}

func isJSON(r *http.Request) bool {
	if r.ContentLength == 0 && r.Method == http.MethodDelete {
		return true // no form can send DELETE
	}
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/json"
}

func isLocalHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.IsLoopback()
}

// statuses are what HTTP calls our codes.
var statuses = map[bridge.Code]int{
	bridge.BadRequest:      http.StatusBadRequest,
	bridge.Unauthenticated: http.StatusUnauthorized,
	bridge.WrongSecret:     http.StatusForbidden,
	bridge.Forbidden:       http.StatusForbidden,
	bridge.NotFound:        http.StatusNotFound,
	bridge.Exists:          http.StatusConflict,
	bridge.RoomLocked:      http.StatusConflict,
	bridge.RoomFull:        http.StatusConflict,
	bridge.Banned:          http.StatusForbidden,
	bridge.NotSupported:    http.StatusNotImplemented,
	bridge.TooMany:         http.StatusTooManyRequests,
	bridge.Lagged:          http.StatusServiceUnavailable,
	bridge.Moved:           http.StatusMisdirectedRequest,
	bridge.Unavailable:     http.StatusServiceUnavailable,
	bridge.Closed:          http.StatusGone,
	bridge.Internal:        http.StatusInternalServerError,
}

type failure struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func fail(w http.ResponseWriter, err error) {
	code := bridge.CodeOf(err)
	if code == bridge.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="dragoman"`)
	}
	var f failure
	f.Error.Code, f.Error.Message = code.String(), bridge.MessageOf(err)
	answer(w, statuses[code], f)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // who does not wait for the answer does not get it
}

// maxBody is the largest request, in bytes.
const maxBody = 64 << 10

// read decodes a request strictly.
func read(w http.ResponseWriter, r *http.Request, to any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return &bridge.Error{Code: bridge.BadRequest, Msg: explain(err), Err: err}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bridge.Errorf(bridge.BadRequest, "there is something after the end of the JSON document")
	}
	return nil
}

func explain(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "the value of " + e.Field + " cannot be a " + e.Value
	}
	if e, ok := errors.AsType[*bridge.Error](err); ok {
		return e.Msg
	}
	if strings.HasPrefix(err.Error(), "json: unknown field ") {
		return "there is no field " + strings.TrimPrefix(err.Error(), "json: unknown field ")
	}
	return "the body is not a JSON document of the right form"
}
