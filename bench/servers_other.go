//go:build !unix

package main

import (
	"context"
	"errors"
)

var errNoRedis = errors.New("redis-server runs on Unix")

func (*servers) redis(context.Context, string) (string, error) { return "", errNoRedis }

func redisMissing(err error) bool { return errors.Is(err, errNoRedis) }
