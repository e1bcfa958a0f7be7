package bridge

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// room is one running room. Its loop goroutine owns every field but mail and
// quit.
type room struct {
	id    RoomID
	spec  Spec // settings as they are now; Secrets and Attrs are never changed in place
	log   *slog.Logger
	count *counters

	mail chan letter   // bounded: who posts too much waits
	quit chan struct{} // closed when the room is over and nobody finds it any more

	version   uint64 // of what was told
	door      uint64 // counts changes of secrets
	members   map[ParticipantID]*member
	order     []*member // the same, oldest first
	pubs      map[PublicationID]*publication
	pubOrder  []*publication
	docs      map[string]Doc
	docBytes  int
	chat      []Said // kept messages, oldest first
	said      uint64 // messages to everybody, ever
	chatBytes int
	banned    map[banKey]struct{}
	inside    int // members that count: neither hidden nor waiting
	waiting   int // members that wait

	created   time.Time
	joined    time.Time // the first join ever
	youngest  time.Time // the last one
	locked    bool
	recorder  *member // who records; may have been removed by the time it is asked
	recording bool
	speaker   ParticipantID

	clock clock
	over  bool   // ended by a command or a timer
	why   Reason // of the end
	slow  []*member

	history     History                      // where the chat is kept for the next process; nil: nowhere
	rest        func(context.Context)        // what who gave the command has to do after it; nil: nothing
	touched     bool                         // the estate has changed
	surrendered bool                         // goes on elsewhere: nobody is told of the end
	hushed      map[ParticipantID][2][2]bool // whom a moderator had silenced in the room that this one was
}

// member is a seat in a room.
type member struct {
	Participant
	out      *Outbox
	most     Role        // what the gate granted at most; NoRole: no limit
	extra    Permissions // what the gate granted above any role
	waiting  bool        // in the waiting room
	admitted bool        // may Enter
	silenced [2][2]bool  // by a moderator, per Source and Track
	lastSaid MessageID
	since    time.Time // when its client took the seat
	expected bool      // its node is on the way with it
	pubs     int
	score    int    // of the connection; -1: not known
	kick     Kicked // what it was told when it was thrown out
}

// publication is a stream and who receives it.
type publication struct {
	Publication
	owner    *member
	watchers map[*member]string // the layer that each wants; empty: none, or not said
	wanted   string             // the highest of them, as told to the owner
}

// letter is one thing for the loop to do: a member's command, or code of this
// package.
type letter struct {
	from *member
	cmd  Command
	call func(*room) error
	done chan answer // capacity 1: answering never blocks
}

// answer is how a letter was served. What is slow is left to the goroutine that
// waits for it.
type answer struct {
	err  error
	rest func(context.Context) // may be nil
}

func newRoom(s Spec, mailbox int, log *slog.Logger, count *counters) *room {
	r := &room{
		id:      s.ID,
		spec:    s,
		log:     log.With("room", string(s.ID)),
		count:   count,
		mail:    make(chan letter, mailbox),
		quit:    make(chan struct{}),
		members: map[ParticipantID]*member{},
		pubs:    map[PublicationID]*publication{},
		docs:    map[string]Doc{},
		banned:  map[banKey]struct{}{},
		created: time.Now(),
	}
	if !s.Keep {
		r.clock.empty = r.created.Add(s.NeverJoined)
	}
	r.endAt(s.Ends, r.created)
	return r
}

// loop is the life of the room. Whoever runs it sees to it that the room is found
// by nobody and then closes quit.
func (r *room) loop(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !r.over {
		if next := r.due(); next != r.clock.armed {
			r.clock.armed = next
			timer.Reset(time.Until(next))
		}
		select {
		case l := <-r.mail:
			l.done <- r.serve(l)
		case <-timer.C:
			r.clock.armed = time.Time{}
			r.expire(time.Now())
			r.flush()
		case <-stop:
			r.end(ByShutdown)
		}
		r.dropSlow()
	}
	r.finish()
}

// serve does what a letter asks for.
func (r *room) serve(l letter) answer {
	defer r.flush()
	if l.call != nil {
		return answer{err: l.call(r)}
	}
	r.count.commands.Add(1)
	if r.members[l.from.ID] != l.from {
		return answer{err: Errorf(Closed, "you are not in the room any more")}
	}
	r.rest = nil
	err := l.cmd.apply(r, l.from)
	if err != nil {
		r.count.refused.Add(1)
	}
	return answer{err, r.rest}
}

// end makes the loop stop after the current letter.
func (r *room) end(why Reason) {
	if !r.over {
		r.over, r.why = true, why
	}
}

// finish tells everybody that the room is over.
func (r *room) finish() {
	r.count.participants.Add(-int64(len(r.members)))
	if r.surrendered {
		return
	}
	r.version++
	for _, m := range r.order {
		m.out.Push(Ended{Reason: r.why})
		m.out.End(Errorf(Closed, "the room has ended"))
	}
}

// do posts a letter and waits until it was served. A room that is over answers
// Closed.
func (r *room) do(ctx context.Context, l letter) error {
	if err := ctx.Err(); err != nil {
		return interrupted(err)
	}
	l.done = make(chan answer, 1)
	select {
	case r.mail <- l:
	case <-r.quit:
		return errRoomOver()
	case <-ctx.Done():
		return interrupted(ctx.Err())
	}
	select {
	case a := <-l.done:
		return a.finish(ctx)
	case <-r.quit:
		select {
		case a := <-l.done: // it was served last
			return a.finish(ctx)
		default:
			return errRoomOver()
		}
	case <-ctx.Done():
		return interrupted(ctx.Err())
	}
}

// ask runs f in the loop of a room and returns what it says. Who gives up before it
// has run gets nothing: it may run yet.
func ask[T any](ctx context.Context, r *room, f func(*room) (T, error)) (T, error) {
	var said, nothing T
	err := r.do(ctx, letter{call: func(r *room) (err error) {
		said, err = f(r)
		return err
	}})
	if err != nil {
		return nothing, err
	}
	return said, nil
}

// finish does the rest, even if ctx has ended: the room has done its part.
func (a answer) finish(ctx context.Context) error {
	if a.rest != nil {
		a.rest(context.WithoutCancel(ctx))
	}
	return a.err
}

func errRoomOver() error { return Errorf(Closed, "the room has ended") }

// interrupted is the answer to one who did not wait for an answer.
func interrupted(cause error) error {
	return &Error{Code: Unavailable, Msg: "the room did not answer in time", Err: cause}
}

// tell pushes an event to everybody who is in: not to those who wait.
func (r *room) tell(e Event) { r.tellSome(e, nil) }

// tellOthers pushes an event to everybody who is in, but for one.
func (r *room) tellOthers(not *member, e Event) {
	r.tellSome(e, func(m *member) bool { return m != not })
}

// tellSome pushes an event to those who are in and match; nil: to all of them.
func (r *room) tellSome(e Event, match func(*member) bool) {
	r.version++
	key := e.key()
	for _, m := range r.order {
		if !m.waiting && (match == nil || match(m)) && !m.out.push(e, key, r.version) {
			r.slow = append(r.slow, m)
		}
	}
}

// tellOne pushes an event to one member, waiting or not.
func (r *room) tellOne(m *member, e Event) {
	r.version++
	if !m.out.push(e, e.key(), r.version) {
		r.slow = append(r.slow, m)
	}
}

// dropSlow removes those whose outbox has overflowed. That tells the others, so
// that more may overflow.
func (r *room) dropSlow() {
	for len(r.slow) > 0 {
		m := r.slow[0]
		r.slow = r.slow[1:]
		if r.members[m.ID] == m {
			r.remove(m, TooSlow, Errorf(Lagged, "the connection is too slow for this room"))
		}
	}
	r.slow = nil
}

// changed tells what is different about a participant to those who know it.
func (r *room) changed(m *member, what What, by ParticipantID) {
	e := Changed{P: m.Participant, What: what, By: by}
	switch {
	case m.waiting:
		r.tellOne(m, e)
		if !m.admitted {
			r.knocked(m, false)
		}
	case m.Kind.Hidden():
		r.tellOne(m, e)
	default:
		r.tell(e)
	}
}

// by is how a member is named as the cause of something: hidden ones are not.
func (m *member) by() ParticipantID {
	if m.Kind.Hidden() {
		return ParticipantID{}
	}
	return m.ID
}

// byTo is the same towards one member: who waits knows nobody.
func (m *member) byTo(t *member) ParticipantID {
	if t.waiting {
		return ParticipantID{}
	}
	return m.by()
}

// find returns somebody who is in.
func (r *room) find(id ParticipantID) (*member, error) {
	m := r.members[id]
	if m == nil || m.waiting {
		return nil, Errorf(NotFound, "there is no such participant")
	}
	return m, nil
}

// findAll returns everybody named, or for no names all who match.
func (r *room) findAll(ids []ParticipantID, match func(*member) bool) ([]*member, error) {
	if len(ids) == 0 {
		var all []*member
		for _, m := range r.order {
			if !m.waiting && !m.Kind.Hidden() && match(m) {
				all = append(all, m)
			}
		}
		return all, nil
	}
	all := make([]*member, 0, len(ids))
	for _, id := range ids {
		m, err := r.find(id)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all, nil
}

// may answers Forbidden to one who waits or lacks a permission.
func (m *member) may(want Permissions) error {
	if m.waiting {
		return Errorf(Forbidden, "you have not been let in yet")
	}
	if !m.Can.Has(want) {
		return Errorf(Forbidden, "you are not allowed to do that")
	}
	return nil
}
