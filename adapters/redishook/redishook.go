// Package redishook keeps what a receiver knows of its deliveries in Redis, so
// that several instances behind a load balancer recognise each other's copies.
//
//	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//	store, err := redishook.New(client)
//	…
//	hooks, err := sonzaihook.New(secrets, sonzaihook.WithStore(store))
//
// It is tested with Redis 7; a single node, Sentinel and Cluster all do. Each
// identity is one key, and an accepted delivery makes two calls of one round trip:
// claim and commit.
//
// # Many deliveries at a time
//
// [New] takes whatever runs scripts. With a client of go-redis a claim is a SET, which
// costs the server a third of what a script does. A client sends each call by itself,
// and with few deliveries at a time nothing is faster. Where an instance has dozens
// under way, an AutoPipeliner of go-redis sends the calls that wait together. With 64
// at a time it handles 1.2 to 1.4 times as many deliveries on a server beside it, and
// 2.6 times as many where a round trip takes a millisecond:
//
//	pipeliner, err := client.AsyncAutoPipeline()
//	…
//	store, err := redishook.New(pipeliner)
//
// One from AutoPipeline fits too, and costs a goroutine for each call. Either is
// experimental in go-redis: its interface and behaviour may change with any
// version. It does not send calls under their own context, so that one whose context
// has ended returns and may still reach the server later, which delays a retry of
// that delivery by its lease at most. The client's MaxRetries must not be negative,
// else a connection that breaks fails every call that shared it. The package
// rueidishook keeps the same data with a client that always works this way.
//
// # Settings of the server
//
// Set maxmemory-policy to noeviction. Every other policy may throw out a claim
// that is running or a delivery that was handled, and then a copy runs again.
// With noeviction a server that is full refuses to claim: the delivery is answered
// 503, the platform sends it again, and nothing is lost. A handled delivery takes
// some 150 bytes for three days. [Store.Check] reads the policy, once, at start-up.
//
// To survive a crash of the server without a duplicate, turn the append-only file
// on with appendfsync always. With everysec, the default of the append-only file,
// a crash forgets the last second of claims and commits.
//
// # What a failure can cost
//
// A failover costs a duplicate, never a loss. Redis replicates asynchronously, so
// a replica that is promoted may not know the last claims and commits: a copy that
// arrives then runs again, possibly beside the first. It is not lost, because a
// delivery is answered 2xx only after its callbacks are done, whatever Redis says.
// The same holds for a snapshot that is restored and for a server that is flushed.
//
// While the server cannot be reached, deliveries are answered 503 and callbacks
// whose claim cannot be renewed are told so by their context.
//
// Leases are measured by the clock of the server alone. If it is set forward,
// leases end early by as much, so let it be slewed, not stepped.
package redishook

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/redisscript"
)

// Store is a sonzaihook.Store on Redis. It is safe for concurrent use by any
// number of goroutines, processes and machines. Make one with [New].
type Store struct {
	client  redis.Scripter
	scripts *redisscript.Store
}

var _ sonzaihook.Store = (*Store)(nil)

var (
	// ErrUnsuitableClient means that the client cannot keep what a store promises.
	ErrUnsuitableClient = errors.New("redishook: unsuitable client")
	// ErrInvalidOption means that an option was given a value that it cannot have. It
	// wraps sonzaihook.ErrInvalidOption.
	ErrInvalidOption = fmt.Errorf("redishook: %w", sonzaihook.ErrInvalidOption)
	// ErrUnsafeServer means that the server's settings let it forget claims.
	ErrUnsafeServer = errors.New("redishook: unsafe server")
)

// New returns a store that uses the client, which stays the caller's to close. It
// does not connect.
//
// The client is a redis.Client, a redis.ClusterClient, a redis.AutoPipeliner of
// either, or a type of the caller's own that runs scripts. A redis.Client or
// redis.ClusterClient must have ContextTimeoutEnabled, else a call to a server that
// hangs keeps its connection long after its context has ended. A redis.Ring moves
// keys to another server when one is down, and so hands out claims twice. New refuses
// these, and nil in any form, with an error that wraps [ErrUnsuitableClient], and an
// option with an impossible value with one that wraps [ErrInvalidOption].
//
// A call returns at the deadline of its context, which a receiver always sets, and
// also when the context is canceled, except with a redis.Client or
// redis.ClusterClient. With a type that does not observe the deadline, such as an
// AutoPipeliner that waits for each call, each call runs in a goroutine, which is
// left behind when the deadline passes.
func New(client redis.Scripter, options ...Option) (*Store, error) {
	bounded, err := checkClient(client)
	if err != nil {
		return nil, err
	}
	c := config{prefix: DefaultPrefix}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("%w: an option is nil", ErrInvalidOption)
		}
		option(&c)
	}
	if c.keep < 0 {
		return nil, fmt.Errorf("%w: WithKeep(%v), it must not be negative", ErrInvalidOption, c.keep)
	}
	s := &Store{client: client}
	run := s.run
	if pipeliner, ok := client.(*redis.AutoPipeliner); ok && !pipeliner.IsBlocking() {
		run = deferred(pipeliner)
	} else if !bounded {
		run = redisscript.Await(run)
	}
	sets := isOfGoRedis(client)
	s.scripts = redisscript.NewStore("redishook", c.prefix, c.keep, sets, run)
	return s, nil
}

// checkClient reports whether calls of the client are known to return when their
// context ends.
func checkClient(client redis.Scripter) (bounded bool, err error) {
	if redisscript.IsNil(client) {
		return false, fmt.Errorf("%w: it is nil", ErrUnsuitableClient)
	}
	switch c := client.(type) {
	case *redis.Ring:
		return false, fmt.Errorf("%w: a redis.Ring moves keys when a shard is down", ErrUnsuitableClient)
	case *redis.Client:
		bounded = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		bounded = c.Options().ContextTimeoutEnabled
	default:
		return false, nil
	}
	if !bounded {
		return false, fmt.Errorf("%w: set ContextTimeoutEnabled in its options, else a call does not end with its context", ErrUnsuitableClient)
	}
	return true, nil
}

// Claim implements sonzaihook.Store in one round trip. A claim that is renewed takes
// two, and so does the first call to a server that is older than Redis 7.
func (s *Store) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	return s.scripts.Claim(ctx, key, token, lease)
}

// Commit implements sonzaihook.Store in one round trip.
func (s *Store) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	return s.scripts.Commit(ctx, key, token, keep)
}

// Release implements sonzaihook.Store in one round trip.
func (s *Store) Release(ctx context.Context, key, token string) error {
	return s.scripts.Release(ctx, key, token)
}

// setter is what the clients of go-redis have beside redis.Scripter. Do is not it: an
// AutoPipeliner sends what comes by Do by itself.
type setter interface {
	SetArgs(ctx context.Context, key string, value any, args redis.SetArgs) *redis.StatusCmd
}

var (
	_ setter = (*redis.Client)(nil)
	_ setter = (*redis.ClusterClient)(nil)
	_ setter = (*redis.AutoPipeliner)(nil)
)

// isOfGoRedis reports whether a client is go-redis's own. A type of the caller's may
// do something with scripts that it does not do with other commands, such as writing
// another key.
func isOfGoRedis(client redis.Scripter) bool {
	switch client.(type) {
	case *redis.Client, *redis.ClusterClient, *redis.AutoPipeliner:
		return true
	}
	return false
}

func (s *Store) run(ctx context.Context, script, key string, args ...string) (int64, error) {
	if script == redisscript.SetOrGet {
		ms, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return 0, err
		}
		ttl := time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
		call := s.client.(setter).SetArgs(ctx, key, args[0], redis.SetArgs{Mode: "NX", Get: true, TTL: ttl})
		return found(call, call.Err(), args[0])
	}
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg
	}
	return s.client.Eval(ctx, script, []string{key}, values...).Int64()
}

// found reads the answer to SET NX GET: nil says that the key was not there.
func found(call *redis.StatusCmd, err error, holder string) (int64, error) {
	if errors.Is(err, redis.Nil) {
		return redisscript.Found("", false, holder), nil
	}
	if err != nil {
		return 0, err
	}
	return redisscript.Found(call.Val(), true, holder), nil
}

// deferred runs scripts through a pipeliner that waits for a call only when it is
// asked to, and then no longer than a context lasts.
func deferred(pipeliner *redis.AutoPipeliner) redisscript.Run {
	return func(ctx context.Context, script, key string, args ...string) (int64, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if script == redisscript.SetOrGet {
			call := redis.NewStatusCmd(ctx, "set", key, args[0], "nx", "get", "px", args[1])
			return found(call, pipeliner.Submit(ctx, call).WaitContext(ctx), args[0])
		}
		values := append(make([]any, 0, 6), "eval", script, 1, key)
		for _, arg := range args {
			values = append(values, arg)
		}
		call := redis.NewCmd(ctx, values...)
		call.SetFirstKeyPos(3)
		if err := pipeliner.Submit(ctx, call).WaitContext(ctx); err != nil {
			return 0, err
		}
		return call.Int64()
	}
}
