// Package livekit lets people of all dialects meet people of a real LiveKit server: a
// driver for clients of LiveKit's own, and tests with nodes, servers and both of them.
package livekit
