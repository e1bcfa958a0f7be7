package livekit

import (
	"os"
	"testing"

	"dragoman/cluster/livekit/quiet"
)

func TestMain(m *testing.M) {
	quiet.SDK()
	os.Exit(m.Run())
}
