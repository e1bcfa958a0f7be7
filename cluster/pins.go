//go:build pins

package cluster

// These keep the modules of what is still to come in go.mod, so that everything
// built before it is built with versions that are known to fit together.
import (
	_ "github.com/livekit/protocol/livekit"
	_ "github.com/livekit/server-sdk-go/v2"
)
