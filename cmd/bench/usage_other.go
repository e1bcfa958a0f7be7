//go:build !unix

package bench

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// cpu returns what the Go runtime thinks that it has used.
func cpu() time.Duration {
	runtime.GC() // brings the figures up to date
	s := []metrics.Sample{{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}}
	metrics.Read(s)
	return time.Duration((s[0].Value.Float64() - s[1].Value.Float64()) * float64(time.Second))
}

// memory returns what the Go runtime has from the system, in bytes.
func memory() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys)
}
