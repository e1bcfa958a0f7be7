package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/store"
)

// childURL is set for a process that writes until it is killed.
const childURL = "DRAGOMAN_TEST_CRASH_URL"

// crashChild writes from three goroutines, and says what was acknowledged: a line
// after each.
func crashChild(url string) {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{URL: url, Key: key})
	if err != nil {
		fmt.Fprintln(os.Stdout, "error", err)
		os.Exit(1)
	}
	var say sync.Mutex
	acknowledge := func(err error, words ...any) {
		say.Lock()
		defer say.Unlock()
		if err != nil {
			words = []any{"error", err}
		}
		fmt.Fprintln(os.Stdout, words...) // one write to the pipe
	}
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			m := meeting(fmt.Sprint("meeting ", i))
			acknowledge(db.Meetings().Create(ctx, m), "meeting", m.ID, i)
			_, err := db.Meetings().Change(ctx, m.ID, func(m *bridge.Meeting) error {
				m.Title, m.Sequence = "changed", 7
				return nil
			})
			acknowledge(err, "changed", m.ID, i)
		}
	})
	all.Go(func() {
		for i := 0; ; i++ {
			id := bridge.RoomID(fmt.Sprintf("room-%d-%d", os.Getpid(), i))
			err := db.Rooms().Create(ctx, bridge.StoredRoom{Spec: bridge.Spec{ID: id, Secrets: map[bridge.Role]bridge.Secret{bridge.Speaker: "s"}}})
			acknowledge(err, "room", id, i)
			inv := bridge.Invite{Code: bridge.NewInviteCode(), Room: id, Active: true}
			acknowledge(db.Invites().Create(ctx, inv), "invite", inv.Code, i)
		}
	})
	all.Go(func() {
		for i := 0; ; i++ {
			said := bridge.Said{ID: bridge.NewMessageID(), Text: fmt.Sprint("text ", i), At: time.Now()}
			acknowledge(db.History().Append(ctx, "chat", said, bridge.MaxKeepChat), "said", said.ID, i)
		}
	})
	all.Wait()
}

// meeting is one with everything that takes more than one table.
func meeting(title string) bridge.Meeting {
	id := bridge.NewMeetingID()
	return bridge.Meeting{
		ID: id, Room: bridge.StoredRoom{Spec: bridge.Spec{ID: bridge.RoomID(id.String())}}, Title: title,
		Creator: bridge.AccountOf("test:crash"), Starts: bridge.Moment{At: noon}, Ends: bridge.Moment{At: noon.Add(time.Hour)},
		Attendees: []bridge.Attendee{{Contact: bridge.Contact{Mail: "a@example.org"}}, {Contact: bridge.Contact{Mail: "b@example.org"}}},
	}
}

// TestCrash kills a process that writes, again and again at another moment, and
// demands of the same database all that was acknowledged.
func TestCrash(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		var acknowledged []string
		for range 6 {
			acknowledged = append(acknowledged, killWriter(t, url)...)
			db, err := store.Open(t.Context(), store.Config{URL: url, Key: key})
			ok(t, err)
			seen := map[string]int{}
			for _, line := range acknowledged {
				seen[strings.Fields(line)[0]]++
				demand(t, db, line)
			}
			demandWhole(t, db)
			ok(t, db.Close())
			if t.Failed() {
				return
			}
			t.Logf("acknowledged and there: %v", seen)
		}
		if strings.HasPrefix(url, "sqlite:") {
			var verdict string
			ok(t, raw(t, url).QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict))
			if verdict != "ok" {
				t.Errorf("integrity: %s", verdict)
			}
		}
	})
}

// killWriter starts a writer, kills it some time after a random number of
// acknowledgements, and returns all that came.
func killWriter(t *testing.T, url string) (lines []string) {
	t.Helper()
	child := osexec.Command(os.Args[0])
	child.Env = append(os.Environ(), childURL+"="+url)
	out := must(child.StdoutPipe())(t)
	ok(t, child.Start())
	enough, kill, meetings := 20+rand.IntN(60), (*time.Timer)(nil), false
	in := bufio.NewScanner(out)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "error") {
			t.Errorf("the writer says: %s", in.Text())
		}
		lines = append(lines, in.Text())
		meetings = meetings || strings.HasPrefix(in.Text(), "meeting")
		if len(lines) >= enough && meetings && kill == nil {
			kill = time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, func() {
				ok(t, child.Process.Kill()) // SIGKILL
			})
			defer kill.Stop()
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended: %v, %q", err, lines)
	}
	// Its last line may be cut off: then it is no acknowledgement.
	if n := len(lines) - 1; len(strings.Fields(lines[n])) < 3 {
		lines = lines[:n]
	}
	return lines
}

// demand looks for what a line acknowledges.
func demand(t *testing.T, db bridge.Store, line string) {
	t.Helper()
	f := strings.Fields(line)
	var err error
	switch f[0] {
	case "meeting", "changed":
		var id bridge.MeetingID
		ok(t, id.UnmarshalText([]byte(f[1])))
		var e bridge.Entry
		e, err = db.Meetings().Get(t.Context(), id, bridge.AccountID{})
		if f[0] == "changed" && err == nil && (e.Title != "changed" || e.Sequence != 7) {
			err = fmt.Errorf("is %q, %d", e.Title, e.Sequence)
		}
	case "room":
		var r bridge.StoredRoom
		r, err = db.Rooms().Get(t.Context(), bridge.RoomID(f[1]))
		if err == nil && r.Spec.Secrets[bridge.Speaker] != "s" {
			err = fmt.Errorf("is %+v", r)
		}
	case "invite":
		var code bridge.InviteCode
		ok(t, code.UnmarshalText([]byte(f[1])))
		_, err = db.Invites().Get(t.Context(), code)
	case "said":
		var said []bridge.Said
		said, err = db.History().Last(t.Context(), "chat", bridge.MaxKeepChat)
		found := len(said) == bridge.MaxKeepChat // older ones are gone by right
		for _, s := range said {
			found = found || s.ID.String() == f[1]
		}
		if !found && err == nil {
			err = fmt.Errorf("is not among %d messages", len(said))
		}
	default:
		err = fmt.Errorf("is not understood")
	}
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// demandWhole demands that what was under way at the end is there with all its
// parts or not at all.
func demandWhole(t *testing.T, db bridge.Store) {
	t.Helper()
	creator := bridge.Query{Viewer: bridge.AccountOf("test:crash"), Attendees: 10, Limit: 100}
	invited := bridge.Query{Mail: "b@example.org", Attendees: 10, Limit: 100}
	a, b := everything(t, db, creator), everything(t, db, invited)
	if len(a) != len(b) || len(a) == 0 {
		t.Errorf("%d meetings for who made them, %d for those who are invited", len(a), len(b))
	}
	for _, e := range a {
		if len(e.Attendees) != 2 || e.Invited != 2 {
			t.Errorf("%s has %d attendees", e.ID, len(e.Attendees))
		}
	}
}

// everything reads all pages of a list.
func everything(t testing.TB, db bridge.Store, q bridge.Query) (all []bridge.Entry) {
	t.Helper()
	for {
		page := must(db.Meetings().List(t.Context(), q))(t)
		all = append(all, page.Entries...)
		if page.Next == "" {
			return all
		}
		q.After = page.Next
	}
}
