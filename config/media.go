package config

// Media is how audio and video reach the node.
type Media struct {
	// Address and port of the UDP socket that all media shares. Port 0: any.
	UDP string
	// Address and port of the TCP socket for clients whose network lets no UDP through (RFC 6544). Empty: none.
	TCP string
	// Addresses that clients are told, when they differ from the local ones: 203.0.113.7, or 203.0.113.7:7000/10.0.0.5:7000 where a port is mapped, too.
	Advertise []string
}
