package stage

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"dragoman/e2e/transcript"
	"dragoman/media/mediatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(mediatest.Stuck)) }

// relay passes what one of two clients says to the other.
func relay() http.Handler {
	var mu sync.Mutex
	clients := map[string]*websocket.Conn{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		me := r.URL.Path
		mu.Lock()
		clients[me] = ws
		mu.Unlock()
		for {
			kind, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			mu.Lock()
			for name, other := range clients {
				if name != me {
					_ = other.WriteMessage(kind, data)
				}
			}
			mu.Unlock()
		}
	})
}

const head = `{"transcript":1,"dialect":"toy","title":"two meet","needs":["media"]}
{"who":"a","do":"dial","path":"/a"}
{"who":"b","do":"dial","path":"/b"}
`

const meet = head + `{"who":"a","dir":">","msg":{"sdp":{"$sdp":{"type":"offer","audio":"sendrecv","video":"sendrecv","application":"yes"}}}}
{"who":"b","dir":"<","msg":{"sdp":{"$sdp":{"type":"offer","candidates":{"$num":[1,null]}}}}}
{"who":"b","dir":">","msg":{"sdp":{"$sdp":{"type":"answer","escaped":true}}}}
{"who":"a","dir":"<","msg":{"sdp":{"$sdp":{"type":"answer","escaped":true,"video":"sendrecv"}}}}
`

func play(t *testing.T, lines string) error {
	t.Helper()
	server := httptest.NewServer(relay())
	defer server.Close()
	w, err := transcript.Remote(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	script, err := transcript.Read(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	s := New(w)
	defer s.Close()
	return transcript.Play(t.Context(), script, s)
}

func TestStage(t *testing.T) {
	err := play(t, meet+`{"who":"a","do":"media","sees":["b"],"hears":["b"]}
{"who":"b","do":"media","sees":["a"],"hears":["a"]}
{"who":"b","do":"media","publish":"silence"}
{"who":"a","do":"media","silent":["b"]}
{"who":"b","do":"media","publish":"camera"}
{"who":"a","do":"media","hears":["b"]}
`)
	if err != nil {
		t.Fatal(err)
	}
}

func TestStageFails(t *testing.T) {
	for lines, want := range map[string]string{
		meet + `{"who":"a","do":"media","sees":["a"],"within":"1s"}`:                                                          "sees a: wait for",
		meet + `{"who":"b","do":"media","publish":"nothing"}` + "\n" + `{"who":"a","do":"media","hears":["b"],"within":"1s"}`: "hears b: wait for sound",
		meet + `{"who":"a","do":"media","publish":"tape"}`:                                                                    `publish "tape"`,
		head + `{"who":"a","do":"media","sees":["b"]}`:                                                                        "there is no connection",
		head + `{"who":"a","dir":">","text":"{\"sdp\":\"v=0\\r\\na=setup:active\\r\\n\"}"}` + "\n" +
			`{"who":"b","dir":"<","msg":{"$any":true}}`: "nothing was offered",
	} {
		if err := play(t, lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
