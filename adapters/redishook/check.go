package redishook

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook/adapters/internal/redisscript"
)

// Check asks every master that the client reaches whether it may forget claims. It
// returns an error that wraps [ErrUnsafeServer] where maxmemory-policy is not
// noeviction, and nil where all is well. Where a server cannot be asked it returns
// the client's error, or one that wraps [ErrUnsuitableClient]: of a cluster only a
// redis.ClusterClient reaches all masters, and a client that cannot send INFO
// reaches none. Call Check on a store of the plain client then.
//
// It needs permission for INFO, which a hosted server may refuse. Call it at
// start-up; no delivery does.
func (s *Store) Check(ctx context.Context) error {
	switch client := s.client.(type) {
	case *redis.ClusterClient:
		return client.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			_, err := checkServer(ctx, node)
			return err
		})
	case *redis.Client:
		_, err := checkServer(ctx, client) // the only server that it uses
		return err
	case informer:
		server, err := checkServer(ctx, client)
		if err == nil && server.InCluster {
			return fmt.Errorf("%w: only one node of a cluster was asked", ErrUnsuitableClient)
		}
		return err
	}
	return fmt.Errorf("%w: it cannot send INFO", ErrUnsuitableClient)
}

// informer is a client that can ask a server for its settings.
type informer interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
}

func checkServer(ctx context.Context, client informer) (redisscript.Server, error) {
	info, err := client.Info(ctx).Result()
	if err != nil {
		return redisscript.Server{}, fmt.Errorf("redishook: check: %w", err)
	}
	server := redisscript.ReadInfo(info)
	if err := server.Check(); err != nil {
		return server, fmt.Errorf("%w: %w", ErrUnsafeServer, err)
	}
	return server, nil
}
