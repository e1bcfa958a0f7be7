// Package config is everything an operator can choose: the struct with its
// defaults, how it is read (flag over environment over file over default), how
// it is checked, and the text that explains it.
//
// A key is the path of a field in snake_case: http.listen. The same key is the
// environment variable DRAGOMAN_HTTP_LISTEN and the flag --http-listen. What the
// user names (dialects, rooms, keys) is a list with name:, never a map. The
// comments of the fields are the reference text, see reference.go.
//
// The package reads files and the environment in Load and nowhere else. It knows
// no dialect: their names and sections are handed in as Sections.
package config

import (
	"time"

	"dragoman/bridge"
	"dragoman/bridge/notify"
	"dragoman/cluster"
	"dragoman/cluster/livekit"
	"dragoman/cluster/relay"
	"dragoman/media"
)

// Config is the effective configuration of one node. Default and Development
// make one; the zero value is not useful.
type Config struct {
	HTTP     HTTP
	TLS      TLS
	Admin    Admin
	Media    media.Config
	Rooms    []Room
	Dialects []Dialect
	Lobby    Lobby
	Log      Log
	Drain    Drain
	// Where files are kept that outlive the process. Empty: nothing is kept.
	DataDir string
	Store   Store
	Cluster cluster.Settings
	Relay   relay.Settings
	// The LiveKit servers with rooms of which rooms of ours are one.
	LiveKit []livekit.Settings `yaml:"livekit"`
	OIDC    OIDC
	Mail    notify.Config
	Limits  Limits
	Brake   Brake
	Runtime Runtime

	// Dev says that this is development mode: no configuration file, loopback only.
	Dev bool `yaml:"-"`
	// Insecure lets development mode listen on other addresses than loopback.
	Insecure bool `yaml:"-"`
}

// HTTP is the shared listener: the lobby page, and the dialects by host name,
// subprotocol and path prefix.
type HTTP struct {
	// Address and port of the shared listener. Empty host: all addresses; port 0: any.
	Listen string
	// How clients reach the shared listener from outside, behind whatever proxy: scheme, host and port. Empty: as each request asked.
	PublicURL string
	// Addresses or networks (10.0.0.0/8) of reverse proxies. Only their Forwarded, X-Forwarded-For and X-Forwarded-Proto headers are believed.
	TrustedProxies []string
	// How long a client may take to send the header of a request.
	HeaderTimeout time.Duration
	// The largest header of a request.
	HeaderSize Size
	// How long a connection may stay open between two requests.
	IdleTimeout time.Duration
}

// TLS is the certificate of the shared listener and of the dialects' own.
type TLS struct {
	// off: plain HTTP, for a reverse proxy in front; files: from cert_file and key_file. One of: off, files.
	Mode string
	// The certificate with its chain, PEM. It is read again when the file changes.
	CertFile string
	// The private key of the certificate, PEM.
	KeyFile string
}

// Admin is the operator's own listener: health, metrics, the API and the
// dashboard.
type Admin struct {
	// Address and port of the admin listener. Other than loopback it needs keys.
	Listen string
	// Who may use the API. In development mode without keys anybody on loopback may.
	Keys []AdminKey
}

// AdminKey is one key of the admin API. One of Key and Hash is given.
type AdminKey struct {
	// Who holds the key; it is shown in the log.
	Name string
	// The key, as "dragoman token admin" makes it.
	Key bridge.Secret
	// Instead of the key: its SHA-256 in hex, as "dragoman token admin" prints it.
	Hash string
	// The key may look, but not change anything.
	ReadOnly bool
}

// Room is a room that exists from the start and is kept when empty. Rooms that
// are not listed are made when somebody asks for them, as each dialect does.
type Room struct {
	// What people call the room.
	Name string
	// Shown instead of the name. Empty: the name.
	Title string
	// A description for those who join.
	About string
	// Passwords, one per role. None: the room is open.
	Secrets Secrets
	// The role of those who come without a password. Empty: as the passwords leave it. One of: listener, speaker, moderator.
	DefaultRole string
	// Participants at the same time. 0: no limit.
	Max int
	// How long a meeting may last, from the first who joins. 0: no limit.
	Limit time.Duration
	// Those who join wait until a moderator lets them in.
	WaitingRoom bool
	// Chat is switched off.
	NoChat bool
	// Raising a hand is switched off.
	NoHands bool
	// Chat messages that are kept for those who join later, also over a restart.
	KeepChat int
	// Limit of each participant's video, in bit/s. 0: no limit.
	MaxBitrate int
	// The room is left out of lists.
	Unlisted bool
	// The LiveKit server with a room of which this one is one: its name in livekit, or name/their room. Empty: as livekit[].rooms says.
	Home string
}

// Secrets are the passwords of a room. What a dialect can ask for differs: a PIN
// is the speakers' password.
type Secrets struct {
	// Opens the room to those who only watch and chat.
	Listener bridge.Secret
	// Opens the room to those who take part.
	Speaker bridge.Secret
	// Opens the room to those who may also mute, kick and lock.
	Moderator bridge.Secret
}

// Dialect says how clients reach one dialect. Keys that are not of this list are
// the dialect's own section.
type Dialect struct {
	// Which dialect this entry is about.
	Name string
	// Whether the dialect is spoken at all. A file that has a list of dialects switches off those it does not name.
	Enabled bool
	// Host names on the shared listener whose root belongs to this dialect.
	Hosts []string
	// A listener of the dialect's own, at whose root it is. Empty: none.
	Listen string
	// The path below which it is on the shared listener, one segment. Empty: its name.
	Prefix string

	// Settings is the dialect's own section, as read; see Config.Section.
	Settings map[string]any `yaml:"-"`
}

// Lobby is the page at the root of the shared listener.
type Lobby struct {
	// Whether the page is served.
	Enabled bool
	// Whether the page lists the rooms there are, but for unlisted ones, to anybody who opens it.
	Rooms bool
}

// Log is what is written to standard error.
type Log struct {
	// The least important lines that are written. One of: debug, info, warn, error.
	Level string
	// auto: text on a terminal, JSON otherwise. One of: auto, text, json.
	Format string
}

// Drain is how a node goes.
type Drain struct {
	// How long the meetings that are running may go on after the first signal.
	Timeout time.Duration
	// Over how long the last clients are closed, so that they do not all come back in the same second.
	Spread time.Duration
}

// Store is the database of what outlives the process: accounts, meetings, rooms,
// invites.
type Store struct {
	// sqlite:/path/of/a/file, or postgres://user:password@host:5432/database. Empty: a SQLite file in data_dir, and without one a file that is gone with the process.
	URL bridge.Secret
	// Seals passwords of rooms and tickets in the database, and in a cluster what clients hold. All nodes that share it have the same, of at least 16 bytes. Empty: one that is made in data_dir.
	Key bridge.Secret
}

// OIDC is the identity provider whose users log in. In development mode without one
// every token is believed.
type OIDC struct {
	// The issuer's URL, as its tokens say. Empty: there are no users, only guests.
	Issuer string
	// What stands for the issuer in the ids of users. It must never change. Empty: the host of issuer.
	Name string
	// The clients at the issuer whose users come in: the audience of ID tokens.
	ClientIDs []string `yaml:"client_ids"`
	// What access tokens are made for: the names that this server has at the issuer. Empty: any of client_ids.
	Audience []string
	// Claims without which an ID token is refused. Empty: email, given_name, family_name.
	Required []string
	// Client id with which the issuer is asked about each access token (RFC 7662). Empty: access tokens have to be JWTs.
	IntrospectID string
	// The secret of introspect_id.
	IntrospectSecret bridge.Secret
	// How far the clocks of the issuer and of this machine may be apart.
	Skew time.Duration
	// How long the issuer may take to answer.
	Timeout time.Duration
}

// Limits is what a node and its clients may cost. Where nothing else is said, 0
// leaves the value to each dialect, which knows what its clients are used to.
type Limits struct {
	// The largest frame that a client may send.
	Frame Size
	// Frames per second of one client, on average; what is above waits.
	Rate float64
	// Frames of one client at once.
	Burst int
	// How long a client may take to read what it is sent.
	Write time.Duration
	// How long a client may be silent after it connected.
	FirstFrame time.Duration
	// How long a client may take to join a room.
	Join time.Duration
	// Connections at the same time on all public listeners; further ones wait. 0: no limit.
	Connections int
	// Rooms at the same time.
	Rooms int
}

// Brake is against those who guess passwords. In development mode there is none:
// all clients come from one address there.
type Brake struct {
	// Wrong passwords of one address within the window until it has to pause. IPv6 counts by /64, which is one household.
	Failures int
	// Wrong passwords at one room within the window, whoever from, until one more of an address is enough for it to pause.
	RoomFailures int
	// Over how long wrong passwords are counted.
	Window time.Duration
	// How long an address has to pause, from its last wrong password.
	Pause time.Duration
	// Addresses and rooms that are remembered.
	Size int
}

// Runtime is for the Go runtime.
type Runtime struct {
	// Memory above which the garbage collector works harder. 0: as GOMEMLIMIT says.
	Gomemlimit Size
	// How much the heap grows between two collections, in percent. 0: as GOGC says, and 50 without.
	Gogc int
}

// Default returns what holds for a node that has a configuration file.
func Default() Config {
	return Config{
		HTTP: HTTP{
			Listen: ":8080", HeaderTimeout: 10 * time.Second, HeaderSize: 64 << 10, IdleTimeout: 2 * time.Minute,
		},
		TLS:     TLS{Mode: "off"},
		Admin:   Admin{Listen: "127.0.0.1:9090"},
		Media:   everywhere(media.Default()),
		Lobby:   Lobby{Enabled: true},
		Log:     Log{Level: "info", Format: "auto"},
		Drain:   Drain{Timeout: 30 * time.Minute, Spread: time.Minute},
		Cluster: cluster.DefaultSettings(),
		Relay:   relay.DefaultSettings(),
		OIDC:    OIDC{Skew: time.Minute, Timeout: 5 * time.Second},
		Mail:    notify.DefaultConfig(),
		Limits:  Limits{Rooms: 10_000},
		Brake: Brake{
			Failures: 10, RoomFailures: 100, Window: time.Minute, Pause: 5 * time.Minute, Size: 20_000,
		},
	}
}

// everywhere lets media come in by all addresses of the machine.
func everywhere(m media.Config) media.Config {
	m.UDP, m.TCP = ":7000", ":7000"
	return m
}

// Development returns what holds without a configuration file: everything on
// loopback, and gone soon after it was told to go.
func Development() Config {
	c := Default()
	c.Dev = true
	c.HTTP.Listen = "127.0.0.1:8080"
	c.Media = media.Default()
	c.Lobby.Rooms = true
	c.Cluster.Bind, c.Cluster.Link.Listen = "127.0.0.1:7946", "127.0.0.1:7947"
	c.Drain = Drain{Timeout: time.Second}
	return c
}
