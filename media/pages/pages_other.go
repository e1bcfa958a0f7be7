//go:build !linux

package pages

func heap() ([]uintptr, error) { return nil, errNever }

func enlarge(uintptr) (bool, error) { return false, errNever }
