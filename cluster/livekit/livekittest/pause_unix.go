//go:build unix

package livekittest

import "syscall"

// Pause lets the server do nothing until Resume, while its connections stay: as a machine
// does that is out of breath.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends that.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
