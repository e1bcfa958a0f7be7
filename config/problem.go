package config

import (
	"errors"
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a configuration.
type Problem struct {
	Path  string // the key; may be empty
	Where string // "dragoman.yaml:12", "DRAGOMAN_HTTP_LISTEN", "--http-listen"; empty: not known
	Text  string
}

// Error implements error.
func (p Problem) Error() string {
	s := p.Text
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Where != "" {
		s = p.Where + ": " + s
	}
	return s
}

// Problems is everything that is wrong, in the order in which it was found.
type Problems []Problem

// Error implements error: one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) addf(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// add adds an error; Problems in it keep their own paths.
func (p *Problems) add(path string, err error) {
	if err == nil {
		return
	}
	if many, ok := errors.AsType[Problems](err); ok {
		*p = append(*p, many...)
		return
	}
	p.addf(path, "%v", err)
}

func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}
