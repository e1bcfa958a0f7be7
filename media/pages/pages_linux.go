package pages

import (
	"bytes"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// heap returns the blocks of the heap.
func heap() ([]uintptr, error) {
	// The kernel's word is for everybody, although it would obey (admin-guide/mm/transhuge).
	mode, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || bytes.Contains(mode, []byte("[never]")) {
		return nil, errNever
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	return blocksOf(string(maps), uintptr(unsafe.Pointer(unsafe.SliceData(maps)))), nil
}

// enlarge makes a large page of a block of which enough is in memory, and reports whether
// it is one.
func enlarge(at uintptr, dense int) (bool, error) {
	var pages [full]byte
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, at, blockSize, uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		return false, errno
	}
	n := 0
	for _, page := range pages {
		n += int(page & 1)
	}
	if n < dense {
		return false, nil
	}
	// Advice for ever (MADV_HUGEPAGE) would have the kernel fill what Go gives back.
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, at, blockSize, unix.MADV_COLLAPSE)
	if errors.Is(errno, unix.EINVAL) { // before Linux 6.1
		return false, errNever
	}
	return errno == 0, nil // it may be busy, or there may be no large page just now
}
