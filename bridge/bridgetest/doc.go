// Package bridgetest is for tests of what stands on package bridge: a Media
// without media, a room with scripted members, and a View that replays what a
// session is told and notices what may not be told.
//
// Everything works inside a testing/synctest bubble and outside of one.
package bridgetest
