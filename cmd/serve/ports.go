package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Ports are the addresses that a running server has taken, with the ports that
// stood for 0.
type Ports struct {
	HTTP     string            `json:"http"` // address of the shared listener
	Scheme   string            `json:"scheme"`
	Admin    string            `json:"admin"`
	UDP      string            `json:"media_udp"`
	TCP      string            `json:"media_tcp,omitempty"`
	TURN     *Relay            `json:"turn,omitempty"`
	Dialects map[string]string `json:"dialects"`         // own listeners, by dialect
	Raw      map[string]string `json:"raw,omitempty"`    // listeners for plain TCP, by dialect
	Gossip   string            `json:"gossip,omitempty"` // as other nodes are told; none without a cluster
	Link     string            `json:"link,omitempty"`
	PID      int               `json:"pid"`
}

// Relay are the addresses of the TURN server; an empty one is none.
type Relay struct {
	UDP string `json:"udp,omitempty"`
	TCP string `json:"tcp,omitempty"`
	TLS string `json:"tls,omitempty"`
}

// WriteFile writes the ports as JSON, so that whoever waits for the file sees all
// of it or nothing.
func (p Ports) WriteFile(name string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".ports-*")
	if err != nil {
		return fmt.Errorf("ports file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // is gone already when all went well
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("ports file: %w", err)
	}
	return nil
}
