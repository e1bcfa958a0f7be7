// Package sdp stands between the session descriptions of old browsers and those
// that Pion takes. It owns the difference and nothing else: Lift turns what a
// client sent into a unified-plan description with mids, BUNDLE, current profile
// names and codecs that are all described; Lower writes an answer of ours in the
// client's own form; Describe reads any of them by meaning.
//
// The package is pure. It keeps no state, starts no goroutine, reads no clock and
// knows no peer. Texts of clients are hostile input: everything is bounded by
// MaxSize, MaxLines and MaxLine, and what cannot be used is bridge.BadRequest
// with a message fit for users. Lift is idempotent: a lifted text lifts to
// itself.
//
// What Lift repairs, and where it was seen, is in the table steps.
package sdp
