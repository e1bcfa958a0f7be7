package livekit

import (
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"

	"dragoman/bridge"
)

// pathOf returns the clusters through which somebody in a LiveKit room has come.
func pathOf(attrs map[string]string) []string {
	path := attrs[attrPath]
	if path == "" {
		return nil
	}
	return strings.Split(path, ",")
}

// extend adds a cluster to a path.
func extend(path, cluster string) string {
	if path == "" {
		return cluster
	}
	return path + "," + cluster
}

// ours reports whether somebody in a LiveKit room has come from or through a cluster.
// Attributes alone say nothing: anybody can set them, but only tokens make a bridge.
func ours(cluster string, kind livekit.ParticipantInfo_Kind, attrs map[string]string) bool {
	return kind == livekit.ParticipantInfo_BRIDGE && (attrs[attrCluster] == cluster || slices.Contains(pathOf(attrs), cluster))
}

// imports reports whether somebody in a LiveKit room is to be seated in ours.
func (s Settings) imports(cluster string, p person) bool {
	if p.kind == livekit.ParticipantInfo_EGRESS { // what records
		return false
	}
	if _, puppet := puppetOf(cluster, p.identity); puppet && s.PuppetKind == kindStandard && p.attrs[attrCluster] == cluster {
		return false // who signs tokens for that identity is believed
	}
	return !ours(cluster, p.kind, p.attrs)
}

// federated reports whether a participant is somebody of a LiveKit server whom a node
// of the cluster has seated, and of which server.
func federated(p bridge.Participant) (server string, ok bool) {
	return p.Attrs[attrServer], p.Kind == bridge.Federated && p.Dialect == dialect
}
