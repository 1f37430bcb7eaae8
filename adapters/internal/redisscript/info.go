package redisscript

import (
	"fmt"
	"strings"
)

// Server is what a server says of itself that matters to a store.
type Server struct {
	Policy    string // maxmemory-policy; empty if the server does not say
	Replica   bool
	InCluster bool
}

// ReadInfo reads the answer to INFO.
func ReadInfo(info string) Server {
	var s Server
	for line := range strings.Lines(info) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "maxmemory_policy":
			s.Policy = value
		case "role":
			s.Replica = value == "slave"
		case "cluster_enabled":
			s.InCluster = value == "1"
		}
	}
	return s
}

// Check returns an error if the server may forget claims.
func (s Server) Check() error {
	if s.Policy != "" && s.Policy != "noeviction" {
		return fmt.Errorf("maxmemory-policy is %s, it must be noeviction", s.Policy)
	}
	return nil
}
