package asn

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
	"dragoman/dialects/asn/ical"
	"dragoman/dialects/asn/rose"
)

// mailTime is how long an answer waits for the mail server (reference 8.2).
const mailTime = 3 * time.Second

// notified sends mails, if they are wanted, and notes the addresses to which they
// could not be handed over. What takes longer goes on after the answer.
func (c *caller) notified(value rose.Value, missed *[]string, wanted bool, mails []bridge.Mail) outcome {
	out := outcome{value: value}
	if !wanted || len(mails) == 0 {
		return out
	}
	if c.d.env.Mail == nil {
		for _, m := range mails {
			*missed = append(*missed, m.To.Mail)
		}
		return out
	}
	out.rest = func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, mailTime)
		defer cancel()
		for i, err := range c.d.env.Mail.Post(ctx, mails) {
			if err != nil {
				*missed = append(*missed, mails[i].To.Mail)
			}
		}
	}
	return out
}

// invitations are the mails about a meeting that is new or changed; before is whom it
// had before, nil for a new one. Who was dropped is told so.
func (c *caller) invitations(m bridge.Meeting, before []bridge.Attendee) []bridge.Mail {
	word := "Invitation"
	if m.Sequence > 0 {
		word = "Updated invitation"
	}
	stays := map[string]bool{}
	var mails []bridge.Mail
	for _, a := range m.Attendees {
		stays[strings.ToLower(a.Mail)] = true
		mails = append(mails, c.letter(m, a.Contact, ical.Request, word, ""))
	}
	var dropped []bridge.Attendee
	for _, a := range before {
		if !stays[strings.ToLower(a.Mail)] && wellFormed(a.Mail) {
			dropped = append(dropped, a)
		}
	}
	return append(mails, c.cancellations(m, dropped, "")...)
}

// cancellations are the mails that take a meeting back.
func (c *caller) cancellations(m bridge.Meeting, from []bridge.Attendee, reason string) []bridge.Mail {
	var mails []bridge.Mail
	for _, a := range from {
		mails = append(mails, c.letter(m, a.Contact, ical.Cancel, "Cancelled", reason))
	}
	return mails
}

// letter is one mail. It holds no token: who it reaches is a guest.
func (c *caller) letter(m bridge.Meeting, to bridge.Contact, method, word, reason string) bridge.Mail {
	link := c.joinURL(m.Room.Spec.ID)
	var text strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	const format = "Monday, 2 January 2006, 15:04 MST"
	say("%s: %s", word, m.Title)
	say("")
	say("From %s", m.Starts.At.UTC().Format(format))
	say("to   %s", m.Ends.At.UTC().Format(format))
	say("by   %s", person(m.Organizer))
	if reason != "" {
		say("\n%s", reason)
	}
	if m.About != "" {
		say("\n%s", m.About)
	}
	if link != "" && method == ical.Request {
		say("\nTo attend: %s", link)
	}
	description := m.About
	if link != "" {
		description = strings.TrimSpace(description + "\n\n" + link)
	}
	e := ical.Event{
		Method: method, UID: string(m.Room.Spec.ID) + "@" + c.d.cfg.Domain, Sequence: m.Sequence,
		Stamp: time.Now(), Starts: m.Starts.At, Ends: m.Ends.At, Summary: m.Title, Description: description, URL: link,
		Organizer: ical.Person{Name: m.Organizer.Name, Mail: m.Organizer.Mail},
	}
	for _, a := range m.Attendees {
		e.Attendees = append(e.Attendees, ical.Person{Name: a.Name, Mail: a.Mail, Chair: a.Role == bridge.Moderator})
	}
	reply := m.Organizer
	if !wellFormed(reply.Mail) {
		reply = bridge.Contact{}
	}
	return bridge.Mail{
		To: to, ReplyTo: reply, Subject: word + ": " + m.Title, Text: text.String(), Calendar: e.String(), Method: method,
	}
}

func person(c bridge.Contact) string {
	if c.Mail == "" {
		return c.Name
	}
	return c.Name + " <" + c.Mail + ">"
}

// joinURL is the link that a person opens to attend; empty: nothing is known of one.
func (c *caller) joinURL(id bridge.RoomID) string {
	base := c.d.cfg.JoinURL
	if base == "" {
		if c.request == nil {
			return ""
		}
		base = scheme(c.request, "http") + "://" + c.request.Host + "/?dialect=" + Name + "&room="
	}
	return base + strings.ReplaceAll(url.QueryEscape(string(id)), "+", "%20")
}

// targetURL is where clients connect with a token.
func (c *caller) targetURL() string {
	if c.d.cfg.TargetURL != "" || c.request == nil {
		return c.d.cfg.TargetURL
	}
	return scheme(c.request, "ws") + "://" + c.request.Host + dialects.Base(c.request) + "ws"
}

// scheme is the one by which a client has come, with an s where that was TLS.
func scheme(r *http.Request, plain string) string {
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return plain + "s"
	}
	return plain
}
