package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"

	"dragoman/bridge"
	"dragoman/bridge/notify"
	"dragoman/bridge/notify/smtptest"
	"dragoman/cmd/serve"
	"dragoman/config"
	"dragoman/dialects/asn/client"
	"dragoman/dialects/asn/rose"
	"dragoman/e2e/driver"
	"dragoman/e2e/node"
)

// TestModeratorOfASN: an asn client that moderates mutes and removes somebody of
// another dialect. Nothing is relayed any more, and all dialects show it.
func TestModeratorOfASN(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	m := &meeting{T: t, ctx: ctx, node: node.Start(t, node.Options{}), room: "moderated"}
	asn, _ := driver.Lookup("asn")
	ahoy, _ := driver.Lookup("ahoy")
	anna := m.enter(asn, "Anna")
	ben := m.enter(ahoy, "Ben")
	people := []driver.Member{anna, ben}
	for _, d := range driver.Dialects() {
		people = append(people, m.enter(d, "Witness "+d.Name))
	}
	m.look(people, people)
	others := append([]driver.Member{anna}, people[2:]...)
	m.do("mute", func(ctx context.Context) error { return anna.Driver.(driver.Muter).MuteOther(ctx, "Ben", true) })
	for _, p := range people {
		if p.Shows(driver.Muted) {
			m.saw(p, driver.Sight{What: driver.Muted, Who: "Ben"})
		}
	}
	for _, p := range others {
		m.do("silence", func(ctx context.Context) error { return p.Deaf(ctx, "Ben") })
		before, _, err := p.Received(m.ctx, "Ben")
		m.must(err, "count")
		m.do("pictures go on", func(ctx context.Context) error { _, err := p.Sees(ctx, "Ben", bridge.Camera); return err })
		after, _, err := p.Received(m.ctx, "Ben")
		m.must(err, "count")
		if before.Packets == 0 || after.Packets != before.Packets {
			t.Errorf("%s has got %d packets of sound, and then %d", p.Name, before.Packets, after.Packets)
		}
	}
	m.do("remove", func(ctx context.Context) error { return anna.Kick(ctx, "Ben") })
	m.saw(ben, driver.Sight{What: driver.ThrownOut})
	for _, p := range others {
		m.saw(p, driver.Sight{What: driver.Left, Who: "Ben"})
	}
	m.look(others, others)
	for _, p := range others {
		m.times(p, driver.Sight{What: driver.Left, Who: "Ben"}, 1)
	}
	// Who came by an asn client without a token moderates nothing.
	refused, ok := errors.AsType[*driver.Refused](people[3].Kick(ctx, "Anna"))
	if people[3].Dialect != "asn" || !ok || refused.Code != "403" {
		t.Errorf("%s removes the moderator: %v", people[3].Name, refused)
	}
}

// serverEnv makes this test binary a node: what a test kills.
const serverEnv = "DRAGOMAN_E2E_SERVER"

// hosted is what such a node is made of.
type hosted struct{ Dir, Mail string }

// beServer serves, says on which ports, and stays until it is killed.
func beServer(text string) int {
	err := func() error {
		var h hosted
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			return err
		}
		const free = "127.0.0.1:0"
		cfg := config.Development()
		cfg.HTTP.Listen, cfg.Admin.Listen, cfg.Media.UDP, cfg.Media.TCP = free, free, free, free
		cfg.DataDir, cfg.Mail.Server, cfg.Mail.Security, cfg.Mail.From = h.Dir, h.Mail, notify.Plain, "bridge@example.org"
		s, err := serve.New(cfg, serve.Options{Version: "test"})
		if err != nil {
			return err
		}
		if err := s.Start(context.Background()); err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(s.Ports()); err != nil {
			return err
		}
		_, err = os.Stdin.Read(make([]byte, 1)) // the parent holds it open
		return errors.Join(err, s.Close())
	}()
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// host starts a node as a process of its own. kill kills it.
func host(t *testing.T, h hosted) (p serve.Ports, kill func()) {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), serverEnv+"="+string(text))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
			in.Close()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p)
	}
	if err != nil {
		t.Fatalf("the node says %q: %v", line, err)
	}
	return p, kill
}

// expect waits for as many mails as are wanted, by address: the method of the calendar
// object, its sequence, its id and its summary.
func expect(t *testing.T, got <-chan smtptest.Mail, want map[string]string) {
	t.Helper()
	for range len(want) {
		select {
		case p := <-got:
			if told := read(t, p); told != want[p.To] {
				t.Errorf("%s is told %q, want %q", p.To, told, want[p.To])
			}
			delete(want, p.To)
		case <-time.After(patience):
			t.Fatalf("no mail to %v", want)
		}
	}
}

func read(t *testing.T, p smtptest.Mail) string {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(p.Data))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Data)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := r.NextPart()
		if err != nil {
			t.Fatalf("there is no calendar object: %v\n%s", err, p.Data)
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || kind != "text/calendar" {
			continue
		}
		cal, err := ics.ParseCalendar(part)
		if err != nil || len(cal.Events()) != 1 {
			t.Fatalf("%v\n%s", err, p.Data)
		}
		of := func(c ics.ComponentProperty) string {
			if v := cal.Events()[0].GetProperty(c); v != nil {
				return ics.FromText(v.Value)
			}
			return "?"
		}
		return strings.Join([]string{
			params["method"], of(ics.ComponentPropertySequence), of(ics.ComponentPropertyUniqueId), of(ics.ComponentPropertySummary),
		}, " ")
	}
}

// TestScheduledMeeting: a meeting that asn schedules is mailed about, outlives the
// process that was killed, is joined from other dialects by its id, is changed, and
// taken back.
func TestScheduledMeeting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	address, got := smtptest.Start(t)
	h := hosted{t.TempDir(), address}
	ports, kill := host(t, h)
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	const alice = "alice@example.org"
	call := func(operation string, argument, result rose.Value) {
		t.Helper()
		if err := client.Post(ctx, plain, "http://"+ports.HTTP+"/asn", alice, "any", operation, argument, result); err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
	}
	attendee := func(name, mail string) rose.MeetingAttendee {
		return rose.MeetingAttendee{Contact: rose.ConferenceContact{DisplayName: name, Mail: &mail}}
	}
	start := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	var made rose.ScheduleMeetingResult
	call("asnScheduleMeeting", &rose.ScheduleMeetingArgument{
		Subject: "Plans", Start: start, End: start.Add(time.Hour), Notify: true,
		Attendees: []rose.MeetingAttendee{attendee("Tom", "tom@example.org"), attendee("Mia", "mia@example.org")},
	}, &made)
	id := made.Meeting.ConferenceID
	told := func(what, subject string) map[string]string {
		text := what + " " + id + "@dragoman.invalid " + subject
		return map[string]string{"tom@example.org": text, "mia@example.org": text}
	}
	expect(t, got, told("REQUEST 0", "Plans"))
	kill()

	ports, _ = host(t, h)
	var list rose.ListScheduledMeetingsResult
	call("asnListScheduledMeetings", new(rose.ListScheduledMeetingsArgument), &list)
	if len(list.Meetings) != 1 || list.Meetings[0].ConferenceID != id || !list.Meetings[0].Start.Equal(start) {
		t.Fatalf("after a restart there is %+v", list)
	}
	m := &meeting{T: t, ctx: ctx, room: id}
	var people []driver.Member
	for _, name := range []string{"spreed", "k3k", "asn"} { // the first one makes the room
		d, _ := driver.Lookup(name)
		p := driver.Member{Name: "Guest of " + name, Dialect: name}
		p.Driver = d.New(driver.Options{Addr: ports.HTTP, Path: "/" + name, Name: p.Name})
		t.Cleanup(p.Close)
		m.do(name+" joins", func(ctx context.Context) error { return p.Join(ctx, id, bridge.NoRole) })
		m.do(name+" publishes", func(ctx context.Context) error { return p.Publish(ctx, bridge.Camera) })
		people = append(people, p)
	}
	m.look(people, people)
	list = rose.ListScheduledMeetingsResult{}
	call("asnListScheduledMeetings", new(rose.ListScheduledMeetingsArgument), &list)
	if n := list.Meetings[0].PartyCount; n != int64(len(people)) {
		t.Errorf("%d parties are in the meeting, want %d", n, len(people))
	}
	resp, err := plain.Get("http://" + ports.Admin + "/api/v1/rooms/" + id)
	if err != nil {
		t.Fatal(err)
	}
	room, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(room), `"Plans"`) {
		t.Errorf("the room is not made of what is stored: %s, %v", room, err)
	}
	call("asnUpdateMeeting", &rose.UpdateMeetingArgument{ConferenceID: id, Notify: true, Subject: new("Better plans")}, new(rose.UpdateMeetingResult))
	expect(t, got, told("REQUEST 1", "Better plans"))
	call("asnCancelMeeting", &rose.CancelMeetingArgument{ConferenceID: id, Notify: true}, new(rose.CancelMeetingResult))
	expect(t, got, told("CANCEL 2", "Better plans"))
	m.saw(people[2], driver.Sight{What: driver.ThrownOut})
	_, err = client.Join(ctx, client.Config{URL: "ws://" + ports.HTTP + "/asn/ws"}, client.Ticket{Conference: id, Name: "Late"})
	if r, ok := errors.AsType[*client.Refusal](err); !ok || r.Number != int64(rose.ConferenceEnded) {
		t.Errorf("a meeting that was cancelled is joined: %v", err)
	}
}
