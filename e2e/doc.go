// Package e2e has the scenarios: what people do in a meeting, played by scripted
// clients of every pair of dialects against a running server, over real sockets
// and with real media. README.md says how to add one.
package e2e
