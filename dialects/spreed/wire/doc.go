// Package wire is the Spreed WebRTC channeling protocol as JSON: the documents
// that clients and servers exchange over the WebSocket and over data channels.
// It is pure: it reads and writes documents and knows nothing of sessions.
//
// References in comments are to the project's protocol notes on Spreed.
//
// What a client sends is wrapped in its own type once more (3.1), what a server
// sends is wrapped in an envelope (3.2):
//
//	{"Type":"Bye","Bye":{"To":"I2","Type":"Bye","Bye":{}},"Iid":"7"}
//	{"Data":{"To":"I2","Type":"Bye","Bye":{}},"From":"I1","To":"I2","A":"…"}
package wire
