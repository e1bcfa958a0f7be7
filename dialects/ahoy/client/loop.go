package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// Client is one connection to the server. Its methods may be called from any
// goroutine.
type Client struct {
	cfg  Config
	ws   *websocket.Conn
	ctx  context.Context // of everything that the client does by itself
	stop context.CancelFunc

	calls chan func()     // for the loop
	in    chan []byte     // frames
	fin   chan error      // of the reader
	ended chan struct{}   // the loop is over
	after <-chan struct{} // everything is

	// The loop alone uses what follows; the fields of the ticket are set before
	// the join.
	ticket    Ticket
	joined    Joined
	members   map[string]Member
	pending   map[string]chan reply
	publisher *link
	receivers map[string]*link // by memberID
	wanted    Use              // what was shared last
	running   int              // answers that are being made
	answers   chan answered
	log       record
}

// link is a connection and how often it was replaced.
type link struct {
	peer Negotiator
	turn int
}

// reply is what a request gets.
type reply struct {
	frame
	raw json.RawMessage
	err error
}

// frame is any message of the server.
type frame struct {
	MessageType    string          `json:"messageType"`
	TransactionID  string          `json:"transactionID"`
	Status         int             `json:"status"`
	Reason         string          `json:"reason"`
	URL            string          `json:"url"`
	SDP            string          `json:"sdp"`
	Member         memberDoc       `json:"member"`
	From           memberDoc       `json:"from"`
	Audio          trackDoc        `json:"audio"`
	Video          trackDoc        `json:"video"`
	Event          string          `json:"event"`
	Timeout        int             `json:"timeout"`
	Message        chatDoc         `json:"message"`
	ConferenceID   string          `json:"conferenceID"`
	ConferenceName string          `json:"conferenceName"`
	Description    string          `json:"description"`
	Locked         bool            `json:"locked"`
	Remaining      int             `json:"remainingSeconds"`
	SpeakerID      string          `json:"speakerID"`
	MemberID       string          `json:"memberID"`
	Moderator      bool            `json:"moderator"`
	Speaker        bool            `json:"speaker"`
	WebRTC         bool            `json:"webrtc"`
	Members        []memberDoc     `json:"members"`
	ICEServers     json.RawMessage `json:"iceServers"`
}

type chatDoc struct {
	Text string `json:"text"`
}

type trackDoc struct {
	Available bool `json:"available"`
	Muted     bool `json:"muted"`
	Speaking  bool `json:"speaking"`
}

type memberDoc struct {
	Name      string   `json:"name"`
	MemberID  string   `json:"memberID"`
	Moderator bool     `json:"moderator"`
	Speaker   bool     `json:"speaker"`
	WebRTC    bool     `json:"webrtc"`
	Audio     trackDoc `json:"audio"`
	Video     trackDoc `json:"video"`
	IP        string   `json:"ip"`
}

func (d memberDoc) member() Member {
	m := Member{ID: d.MemberID, Name: d.Name, Moderator: d.Moderator, Speaker: d.Speaker, WebRTC: d.WebRTC, IP: d.IP}
	return m.with(d.Audio, d.Video)
}

func (m Member) with(audio, video trackDoc) Member {
	m.AudioAvailable, m.AudioMuted, m.Speaking = audio.Available, audio.Muted, audio.Speaking
	m.VideoAvailable, m.VideoMuted = video.Available, video.Muted
	return m
}

func start(cfg Config, ws *websocket.Conn) *Client {
	after := make(chan struct{})
	c := &Client{
		cfg: cfg, ws: ws,
		calls: make(chan func()), in: make(chan []byte), fin: make(chan error, 1),
		ended: make(chan struct{}), after: after, answers: make(chan answered),
		members: map[string]Member{}, pending: map[string]chan reply{}, receivers: map[string]*link{},
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	go c.read()
	go func() {
		defer close(after)
		c.loop()
	}()
	return c
}

func (c *Client) read() {
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			c.fin <- err
			return
		}
		select {
		case c.in <- data:
		case <-c.ended:
			c.fin <- ErrClosed
			return
		}
	}
}

// loop owns the client's state until the connection is over, and then waits for
// everything that was started.
func (c *Client) loop() {
	var why error
	for why == nil {
		select {
		case f := <-c.calls:
			f()
		case data := <-c.in:
			c.take(data)
		case a := <-c.answers:
			c.running--
			c.answer(a)
		case why = <-c.fin:
		case <-c.ctx.Done():
			why = ErrClosed
		}
	}
	close(c.ended)
	c.stop()
	c.ws.Close()
	for _, ch := range c.pending {
		ch <- reply{err: ErrClosed}
	}
	c.log.add(Event{Type: Disconnected, Code: closeCode(why)})
	c.log.close()
	for ; c.running > 0; c.running-- {
		if a := <-c.answers; a.peer != nil {
			a.peer.Close()
		}
	}
	for id := range c.receivers {
		c.drop(id)
	}
	if c.publisher != nil && c.publisher.peer != nil {
		c.publisher.peer.Close()
	}
	if errors.Is(why, ErrClosed) {
		<-c.fin // ws is closed, so the reader ends
	}
}

func closeCode(err error) int {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return e.Code
	}
	return 0
}

// do runs f in the loop and waits for it.
func (c *Client) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case c.calls <- func() { f(); close(done) }:
		<-done
		return nil
	case <-c.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// request sends a request and waits for its response.
func (c *Client) request(ctx context.Context, kind string, m map[string]any) (frame, error) {
	id := rand.Text()
	ch := make(chan reply, 1)
	err := c.do(ctx, func() {
		c.pending[id] = ch
		m["messageType"], m["transactionID"] = kind, id
		c.write(m)
	})
	if err != nil {
		return frame{}, err
	}
	select {
	case r := <-ch:
		if r.err == nil && r.Status != statusOK {
			r.err = &Refusal{Type: r.MessageType, Status: r.Status, Reason: r.Reason, URL: r.URL}
		}
		return r.frame, r.err
	case <-ctx.Done():
		return frame{}, fmt.Errorf("%s: %w", kind, ctx.Err())
	}
}

func (c *Client) write(m map[string]any) {
	data, err := json.Marshal(m)
	if err != nil {
		c.log.add(Event{Type: Failed, Text: err.Error()})
		return
	}
	c.ws.SetWriteDeadline(time.Now().Add(writeTime))
	if err := c.ws.WriteMessage(websocket.TextMessage, data); err != nil {
		c.ws.Close() // the reader finds out
	}
}
