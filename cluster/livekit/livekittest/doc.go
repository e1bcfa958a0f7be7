// Package livekittest starts a real LiveKit server for tests, built from its published
// module, and joins it with clients of LiveKit's own.
package livekittest
