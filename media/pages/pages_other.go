//go:build !linux

package pages

func heap() ([]uintptr, error) { return nil, errNever }

func enlarge(uintptr, int) (bool, error) { return false, errNever }
