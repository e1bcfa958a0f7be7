package cluster

import "dragoman/bridge"

// metaVersion is the first byte of what a node says of itself. What follows is
// Proto, State, Load, and three texts, each with its length in front. Later
// versions may add behind that without a new number.
const metaVersion = 1

// appendMeta encodes what gossip carries of a node beside its name and address.
func appendMeta(b []byte, n Node) ([]byte, error) {
	b = append(b, metaVersion, n.Proto, byte(n.State), n.Load)
	for _, t := range []struct {
		text string
		most int
	}{{n.Link, maxAddress}, {n.Media, maxAddress}, {n.Version, maxVersion}} {
		if len(t.text) > t.most {
			return nil, bridge.Errorf(bridge.BadRequest, "%q is longer than %d bytes", t.text, t.most)
		}
		b = append(b, byte(len(t.text)))
		b = append(b, t.text...)
	}
	return b, nil
}

// parseMeta decodes what appendMeta made into a node.
func parseMeta(b []byte, n *Node) error {
	short := bridge.Errorf(bridge.BadRequest, "what a node says of itself is cut off")
	if len(b) < 4 {
		return short
	}
	if b[0] != metaVersion {
		return bridge.Errorf(bridge.NotSupported, "what a node says of itself is of version %d", b[0])
	}
	meta := Node{Proto: b[1], State: State(b[2]), Load: b[3]}
	if meta.State > Draining {
		meta.State = Draining // a state of a later version: rather ask too little of it
	}
	b = b[4:]
	for _, text := range []*string{&meta.Link, &meta.Media, &meta.Version} {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return short
		}
		*text = string(b[1 : 1+b[0]])
		b = b[1+b[0]:]
	}
	n.Proto, n.State, n.Load = meta.Proto, meta.State, meta.Load
	n.Link, n.Media, n.Version = meta.Link, meta.Media, meta.Version
	return nil
}
