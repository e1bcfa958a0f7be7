//go:build !linux

package port

import (
	"errors"
	"net"
)

// listen says that there is no port of this kind here.
func listen(string, int, int) ([]device, *net.UDPAddr, error) {
	return nil, nil, errors.ErrUnsupported
}
