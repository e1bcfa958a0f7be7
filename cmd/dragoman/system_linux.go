package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkClock asks the kernel whether anything keeps the clock right. Tokens and
// certificates hold for a time, so a clock that is wrong refuses good ones.
func checkClock(context.Context, *patient) []finding {
	const what = "clock"
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return []finding{{what, "warn", "the kernel does not say whether it is kept right: " + err.Error(), ""}}
	}
	if t.Status&unix.STA_UNSYNC != 0 {
		return []finding{{what, "warn", "nothing keeps it right", "run an NTP client (systemd-timesyncd, chrony)"}}
	}
	return []finding{{what, "ok", "is synchronised", ""}}
}

const (
	enoughFiles  = 16384
	enoughBuffer = 2 << 20 // bytes of a UDP socket
)

// checkSystem looks at limits that are met only under load.
func checkSystem(context.Context, *patient) []finding {
	var found []finding
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		f := finding{"open files", "ok", fmt.Sprintf("up to %d", limit.Cur), ""}
		if limit.Max < enoughFiles {
			f.Grade, f.Advice = "warn", fmt.Sprintf("every client takes one: allow %d (LimitNOFILE= of the unit, ulimit -n)", enoughFiles)
		}
		found = append(found, f)
	}
	for _, key := range []string{"net.core.rmem_max", "net.core.wmem_max"} {
		data, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		n, bad := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil || bad != nil {
			continue // not told in this container
		}
		f := finding{"udp buffer", "ok", fmt.Sprintf("%s is %d", key, n), ""}
		if n < enoughBuffer {
			f.Grade, f.Advice = "warn", fmt.Sprintf("bursts of video may be lost: sysctl -w %s=%d", key, enoughBuffer)
		}
		found = append(found, f)
	}
	return found
}
