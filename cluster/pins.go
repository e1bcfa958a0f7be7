//go:build pins

// Package cluster will hold membership, links and relays. Until it does, this
// file keeps the modules it is designed around in go.mod, so that everything
// built before it is built with versions that are known to fit together.
package cluster

import (
	_ "github.com/hashicorp/memberlist"
	_ "github.com/livekit/protocol/livekit"
	_ "github.com/livekit/server-sdk-go/v2"
	_ "google.golang.org/grpc"
)
