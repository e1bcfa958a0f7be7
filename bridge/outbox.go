package bridge

// Outbox holds the unread events of one session.
type Outbox struct{}
