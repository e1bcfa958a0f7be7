// Package mediatest has synthetic media clients for tests and load: a client
// with one camera, microphone and screen that publishes over any number of
// PeerConnections and checks every frame it gets, and a lossy network to put
// between it and the engine.
//
// A client is made on Pion's own PeerConnection with Pion's interceptors, so
// that it shares no code with the engine it tests.
package mediatest
