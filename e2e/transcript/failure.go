package transcript

import (
	"fmt"
	"strings"
)

// Failure is a step that did not go as the script says.
type Failure struct {
	Title       string // of the script
	Line        int    // of the step, 0: after the last one
	Who         string // whose step it is; may be empty
	What        string // what went wrong
	Differences []Difference
	Frames      []string // the last of the connection, "> " sent and "< " heard
	Waiting     []string // heard, and not asked for yet
}

// Error tells it all, on several lines.
func (f *Failure) Error() string {
	var b strings.Builder
	where := "at the end"
	if f.Line > 0 {
		where = fmt.Sprintf("line %d", f.Line)
	}
	fmt.Fprintf(&b, "%s: ", where)
	if f.Who != "" {
		fmt.Fprintf(&b, "%s: ", f.Who)
	}
	b.WriteString(f.What)
	for _, d := range f.Differences {
		fmt.Fprintf(&b, "\n  %s\n    want %s\n    got  %s", d.Path, d.Want, d.Got)
	}
	lines := func(head string, frames []string) {
		if len(frames) > 0 {
			fmt.Fprintf(&b, "\n  %s\n    %s", head, strings.Join(frames, "\n    "))
		}
	}
	lines("last frames", f.Frames)
	lines("not asked for yet", f.Waiting)
	fmt.Fprintf(&b, "\n  of %q", f.Title)
	return b.String()
}

// failf makes a Failure without the places that Play fills in.
func failf(format string, args ...any) *Failure {
	return &Failure{What: fmt.Sprintf(format, args...)}
}
