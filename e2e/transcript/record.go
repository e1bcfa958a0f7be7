package transcript

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"dragoman/dialects"
)

// maxRecorded bounds what a recording holds, in bytes.
const maxRecorded = 64 << 20

// A Recording collects what clients and a server say to each other, and makes a
// script of it. It is fed by a Proxy, or as the Tap of a server of ours. Its
// methods may be called from any goroutine.
type Recording struct {
	dialect, title string
	start          time.Time

	mu    sync.Mutex
	log   []recorded // at most MaxSteps
	size  int
	lost  int
	names map[dialects.ConnID]string
	next  dialects.ConnID
}

// recorded is one thing that happened.
type recorded struct {
	at     time.Time
	server bool // it came from the server
	step   Step // without payload
	kind   int  // of the frame; 0: the payload is no frame
	data   []byte
	answer []byte // of an HTTP request
	status int
	ctype  string
}

// NewRecording begins an empty recording. Dialect and title go into the header.
func NewRecording(dialect, title string) *Recording {
	return &Recording{dialect: dialect, title: title, start: time.Now(), names: map[dialects.ConnID]string{}}
}

// Lost returns how much was not recorded because the recording is full.
func (r *Recording) Lost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

func (r *Recording) add(e recorded) {
	e.at = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.log) == MaxSteps/2 || r.size+len(e.data)+len(e.answer) > maxRecorded {
		r.lost++ // half of the steps are left for the waits between them
		return
	}
	r.size += len(e.data) + len(e.answer)
	r.log = append(r.log, e)
}

// name returns what a connection is called in the script: a, b, … z, c26, c27.
func (r *Recording) name(id dialects.ConnID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := r.names[id]; ok {
		return n
	}
	n := "c" + strconv.Itoa(len(r.names))
	if len(r.names) < 26 {
		n = string(rune('a' + len(r.names)))
	}
	r.names[id] = n
	return n
}

// Frame records a frame: a binary one if it is not UTF-8. It implements
// dialects.Tap; a connection that was not recorded before is taken to have been
// opened at the root.
func (r *Recording) Frame(id dialects.ConnID, dir dialects.Direction, data []byte) {
	r.mu.Lock()
	_, known := r.names[id]
	r.mu.Unlock()
	if !known {
		r.opened(id, &url.URL{Path: "/"}, nil)
	}
	kind := websocket.TextMessage
	if !utf8.Valid(data) {
		kind = websocket.BinaryMessage
	}
	r.frame(id, dir == dialects.Out, kind, data)
}

func (r *Recording) frame(id dialects.ConnID, server bool, kind int, data []byte) {
	step := Step{Who: r.name(id), Dir: ">"}
	if server {
		step.Dir = "<"
	}
	r.add(recorded{server: server, step: step, kind: kind, data: slices.Clone(data)})
}

// newConn returns the id of a connection that the recording makes itself.
func (r *Recording) newConn() dialects.ConnID {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	return r.next
}

func (r *Recording) opened(id dialects.ConnID, u *url.URL, subprotocols []string) {
	r.add(recorded{step: Step{Who: r.name(id), Do: "dial", Path: u.EscapedPath(), Query: query(u), Subprotocols: subprotocols}})
}

func (r *Recording) refused(id dialects.ConnID, u *url.URL, subprotocols []string, status int) {
	r.add(recorded{step: Step{
		Who: r.name(id), Do: "dial", Path: u.EscapedPath(), Query: query(u), Subprotocols: subprotocols,
		Expect: &Expect{Status: status},
	}})
}

func (r *Recording) closed(id dialects.ConnID, server bool, code int) {
	step := Step{Who: r.name(id), Do: "close", Code: code}
	switch {
	case server:
		step.Do = "closed"
	case code == 1005 || code == 1006: // they are never sent
		step.Code, step.Abrupt = 0, true
	}
	r.add(recorded{server: server, step: step})
}

func (r *Recording) request(req *http.Request, body []byte, resp *http.Response, answer []byte) {
	step := Step{Do: "http", Method: req.Method, Path: req.URL.EscapedPath(), Query: query(req.URL)}
	if ct := req.Header.Get("Content-Type"); ct != "" && len(body) > 0 {
		step.Headers = map[string]string{"Content-Type": ct}
	}
	r.add(recorded{step: step, data: body, answer: answer, status: resp.StatusCode, ctype: resp.Header.Get("Content-Type")})
}

func query(u *url.URL) map[string]string {
	if u.RawQuery == "" {
		return nil
	}
	q := map[string]string{}
	for k, v := range u.Query() {
		q[k] = v[0]
	}
	return q
}
