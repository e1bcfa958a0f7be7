package transcript

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// toy is a small server: everybody who joined hears what others say.
type toy struct {
	mu      sync.Mutex
	members map[*toyClient]string
}

type toyClient struct {
	ws *websocket.Conn
	mu sync.Mutex // writes
}

type toyMsg struct {
	Do   string          `json:"do"`
	Text string          `json:"text,omitempty"`
	Tid  json.RawMessage `json:"tid,omitempty"`
	SDP  string          `json:"sdp,omitempty"`
	For  string          `json:"for,omitempty"`
}

func newToy() http.Handler {
	t := &toy{members: map[*toyClient]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", t.serve)
	mux.HandleFunc("/closed", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("POST /echo/{id}", func(w http.ResponseWriter, r *http.Request) {
		var v any
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"id": r.PathValue("id"), "host": r.Host, "got": v, "q": r.URL.Query().Get("q")})
	})
	return mux
}

func (c *toyClient) send(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_ = c.ws.WriteJSON(v)
}

func (t *toy) serve(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"toy"}}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &toyClient{ws: ws}
	defer t.leave(c)
	ws.SetReadLimit(4096)
	alive := func(string) error { return ws.SetReadDeadline(time.Now().Add(60 * time.Second)) }
	_ = alive("")
	ws.SetPongHandler(alive)
	stop := make(chan struct{})
	var pings sync.WaitGroup
	defer pings.Wait()
	defer close(stop)
	pings.Go(func() {
		tick := time.NewTicker(20 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			case <-stop:
				return
			}
		}
	})
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		var m toyMsg
		if kind == websocket.BinaryMessage {
			_ = ws.WriteMessage(kind, data)
		} else if json.Unmarshal(data, &m) == nil {
			t.frame(c, m)
		}
	}
}

func (t *toy) frame(c *toyClient, m toyMsg) {
	switch m.Do {
	case "join":
		id := fmt.Sprintf("%X", sha256.Sum256([]byte(rand.Text())))[:26]
		t.mu.Lock()
		t.members[c] = id
		others := len(t.members) - 1
		t.mu.Unlock()
		c.send(map[string]any{"joined": id, "at": time.Now(), "others": others, "tid": m.Tid})
		t.tell(c, map[string]any{"came": id})
	case "say":
		t.tell(c, map[string]any{"said": m.Text, "by": t.members[c]})
	case "both":
		for _, x := range []string{"a", "b"} {
			c.send(map[string]any{"n": x, "list": []int{3, 1, 2}})
		}
	case "later":
		d, _ := time.ParseDuration(m.For)
		time.AfterFunc(d, func() { c.send(map[string]any{"late": true}) })
	case "offer":
		c.send(map[string]any{"offer": Wish{Audio: "recvonly", Video: "sendonly", Stream: "s", Candidates: true}.Offer()})
	case "answer":
		m, err := Meaning(m.SDP)
		c.send(map[string]any{"meaning": m, "bad": err != nil})
	case "kick":
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "go away"), time.Now().Add(time.Second))
		_ = c.ws.Close()
	case "drop":
		_ = c.ws.Close()
	}
}

func (t *toy) tell(from *toyClient, v any) {
	t.mu.Lock()
	var others []*toyClient
	for c := range t.members {
		if c != from {
			others = append(others, c)
		}
	}
	t.mu.Unlock()
	for _, c := range others {
		c.send(v)
	}
}

func (t *toy) leave(c *toyClient) {
	_ = c.ws.Close()
	t.mu.Lock()
	id, was := t.members[c]
	delete(t.members, c)
	t.mu.Unlock()
	if was {
		t.tell(c, map[string]any{"went": id})
	}
}
