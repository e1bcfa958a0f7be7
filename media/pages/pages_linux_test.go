package pages

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// large returns how much of this process is in large pages, in bytes.
func large(t *testing.T) int {
	t.Helper()
	all, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "AnonHugePages: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatalf("no AnonHugePages in %s", all)
	return 0
}

// Where the system allows it, what is in memory comes to be in large pages, and is what
// it was.
func TestRun(t *testing.T) {
	const size = 32 * blockSize
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	var p pass
	total := 0
	for range 8 {
		n, err := p.run()
		if errors.Is(err, errNever) {
			if n != 0 {
				t.Errorf("%d blocks", n)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if got := large(t); total == 0 || got < blockSize { // more where memory is not in pieces
		t.Errorf("%d blocks, %d bytes are in large pages, of %d", total, got, size)
	}
	if !bytes.Equal(data, bytes.Repeat([]byte("0123456789abcdef"), size/16)) {
		t.Error("the memory has changed")
	}
}
