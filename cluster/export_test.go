package cluster

// What tests outside see of the codec of nodes.
var (
	AppendMeta = appendMeta
	ParseMeta  = parseMeta
)

// MaxMeta is what gossip carries of a node at most, in bytes.
const MaxMeta = maxMeta
