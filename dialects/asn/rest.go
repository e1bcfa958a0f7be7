package asn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// exchange is a call over HTTP.
type exchange struct {
	encoding rose.Encoding
	whole    bool          // the body was a message, and so is the answer
	answer   *rose.Message // nil: it was an event
}

// exchange reads a call and carries it out. false: the request itself was refused.
func (d *server) exchange(w http.ResponseWriter, r *http.Request, a account) (x exchange, ok bool) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return x, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		w.WriteHeader(status)
		return x, false
	}
	body = bytes.TrimSpace(body)
	x.encoding, _ = rose.Detect(body)
	if len(body) > 0 && body[0] == 0x30 { // a bare argument in BER
		x.encoding = rose.BER
	}
	c := &caller{d: d, account: a, request: r}
	if len(body) > 0 && x.encoding.Enveloped(body) {
		x.whole = true
		x.answer = c.message(r.Context(), x.encoding, body)
	} else {
		x.answer = c.bare(r.Context(), x.encoding, r, body)
	}
	return x, true
}

// message carries out what a whole message asks for.
func (c *caller) message(ctx context.Context, e rose.Encoding, body []byte) *rose.Message {
	m, err := e.Decode(body)
	if m == nil || m.Invoke == nil {
		return rose.Refuse(0, rose.UnexpectedChildOperation, rose.ErrUnread.Error())
	}
	in := read(m.Invoke, err)
	if auth := m.Invoke.Authentication; auth != nil && in.problem == nil {
		a, err := c.d.byInvoke(ctx, c.request, auth)
		if err != nil {
			in.problem = rose.Refuse(m.Invoke.InvokeID, rose.AuthenticationFailed, bridge.MessageOf(err))
		}
		c.account = a
	}
	return c.answer(ctx, m.Invoke.InvokeID, in)
}

// bare carries out the operation that the path names.
func (c *caller) bare(ctx context.Context, e rose.Encoding, r *http.Request, body []byte) *rose.Message {
	op, ok := rose.Lookup(0, r.PathValue("operation"))
	if r.PathValue("operation") == keepAliveName {
		return nil
	}
	if !ok {
		return rose.Refuse(0, rose.UnrecognisedOperation, "there is no such operation")
	}
	in := invoke{op: op, argument: op.Argument(), event: op.Event()}
	switch {
	case len(body) > 0:
		in.check(0, e.Unmarshal(body, in.argument))
	case r.Method == http.MethodGet:
		in.check(0, rose.FromQuery(r.URL.Query(), in.argument))
	default:
		in.check(0, rose.JSON.Unmarshal([]byte("{}"), in.argument))
	}
	return c.answer(ctx, 0, in)
}

// answer carries an invoke out. nil: it is an event.
func (c *caller) answer(ctx context.Context, id int64, in invoke) *rose.Message {
	switch {
	case in.event && (in.problem != nil || in.ignored):
		return nil
	case in.problem != nil:
		return in.problem
	}
	out, err := c.perform(ctx, in.op, in.argument)
	if err == nil && out.rest != nil {
		out.rest(ctx)
	}
	switch {
	case in.event:
		return nil
	case err != nil:
		c.d.env.Log.Debug("refused", "operation", in.op.Name, "err", err)
		return rose.Fail(id, failureOf(err).onWire())
	}
	return rose.Answer(id, out.value)
}

// rest is /rest/<operation> (reference 4.3).
func (d *server) rest(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); slices.Contains(d.cfg.Origins, origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-ucsid, X-ucsessionid, X-uctoken, X-EPID, X-no401, X-simple")
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		w.Header().Add("Vary", "Origin")
	}
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	a, err := d.byHeader(r)
	if err != nil {
		d.unauthorized(w)
		return
	}
	x, ok := d.exchange(w, r, a)
	switch m := x.answer; {
	case !ok:
	case m == nil:
		w.WriteHeader(http.StatusNoContent)
	case x.whole:
		x.write(w, statusOf(m), m)
	case m.Result != nil:
		x.write(w, http.StatusOK, m.Result.Result.Result.Value)
	case m.Error != nil:
		x.write(w, statusOf(m), m.Error.Error.Value)
	default:
		x.write(w, statusOf(m), m.Reject)
	}
}

// statusOf is the HTTP status of an answer.
func statusOf(m *rose.Message) int {
	switch {
	case m.Result != nil:
		return http.StatusOK
	case m.Error != nil && m.Error.ErrorValue >= 201 && m.Error.ErrorValue <= 599:
		return int(m.Error.ErrorValue)
	}
	return http.StatusInternalServerError
}

// write writes a message, or a value by itself.
func (x exchange) write(w http.ResponseWriter, status int, v rose.Value) {
	kind, data := "application/json", []byte(nil)
	if x.encoding == rose.BER {
		kind = "application/octet-stream"
	}
	if m, ok := v.(*rose.Message); ok {
		data = x.encoding.Encode(m)
	} else {
		data = x.encoding.Marshal(v)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data)
}
