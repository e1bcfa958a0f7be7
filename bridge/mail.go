package bridge

import "context"

// Mail is a message to one person. Its texts may hold anything: a Mailer sees to it
// that none of them becomes a header of its own.
type Mail struct {
	To       Contact
	ReplyTo  Contact // without an address: nobody in particular
	Subject  string
	Text     string
	Calendar string // an iCalendar object (RFC 5545); empty: none
	Method   string // of that (RFC 5546): "REQUEST", "CANCEL"
}

// A Mailer hands mail over to a mail server.
type Mailer interface {
	// Post takes mails and returns when all have been handed over or given up, or ctx
	// has ended; those that wait then are tried on. It returns an error for each
	// mail: nil for one that was handed over or waits. BadRequest: the address is
	// none. TooMany: too much mail waits already. Unavailable: the server does not
	// take the mail.
	Post(ctx context.Context, mails []Mail) []error
}
