//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// redis returns the address of a redis-server with an append-only file that is
// flushed as the argument says: always or everysec.
func (s *servers) redis(ctx context.Context, fsync string) (string, error) {
	return s.once("redis "+fsync, func() (string, error) {
		dir := filepath.Join(s.dir, "redis-"+fsync)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", err
		}
		server, err := redisserver.Start(ctx, dir, "--appendfsync", fsync)
		if err != nil {
			return "", err
		}
		s.atEnd(server.Kill)
		return server.Addr(), nil
	})
}

func redisMissing(err error) bool { return errors.Is(err, redisserver.ErrNotInstalled) }
