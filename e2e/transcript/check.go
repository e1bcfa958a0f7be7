package transcript

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// checkPattern refuses unknown matchers and arguments that they cannot use.
func checkPattern(v any) error {
	if p, ok := special(v); ok {
		return checkMatcher(p)
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := checkPattern(x); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, x := range v {
			if err := checkPattern(x); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			if k == "$rest" && x != true {
				return errors.New("$rest can only be true")
			}
		}
	}
	return nil
}

func checkMatcher(p map[string]any) error {
	all := matchers()
	for k, arg := range p {
		if k == "$rest" {
			if _, ok := p["$unordered"]; !ok || arg != true {
				return errors.New("$rest beside a matcher belongs to $unordered, and is true")
			}
			continue
		}
		known, ok := all[k]
		if !ok {
			return fmt.Errorf("no such matcher: %s (there are %s)", k, strings.Join(matcherNames(), " "))
		}
		if err := known.check(arg); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

func isTrue(arg any) error {
	if arg != true {
		return errors.New("want true")
	}
	return nil
}

func isText(arg any) error {
	if s, ok := arg.(string); !ok || s == "" {
		return errors.New("want a name")
	}
	return nil
}

func isRegexp(arg any) error {
	s, ok := arg.(string)
	if !ok {
		return errors.New("want a regular expression")
	}
	if strings.Contains(s, "${") { // complete only when it is played
		return nil
	}
	_, err := compile(s)
	return err
}

func isRange(arg any) error {
	_, _, err := numRange(arg)
	return err
}

func isDuration(arg any) error {
	s, ok := arg.(string)
	if !ok {
		return errors.New("want a duration")
	}
	_, err := time.ParseDuration(s)
	return err
}

func isObject(arg any) error {
	if _, ok := arg.(map[string]any); !ok {
		return errors.New("want an object")
	}
	return checkPattern(arg)
}

func isArray(arg any) error {
	if _, ok := arg.([]any); !ok {
		return errors.New("want an array")
	}
	return checkPattern(arg)
}
