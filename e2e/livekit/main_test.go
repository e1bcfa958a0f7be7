package livekit

import (
	"os"
	"testing"

	"dragoman/cluster/livekit/livekittest"
)

func TestMain(m *testing.M) {
	livekittest.Quiet()
	os.Exit(m.Run())
}
