package monitor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where the monitor listens.
type Address struct {
	// Network is "unix" or "tcp", Address a path or a host with a port.
	Network, Address string
	// Local is set if nobody on another machine can reach it.
	Local bool
}

// String returns it as Parse reads it.
func (a Address) String() string {
	if a.Network == "unix" {
		return scheme + a.Address
	}
	return a.Address
}

const scheme = "unix:"

// Parse reads "unix:/path", "127.0.0.1:9754", "[::1]:9754" or "localhost:9754". An
// address that other machines may reach is refused unless remote says that it is meant.
func Parse(text string, remote bool) (Address, error) {
	if path, is := strings.CutPrefix(text, scheme); is {
		if !filepath.IsAbs(path) {
			return Address{}, fmt.Errorf("%q: the path of the socket must begin with /", text)
		}
		return Address{"unix", filepath.Clean(path), true}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, fmt.Errorf("%q: want 127.0.0.1:9754, [::1]:9754 or unix:/path", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("%q: %q is no port", text, port)
	} else if n == 0 {
		return Address{}, fmt.Errorf("%q: port 0 is a different one each time; choose one", text)
	}
	if host == "localhost" {
		return Address{"tcp", net.JoinHostPort("127.0.0.1", port), true}, nil
	}
	ip, err := netip.ParseAddr(host)
	if host != "" && err != nil {
		return Address{}, fmt.Errorf("%q: %q is no address; want a number such as 127.0.0.1", text, host)
	}
	local := host != "" && ip.Unmap().IsLoopback()
	if !local && !remote {
		return Address{}, fmt.Errorf("%q can be reached from other machines, and anybody there could see who runs what; choose 127.0.0.1 or unix:/path, or say --metrics-allow-remote if that is meant", text)
	}
	return Address{"tcp", text, local}, nil
}

// errElsewhere refuses a request that was meant for another server.
var errElsewhere = errors.New("this is not the host that you asked for; use localhost or 127.0.0.1")

// meant reports whether a request for that host is meant for a server on a loopback
// address. A page somewhere else may have its own name point here, to read by a
// browser's hand what only this machine may see (DNS rebinding).
func meant(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
