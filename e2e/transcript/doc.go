// Package transcript reads, plays, writes and checks transcripts: files that
// say what clients send to a server and what it must answer. One file is one
// behaviour, and the same file drives a dialect in memory under virtual time, a
// server over the network, and an original legacy server.
//
// A transcript is JSON lines. The first line is the header, every other line is
// a step; blank lines are allowed, and every step may carry a "note" for the
// reader and "t", the milliseconds at which it was recorded. Only the order of
// steps counts, and between frames only the order on one connection.
//
//	{"transcript":1,"dialect":"ahoy","title":"a moderator locks the room","needs":[]}
//	{"who":"mod","do":"dial","path":"/","subprotocols":["conference-protocol"]}
//	{"who":"mod","dir":">","msg":{"messageType":"CONFERENCE_JOIN_request","conferenceID":"r","transactionID":"1"}}
//	{"who":"mod","dir":"<","msg":{"status":200,"memberID":{"$cap":"mod"},"$rest":true}}
//
// Steps
//
//	dial     who opens a WebSocket: path, query, host, headers, subprotocols; "protocol" is the subprotocol that
//	         must be chosen (default: one of those offered), "expect":{"status":403} that it is refused
//	close    who closes with a close frame ("code", default 1000), or with "abrupt" by dropping the connection
//	closed   the server closes, with "code" if given (1006: without a close frame), "within" 5s
//	dir ">"  who sends "msg", or "text" or "binary" (base64) as they are, "repeat" times
//	dir "<"  the next frame of who matches "msg" (or "text", "binary") "within" 5s;
//	         "any_order":[…] are several, whose order is free
//	nothing  who hears nothing "for" 1s, and stays connected
//	ignore   what who hears from here on does not matter
//	stall    who reads no more, and so answers no ping: a stuck or half-open client
//	http     a request: method, path, query, host, headers, "body" (JSON) or "text",
//	         "expect":{"status","headers","body","text"}
//	wait     time passes: "for"
//	media    a real media client behind who: publish, hears, sees, silent. For worlds that are a Stage, with "needs":["media"]
//	node     a node of a cluster: cut, heal, stop, drain. For worlds that are a Cluster, with "needs":["nodes"]
//
// In a world that is a Coder every "msg" is a binary frame of another encoding.
//
// At the end of a script, and at close and closed, frames of a connection that
// no step has asked for are a failure, unless it is ignored.
//
// Matchers are objects whose keys all begin with $; several in one object must
// all hold.
//
//	{"$any":true}                     present, whatever it is
//	{"$absent":true}                  not present
//	{"$cap":"x"} {"$ref":"x"}         remember, compare
//	{"$re":"[0-9a-f]{64}"}            the whole text matches (RE2); named groups are remembered
//	{"$num":[0,5]}                    a number in the range; null is an open end
//	{"$time":"5s"}                    a time that near to now: RFC 3339, or seconds or milliseconds since 1970
//	{"$json":{…}}                     a text that is JSON and matches
//	{"$sdp":{"audio":"recvonly"}}     a session description by meaning, see Meaning
//	{"$unordered":[…]}                an array in any order; with "$rest":true a superset
//	"$rest":true                      in an object: further members are allowed
//
// In any text, sent or expected, and in paths and headers, ${x} is what was
// remembered as x ($${ is a plain ${). What is sent may hold
//
//	{"$ref":"x"}                      what was remembered
//	{"$fill":100000}                  a text of that many bytes
//	{"$json":{…}}                     the JSON text of a value
//	{"$sdp":{"type":"answer"}}        a session description, see Wish
package transcript
