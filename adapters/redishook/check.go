package redishook

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Check asks every master that the client reaches whether it may forget claims:
// it returns an error that wraps [ErrUnsafeServer] where maxmemory-policy is not
// noeviction, the error of the client where a server cannot be asked, and nil
// where all is well. It needs permission for INFO, which a hosted server may
// refuse. Call it at start-up; it is not part of any delivery.
func (s *Store) Check(ctx context.Context) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return checkServer(ctx, node)
		})
	}
	return checkServer(ctx, s.client)
}

func checkServer(ctx context.Context, client redis.UniversalClient) error {
	info, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("redishook: check: %w", err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "maxmemory_policy" && value != "noeviction" {
			return fmt.Errorf("%w: maxmemory-policy is %s, it must be noeviction", ErrUnsafeServer, value)
		}
	}
	return nil
}
