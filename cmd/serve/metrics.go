package serve

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dragoman/bridge"
	"dragoman/bridge/gate"
	"dragoman/bridge/notify"
	"dragoman/bridge/store"
	"dragoman/cluster/livekit"
	"dragoman/dialects"
	"dragoman/media"
	"dragoman/media/turn"
)

// metric is one number that is read when somebody scrapes.
type metric[S any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(S) float64
}

func newMetric[S any, N int64 | uint64](kind prometheus.ValueType, name, help string, read func(S) N, labels ...string) metric[S] {
	return metric[S]{prometheus.NewDesc("dragoman_"+name, help, labels, nil), kind, func(s S) float64 { return float64(read(s)) }}
}

func (m metric[S]) send(to chan<- prometheus.Metric, s S, labels ...string) {
	to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(s), labels...)
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// Names are in base units; what only rises ends in _total; labels are of closed
// sets: never a room, a participant or an address.
func roomMetrics() []metric[bridge.Stats] {
	return []metric[bridge.Stats]{
		newMetric(gauge, "rooms", "Rooms that exist.", func(s bridge.Stats) int64 { return s.Rooms }),
		newMetric(gauge, "participants", "Seats taken, hidden and waiting ones too.", func(s bridge.Stats) int64 { return s.Participants }),
		newMetric(gauge, "sessions", "Sessions held by clients or kept for them.", func(s bridge.Stats) int64 { return s.Sessions }),
		newMetric(gauge, "sessions_detached", "Sessions kept for clients that are away.", func(s bridge.Stats) int64 { return s.Detached }),
		newMetric(gauge, "peers", "Peer connections of sessions.", func(s bridge.Stats) int64 { return s.Peers }),
		newMetric(counter, "commands_total", "Commands given to rooms.", func(s bridge.Stats) uint64 { return s.Commands }),
		newMetric(counter, "refused_total", "Commands and joins answered with an error.", func(s bridge.Stats) uint64 { return s.Refused }),
		newMetric(counter, "events_total", "Events put into outboxes.", func(s bridge.Stats) uint64 { return s.Events }),
		newMetric(counter, "events_merged_total", "Events that replaced an unread one.", func(s bridge.Stats) uint64 { return s.Merged }),
		newMetric(counter, "lagged_total", "Readers of events that were too slow.", func(s bridge.Stats) uint64 { return s.Lagged }),
		newMetric(counter, "chat_unkept_total", "Changes of a chat that the database has not taken.", func(s bridge.Stats) uint64 { return s.Unkept }),
	}
}

func dialectMetrics() []metric[*dialects.Counts] {
	type c = *dialects.Counts
	const label = "dialect"
	return []metric[c]{
		newMetric(gauge, "connections", "Client connections that are open.", func(s c) int64 { return s.Open.Load() }, label),
		newMetric(counter, "connections_total", "Client connections that were accepted.", func(s c) int64 { return s.Accepted.Load() }, label),
		newMetric(counter, "frames_received_total", "Frames from clients.", func(s c) int64 { return s.FramesIn.Load() }, label),
		newMetric(counter, "frames_sent_total", "Frames to clients.", func(s c) int64 { return s.FramesOut.Load() }, label),
		newMetric(counter, "frame_received_bytes_total", "Bytes of frames from clients.", func(s c) int64 { return s.BytesIn.Load() }, label),
		newMetric(counter, "frame_sent_bytes_total", "Bytes of frames to clients.", func(s c) int64 { return s.BytesOut.Load() }, label),
		newMetric(counter, "frames_throttled_total", "Frames that had to wait because the client is too fast.", func(s c) int64 { return s.Throttled.Load() }, label),
		newMetric(counter, "frames_refused_total", "Frames that the dialect could not take.", func(s c) int64 { return s.Refused.Load() }, label),
		newMetric(counter, "connections_lagged_total", "Connections closed because the client read too slowly.", func(s c) int64 { return s.Lagged.Load() }, label),
		newMetric(counter, "connections_timeout_total", "Connections closed because the client did not join in time.", func(s c) int64 { return s.Timeouts.Load() }, label),
	}
}

func mediaMetrics() []metric[media.Stats] {
	type m = media.Stats
	return []metric[m]{
		newMetric(gauge, "media_peers", "Peer connections of the engine.", func(s m) int64 { return int64(s.Peers) }),
		newMetric(gauge, "media_publications", "Streams that clients send.", func(s m) int64 { return int64(s.Publications) }),
		newMetric(gauge, "media_subscriptions", "Streams that clients are sent.", func(s m) int64 { return int64(s.Subscriptions) }),
		newMetric(counter, "media_received_packets_total", "RTP packets from clients.", func(s m) uint64 { return s.PacketsIn }),
		newMetric(counter, "media_received_bytes_total", "Bytes of RTP packets from clients.", func(s m) uint64 { return s.BytesIn }),
		newMetric(counter, "media_sent_packets_total", "RTP packets to clients.", func(s m) uint64 { return s.PacketsOut }),
		newMetric(counter, "media_sent_bytes_total", "Bytes of payload of RTP packets to clients.", func(s m) uint64 { return s.BytesOut }),
		newMetric(counter, "media_repeated_packets_total", "RTP packets that a client got a second time.", func(s m) uint64 { return s.Repeated }),
		newMetric(counter, "media_retransmitted_packets_total", "RTP packets that a client got again in a stream of their own (RFC 4588).", func(s m) uint64 { return s.Retransmitted }),
		newMetric(counter, "media_padding_packets_total", "RTP packets of padding that showed whether a client can take more.", func(s m) uint64 { return s.Padding }),
		newMetric(counter, "media_unrepaired_packets_total", "RTP packets that clients asked for again while too many repairs waited.", func(s m) uint64 { return s.Unrepaired }),
		newMetric(counter, "media_nacks_received_total", "RTP packets that clients asked for again.", func(s m) uint64 { return s.NACKsIn }),
		newMetric(counter, "media_nacks_sent_total", "RTP packets that we asked for again.", func(s m) uint64 { return s.NACKsOut }),
		newMetric(counter, "media_lost_packets_total", "RTP packets of clients that never came.", func(s m) uint64 { return s.Lost }),
		newMetric(counter, "media_key_frame_requests_total", "Key frames that we asked clients for.", func(s m) uint64 { return s.KeyFrameRequests }),
		newMetric(counter, "media_placeholders_total", "Black key frames that were sent where there is no video yet.", func(s m) uint64 { return s.Placeholders }),
	}
}

func brakeMetrics() []metric[gate.BrakeStats] {
	type b = gate.BrakeStats
	return []metric[b]{
		newMetric(gauge, "brake_known", "Addresses and rooms that the brake against guessing remembers.", func(s b) int64 { return int64(s.Known) }),
		newMetric(counter, "brake_failures_total", "Secrets and credentials that did not hold.", func(s b) uint64 { return s.Failures }),
		newMetric(counter, "brake_refused_total", "Attempts that were refused because too many had failed.", func(s b) uint64 { return s.Refused }),
		newMetric(counter, "brake_forgotten_total", "Addresses and rooms that there was no place for.", func(s b) uint64 { return s.Forgotten }),
	}
}

func storeMetrics() []metric[store.Stats] {
	type d = store.Stats
	return []metric[d]{
		newMetric(gauge, "store_connections", "Connections to the database that are open.", func(s d) int64 { return int64(s.Open) }),
		newMetric(gauge, "store_connections_busy", "Connections to the database that are in use.", func(s d) int64 { return int64(s.InUse) }),
		newMetric(counter, "store_waited_total", "Calls that had to wait for a connection to the database.", func(s d) uint64 { return s.Waited }),
		newMetric(counter, "store_repeated_total", "Transactions that were repeated because the database asked for it.", func(s d) uint64 { return s.Again }),
		newMetric(counter, "store_failed_total", "Calls that ended because the database was away, or with an error of ours.", func(s d) uint64 { return s.Failed }),
	}
}

func oidcMetrics() []metric[gate.OIDCStats] {
	type o = gate.OIDCStats
	return []metric[o]{
		newMetric(counter, "oidc_discoveries_total", "Questions to the identity provider for what it says of itself.", func(s o) uint64 { return s.Discoveries }),
		newMetric(counter, "oidc_key_fetches_total", "Questions to the identity provider for its keys.", func(s o) uint64 { return s.KeyFetches }),
		newMetric(counter, "oidc_throttled_total", "Unknown keys that the identity provider was not asked for, because it just was.", func(s o) uint64 { return s.Throttled }),
		newMetric(counter, "oidc_introspections_total", "Questions to the identity provider about an access token.", func(s o) uint64 { return s.Introspections }),
		newMetric(counter, "oidc_remembered_total", "Access tokens about which the identity provider was asked a moment ago.", func(s o) uint64 { return s.Remembered }),
		newMetric(counter, "oidc_refused_total", "Tokens that did not hold.", func(s o) uint64 { return s.Refused }),
	}
}

func turnMetrics() []metric[turn.Stats] {
	type t = turn.Stats
	return []metric[t]{
		newMetric(gauge, "turn_allocations", "Clients that are relayed by TURN.", func(s t) int64 { return s.Open }),
		newMetric(counter, "turn_allocations_total", "Relays that were made by TURN.", func(s t) int64 { return s.Allocations }),
		newMetric(counter, "turn_refused_total", "TURN credentials that did not hold, and relays above the limits.", func(s t) int64 { return s.Refused }),
		newMetric(counter, "turn_strangers_total", "Packets to or from others than this node's media, which TURN does not relay.", func(s t) int64 { return s.Strangers }),
	}
}

func mailMetrics() []metric[notify.Stats] {
	type m = notify.Stats
	return []metric[m]{
		newMetric(gauge, "mails_waiting", "Mails that are queued, being sent, or to be tried again.", func(s m) int64 { return s.Waiting }),
		newMetric(counter, "mails_sent_total", "Mails that the mail server has taken.", func(s m) int64 { return s.Sent }),
		newMetric(counter, "mails_retried_total", "Attempts to send a mail after the first one.", func(s m) int64 { return s.Retried }),
		newMetric(counter, "mails_given_up_total", "Mails that the mail server refused, or did not take in time.", func(s m) int64 { return s.GivenUp }),
		newMetric(counter, "mails_refused_total", "Mails that were not queued: too many waited, or the address is none.", func(s m) int64 { return s.Refused }),
		newMetric(counter, "mails_forsaken_total", "Mails that waited when the server went down.", func(s m) int64 { return s.Forsaken }),
	}
}

func clusterMetrics() []metric[clusterStats] {
	type c = clusterStats
	return []metric[c]{
		newMetric(gauge, "cluster_members", "Nodes of the cluster, this one included.", func(s c) int64 { return int64(s.gossip.Members) }),
		newMetric(counter, "cluster_views_total", "Changes of who is in the cluster, or of what a node says of itself.", func(s c) uint64 { return s.gossip.Views }),
		newMetric(counter, "cluster_joins_total", "Nodes that answered when they were sought.", func(s c) uint64 { return s.gossip.Joins }),
		newMetric(counter, "cluster_joins_failed_total", "Nodes that were sought and did not answer, or not with our key.", func(s c) uint64 { return s.gossip.JoinsFailed }),
		newMetric(counter, "cluster_gossip_refused_total", "Gossip that could not be decrypted, or was of another cluster.", func(s c) uint64 { return s.gossip.Rejected }),
		newMetric(gauge, "cluster_links", "Other nodes that answer over their link.", func(s c) int64 { return int64(s.host.Links.Usable) }),
		newMetric(counter, "cluster_links_refused_total", "Connections and streams of nodes that did not prove who they are.", func(s c) uint64 { return s.host.Links.Refused }),
		newMetric(counter, "cluster_links_failed_total", "Links that broke.", func(s c) uint64 { return s.host.Links.Failures }),
		newMetric(gauge, "cluster_streams", "Streams between this node and others that are open.", func(s c) int64 { return s.host.Links.Streams }),
		newMetric(gauge, "cluster_rooms_owned", "Rooms that run on this node.", func(s c) int64 { return int64(s.host.Owned) }),
		newMetric(gauge, "cluster_rooms_remote", "Rooms of other nodes in which this one has clients.", func(s c) int64 { return int64(s.host.Remote) }),
		newMetric(gauge, "cluster_guests", "Streams of other nodes to rooms of this one.", func(s c) int64 { return int64(s.host.Guests) }),
		newMetric(gauge, "cluster_homes", "Rooms of which this node tells others who has them.", func(s c) int64 { return int64(s.host.Homes) }),
		newMetric(counter, "cluster_rooms_reborn_total", "Rooms that were opened anew here because their node was lost, or handed them over.", func(s c) uint64 { return s.host.Reborn }),
		newMetric(counter, "cluster_rooms_yielded_total", "Rooms that were handed over to other nodes.", func(s c) uint64 { return s.host.Yielded }),
		newMetric(counter, "cluster_lagged_total", "Streams of nodes that did not read fast enough.", func(s c) uint64 { return s.host.Lagged }),
		newMetric(gauge, "relay_lanes", "Ways of media to other nodes that are open.", func(s c) int64 { return int64(s.relays.Lanes) }),
		newMetric(gauge, "relay_layers_taken", "Layers that come from other nodes.", func(s c) int64 { return int64(s.relays.Taken) }),
		newMetric(gauge, "relay_layers_served", "Layers that go to other nodes.", func(s c) int64 { return int64(s.relays.Served) }),
		newMetric(counter, "relay_lanes_opened_total", "Ways of media to other nodes that came up.", func(s c) uint64 { return s.relays.Opened }),
		newMetric(counter, "relay_lanes_lost_total", "Ways of media to other nodes that broke.", func(s c) uint64 { return s.relays.Lost }),
		newMetric(counter, "relay_lanes_failed_total", "Ways of media to other nodes that did not come up.", func(s c) uint64 { return s.relays.Failed }),
		newMetric(counter, "relay_layers_asked_total", "Layers that other nodes were asked for.", func(s c) uint64 { return s.relays.Pulled }),
		newMetric(counter, "relay_layers_refused_total", "Layers that a node was not given, or did not have.", func(s c) uint64 { return s.relays.Refused }),
		newMetric(counter, "relay_packets_in_total", "Packets of media from other nodes.", func(s c) uint64 { return s.relays.PacketsIn }),
		newMetric(counter, "relay_packets_out_total", "Packets of media to other nodes.", func(s c) uint64 { return s.relays.PacketsOut }),
		newMetric(counter, "relay_bytes_in_total", "Bytes of media from other nodes.", func(s c) uint64 { return s.relays.BytesIn }),
		newMetric(counter, "relay_bytes_out_total", "Bytes of media to other nodes, repairs not counted in.", func(s c) uint64 { return s.relays.BytesOut }),
	}
}

func federationMetrics() []metric[federationStats] {
	type f = federationStats
	return []metric[f]{
		newMetric(gauge, "livekit_rooms", "Rooms that are looked at for peerings with LiveKit servers.", func(s f) int64 { return int64(s.Rooms) }),
		newMetric(gauge, "livekit_rosters", "Peerings whose people of LiveKit this node seats.", func(s f) int64 { return int64(s.Rosters) }),
		newMetric(gauge, "livekit_seated", "People of LiveKit in rooms of ours, seated by this node.", func(s f) int64 { return int64(s.Seated) }),
		newMetric(gauge, "livekit_puppets", "People of this node in rooms of LiveKit, a connection each.", func(s f) int64 { return int64(s.Puppets) }),
		newMetric(gauge, "livekit_views", "Streams that this node takes from LiveKit servers.", func(s f) int64 { return int64(s.Views) }),
		newMetric(counter, "livekit_packets_in_total", "Packets of media from LiveKit servers.", func(s f) uint64 { return s.PacketsIn }),
		newMetric(counter, "livekit_packets_out_total", "Packets of media to LiveKit servers.", func(s f) uint64 { return s.PacketsOut }),
		newMetric(counter, "livekit_resubscribed_total", "Streams of LiveKit that had fallen silent, and were asked for again.", func(s f) uint64 { return s.Resubscribed }),
		newMetric(counter, "livekit_bytes_in_total", "Bytes of media from LiveKit servers.", func(s f) uint64 { return s.BytesIn }),
		newMetric(counter, "livekit_bytes_out_total", "Bytes of media to LiveKit servers.", func(s f) uint64 { return s.BytesOut }),
		newMetric(counter, "livekit_joins_total", "Connections to LiveKit rooms that were made.", func(s f) uint64 { return s.Joins }),
		newMetric(counter, "livekit_joins_refused_total", "Connections to LiveKit rooms that were refused, or not answered.", func(s f) uint64 { return s.Refused }),
		newMetric(counter, "livekit_lost_total", "Connections to LiveKit rooms that ended by themselves.", func(s f) uint64 { return s.Lost }),
		newMetric(counter, "livekit_reconnects_total", "Connections to LiveKit rooms that came back by themselves.", func(s f) uint64 { return s.Reconnects }),
		newMetric(counter, "livekit_unseated_total", "People of LiveKit whom a room of ours refused a seat.", func(s f) uint64 { return s.Unseated }),
		newMetric(counter, "livekit_full_total", "People of ours whom max_puppets kept out of a LiveKit room.", func(s f) uint64 { return s.Full }),
		newMetric(counter, "livekit_dropped_total", "Messages between rooms that a queue had no place for.", func(s f) uint64 { return s.Dropped }),
		newMetric(counter, "livekit_looped_total", "People of LiveKit rooms that were not seated because they had come from here.", func(s f) uint64 { return s.Looped }),
		newMetric(counter, "livekit_chats_total", "Chat messages that crossed, both ways.", func(s f) uint64 { return s.Chats }),
		newMetric(counter, "livekit_removed_total", "People whom a moderator of the other side removed, both ways.", func(s f) uint64 { return s.Removed }),
	}
}

// peeringMetrics count peerings by state, and webhooks by what became of them.
func peeringMetrics() (states map[livekit.State]metric[federationStats], webhooks map[string]metric[federationStats]) {
	type f = federationStats
	states = map[livekit.State]metric[f]{}
	for _, state := range []livekit.State{livekit.Waiting, livekit.Connecting, livekit.Up, livekit.Failed} {
		states[state] = newMetric(gauge, "livekit_peerings", "Rooms that are one with a room of a LiveKit server, by state.",
			func(s f) int64 { return int64(s.states[state]) }, "state")
	}
	webhook := func(read func(f) uint64) metric[f] {
		return newMetric(counter, "livekit_webhooks_total", "Webhooks of LiveKit servers, by what became of them.", read, "result")
	}
	return states, map[string]metric[f]{
		"taken":   webhook(func(s f) uint64 { return s.Webhooks }),
		"refused": webhook(func(s f) uint64 { return s.Forged }),
	}
}

func dropMetrics() map[string]metric[media.Drops] {
	drop := func(read func(media.Drops) uint64) metric[media.Drops] {
		return newMetric(counter, "media_dropped_packets_total", "Packets that were not forwarded, by reason.", read, "reason")
	}
	return map[string]metric[media.Drops]{
		"malformed": drop(func(d media.Drops) uint64 { return d.Malformed }),
		"unrouted":  drop(func(d media.Drops) uint64 { return d.Unrouted }),
		"duplicate": drop(func(d media.Drops) uint64 { return d.Duplicate }),
		"stale":     drop(func(d media.Drops) uint64 { return d.Stale }),
		"oversized": drop(func(d media.Drops) uint64 { return d.Oversized }),
		"padding":   drop(func(d media.Drops) uint64 { return d.Padding }),
		"congested": drop(func(d media.Drops) uint64 { return d.Congested }),
		"outrun":    drop(func(d media.Drops) uint64 { return d.Outrun }),
		"socket":    drop(func(d media.Drops) uint64 { return d.Socket }),
		"forged":    drop(func(d media.Drops) uint64 { return d.Forged }),
		"replayed":  drop(func(d media.Drops) uint64 { return d.Replayed }),
		"unknown":   drop(func(d media.Drops) uint64 { return d.Unknown }),
		"failed":    drop(func(d media.Drops) uint64 { return d.Failed }),
	}
}

// collector reads what the parts of a server have counted, at scrape time.
type collector struct {
	server   *Server
	rooms    []metric[bridge.Stats]
	dialects []metric[*dialects.Counts]
	media    []metric[media.Stats]
	drops    map[string]metric[media.Drops]
	brake    []metric[gate.BrakeStats]
	store    []metric[store.Stats]
	oidc     []metric[gate.OIDCStats]
	turn     []metric[turn.Stats]
	mail     []metric[notify.Stats]
	cluster  []metric[clusterStats]
	peers    []metric[federationStats]
	states   map[livekit.State]metric[federationStats]
	webhooks map[string]metric[federationStats]
	draining metric[bool]
	info     *prometheus.Desc
}

func newCollector(s *Server) *collector {
	states, webhooks := peeringMetrics()
	return &collector{
		peers: federationMetrics(), states: states, webhooks: webhooks,
		server: s, rooms: roomMetrics(), dialects: dialectMetrics(),
		media: mediaMetrics(), drops: dropMetrics(), brake: brakeMetrics(),
		store: storeMetrics(), oidc: oidcMetrics(), turn: turnMetrics(), mail: mailMetrics(), cluster: clusterMetrics(),
		draining: newMetric(gauge, "draining", "1 while the server takes no new clients.", func(on bool) int64 {
			if on {
				return 1
			}
			return 0
		}),
		info: prometheus.NewDesc("dragoman_build_info", "What runs; always 1.", []string{"version"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	describe(to, c.rooms)
	describe(to, c.dialects)
	describe(to, c.media)
	describe(to, c.brake)
	describe(to, c.store)
	describe(to, c.oidc)
	describe(to, c.turn)
	describe(to, c.mail)
	describe(to, c.cluster)
	describe(to, c.peers)
	// Of these, all of a map have the same.
	to <- c.drops["failed"].desc
	to <- c.states[livekit.Up].desc
	to <- c.webhooks["taken"].desc
	to <- c.draining.desc
	to <- c.info
}

func describe[S any](to chan<- *prometheus.Desc, all []metric[S]) {
	for _, m := range all {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.server
	sendAll(to, c.rooms, s.rooms.Stats(), true)
	for name, counts := range s.counts {
		sendAll(to, c.dialects, counts, true, name)
	}
	engine, ok := s.mediaStats()
	sendAll(to, c.media, engine, ok)
	if ok {
		for reason, m := range c.drops {
			m.send(to, engine.Dropped, reason)
		}
	}
	if s.brake != nil {
		sendAll(to, c.brake, s.brake.Stats(), true)
	}
	db, ok := s.storeStats()
	sendAll(to, c.store, db, ok)
	turned, ok := s.turnStats()
	sendAll(to, c.turn, turned, ok)
	mails, ok := s.mailStats()
	sendAll(to, c.mail, mails, ok)
	nodes, ok := s.clusterStats()
	sendAll(to, c.cluster, nodes, ok)
	peers, ok := s.federationStats()
	sendAll(to, c.peers, peers, ok)
	if ok {
		for state, m := range c.states {
			m.send(to, peers, state.String())
		}
		for result, m := range c.webhooks {
			m.send(to, peers, result)
		}
	}
	if s.oidc != nil {
		sendAll(to, c.oidc, s.oidc.Stats(), true)
	}
	c.draining.send(to, s.Draining())
	to <- prometheus.MustNewConstMetric(c.info, gauge, 1, s.version)
}

// sendAll sends the metrics of a part, if there is one.
func sendAll[S any](to chan<- prometheus.Metric, all []metric[S], stats S, there bool, labels ...string) {
	if !there {
		return
	}
	for _, m := range all {
		m.send(to, stats, labels...)
	}
}

// mediaStats returns what the engine has counted, if there is one already.
func (s *Server) mediaStats() (media.Stats, bool) {
	s.mu.Lock()
	engine := s.engine
	s.mu.Unlock()
	if engine == nil {
		return media.Stats{}, false
	}
	return engine.Stats(), true
}

// storeStats returns what the store has counted, if it is open.
func (s *Server) storeStats() (store.Stats, bool) {
	s.mu.Lock()
	db := s.db
	s.mu.Unlock()
	if db == nil {
		return store.Stats{}, false
	}
	return db.Stats(), true
}

// metrics answers scrapes. Each server has a registry of its own.
func (s *Server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}
