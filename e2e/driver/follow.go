package driver

import (
	"context"
	"fmt"
)

// story is the log of a dialect's client, as sights.
type story interface {
	// told returns what the client was told so far, one list per entry of its log.
	told(ctx context.Context) ([][]Sight, error)
	// more waits until the log has more than n entries.
	more(ctx context.Context, n int) error
}

// saw waits until the story has a sight.
func saw(ctx context.Context, s story, want Sight) error {
	for {
		told, err := s.told(ctx)
		if err != nil {
			return err
		}
		if count(told, want) > 0 {
			return nil
		}
		if err := s.more(ctx, len(told)); err != nil {
			return fmt.Errorf("wait for %s: %w; told so far: %v", want, err, short(told))
		}
	}
}

func times(ctx context.Context, s story, want Sight) (int, error) {
	told, err := s.told(ctx)
	return count(told, want), err
}

func count(told [][]Sight, want Sight) (n int) {
	for _, entry := range told {
		for _, s := range entry {
			if want.matches(s) {
				n++
			}
		}
	}
	return n
}

// short returns the last sights, for an error.
func short(told [][]Sight) (all []Sight) {
	for _, entry := range told {
		all = append(all, entry...)
	}
	return all[max(0, len(all)-20):]
}
