package transcript

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"dragoman/dialects"
)

// maxBody is how much of an HTTP body is recorded; the rest passes all the same.
const maxBody = 1 << 20

// Proxy stands between clients and the server of a world and records what they
// say: WebSockets frame by frame, pings left out, and HTTP requests with their
// answers.
func (r *Recording) Proxy(w World) http.Handler {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return w.Dial(ctx) },
	}
	p := &proxy{recording: r, world: w}
	p.plain = &httputil.ReverseProxy{
		Transport:      transport,
		Rewrite:        p.rewrite,
		ModifyResponse: p.answered,
	}
	return p
}

type proxy struct {
	recording *Recording
	world     World
	plain     *httputil.ReverseProxy
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		p.socket(w, r)
		return
	}
	body := &keep{ReadCloser: r.Body}
	r.Body = body
	p.plain.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), bodyKey{}, body)))
}

type bodyKey struct{}

func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	base := *p.world.Base()
	base.Scheme = "http" // TLS is the world's business
	r.SetURL(&base)
	r.Out.Header.Del("Accept-Encoding") // so that what is recorded can be read
}

// answered records a request when its answer has been passed on.
func (p *proxy) answered(resp *http.Response) error {
	sent, _ := resp.Request.Context().Value(bodyKey{}).(*keep)
	req := resp.Request.Clone(context.Background())
	answer := &keep{ReadCloser: resp.Body}
	answer.done = func() {
		// The answer may come before the whole request was read; then it is not all there.
		req.URL.Path = trimBase(p.world, req.URL.Path)
		req.URL.RawPath = ""
		p.recording.request(req, sent.data.Bytes(), resp, answer.data.Bytes())
	}
	resp.Body = answer
	return nil
}

func trimBase(w World, path string) string {
	base := w.Base().Path
	if base != "" && base != "/" && len(path) > len(base) {
		return "/" + path[len(base):]
	}
	return path
}

// keep remembers the beginning of what is read through it.
type keep struct {
	io.ReadCloser
	data bytes.Buffer
	done func()
}

// Read implements io.Reader.
func (k *keep) Read(b []byte) (int, error) {
	n, err := k.ReadCloser.Read(b)
	k.data.Write(b[:min(n, maxBody-k.data.Len())])
	return n, err
}

// Close implements io.Closer.
func (k *keep) Close() error {
	if k.done != nil {
		k.done()
		k.done = nil
	}
	return k.ReadCloser.Close()
}

// hop are the headers that belong to one connection only.
func hop() []string {
	return []string{
		"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
		"Sec-Websocket-Protocol", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	}
}

func (p *proxy) socket(w http.ResponseWriter, r *http.Request) {
	id := p.recording.newConn()
	offered := websocket.Subprotocols(r)
	target := *r.URL
	target.Scheme, target.Host = "ws", p.world.Base().Host
	if base := p.world.Base().Path; base != "" && base != "/" {
		target.Path, target.RawPath = base+target.Path, ""
	}
	header := r.Header.Clone()
	for _, h := range hop() {
		header.Del(h)
	}
	if origin, err := url.Parse(r.Header.Get("Origin")); err == nil && origin.Host == r.Host {
		header.Set("Origin", origin.Scheme+"://"+target.Host) // the same to the server as to the client
	}
	up, status, err := connect(r.Context(), p.world, websocket.Dialer{Subprotocols: offered}, target.String(), header)
	if err != nil {
		if status == 0 {
			status = http.StatusBadGateway
		}
		p.recording.refused(id, r.URL, offered, status)
		http.Error(w, http.StatusText(status), status)
		return
	}
	chosen := http.Header{}
	if sub := up.ws.Subprotocol(); sub != "" {
		chosen.Set("Sec-Websocket-Protocol", sub)
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	down, err := upgrader.Upgrade(w, r, chosen)
	if err != nil {
		up.ws.Close() // the upgrader has answered
		return
	}
	relayControl(up.ws, down)
	relayControl(down, up.ws)
	go up.read()
	defer func() { up.end(0) }()
	p.recording.opened(id, r.URL, offered)
	p.pass(id, up, down)
}

// relayControl lets pings and pongs pass, so that a client that does not answer
// is the server's to notice.
func relayControl(from, to *websocket.Conn) {
	relay := func(kind int) func(string) error {
		return func(data string) error {
			_ = to.WriteControl(kind, []byte(data), time.Now().Add(writing)) // the next frame reports it, too
			return nil
		}
	}
	from.SetPingHandler(relay(websocket.PingMessage))
	from.SetPongHandler(relay(websocket.PongMessage))
}

// pass copies frames both ways until one side ends.
func (p *proxy) pass(id dialects.ConnID, up *conn, down *websocket.Conn) {
	down.SetReadLimit(readLimit)
	client := &conn{ws: down, frames: make(chan frame)}
	quit := make(chan struct{})
	go func() {
		defer close(client.frames)
		for {
			kind, data, err := down.ReadMessage()
			if err != nil {
				client.err = err
				return
			}
			select {
			case client.frames <- frame{kind, data, time.Now()}:
			case <-quit:
				client.err = net.ErrClosed
				return
			}
		}
	}()
	defer func() {
		_ = down.Close()
		close(quit)
		for range client.frames { // until its reader is gone
		}
	}()
	for {
		select {
		case f, ok := <-up.frames:
			if !p.step(id, true, f, ok, up, down) {
				return
			}
		case f, ok := <-client.frames:
			if !p.step(id, false, f, ok, client, up.ws) {
				return
			}
		}
	}
}

// step records one frame, or the end, and passes it on.
func (p *proxy) step(id dialects.ConnID, server bool, f frame, open bool, from *conn, to *websocket.Conn) bool {
	_ = to.SetWriteDeadline(time.Now().Add(writing)) // a failure shows in the write
	if open {
		p.recording.frame(id, server, f.kind, f.data)
		err := to.WriteMessage(f.kind, f.data)
		return err == nil || !isTimeout(err) // one that is closed has told its reader, which says with what code
	}
	code, reason := from.closeCode()
	p.recording.closed(id, server, code)
	if code != websocket.CloseAbnormalClosure && code != websocket.CloseNoStatusReceived {
		msg := websocket.FormatCloseMessage(code, reason)
		if err := to.WriteControl(websocket.CloseMessage, msg, time.Now().Add(writing)); err != nil &&
			!errors.Is(err, websocket.ErrCloseSent) {
			return false
		}
	}
	return false
}
