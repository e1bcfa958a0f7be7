//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// cpu returns the CPU time of this process, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory returns what this process has in memory, in bytes. Where the system does
// not tell, it is the most that it ever had, which may include the process that has
// started this one.
func memory() int {
	if n := resident("/proc/self/status"); n > 0 {
		return n
	}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int(u.Maxrss) // bytes there, KiB elsewhere
	}
	return int(u.Maxrss) << 10
}
