package bench

import (
	"fmt"
	"os"
	"strings"
)

// resident reads what a process has in memory, in bytes, from its status in
// /proc; 0: there is none.
func resident(file string) int {
	status, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
