// Package rueidishook keeps what a receiver knows of its deliveries in Redis, with
// the client rueidis, so that several instances behind a load balancer recognise
// each other's copies.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
//	…
//	store, err := rueidishook.New(client)
//	…
//	hooks, err := sonzaihook.New(secrets, sonzaihook.WithStore(store))
//
// It runs the scripts of the package redishook on the same keys, so that instances
// with either share one server and recognise each other's deliveries. rueidis sends
// the calls that wait together over few connections. With dozens of deliveries at a
// time it handles nearly twice as many as a client that sends each call by itself,
// with one at a time fewer. Each identity is one key, and an accepted delivery makes
// two calls of one round trip: claim and commit. It is tested with Redis 7; a
// single node, Sentinel and Cluster all do.
//
// # Settings of the client
//
// The client must reach masters: ReplicaOnly makes every delivery 503. Behind
// Sentinel set SentinelOption.TopologyRefreshInterval to some seconds, else a
// client that misses the message of a failover keeps asking the old master.
// DisableAutoPipelining takes away what rueidis is used for here.
//
// A call returns when its context ends, also while a server hangs; only where the
// client opens a connection in the middle of its work, as ConnLifetime makes it, may
// a call take as long as Dialer.Timeout. A call that has returned may still reach
// the server later, which delays a retry of that delivery by its lease at most. A
// call whose connection breaks is sent again while its context lasts, which the
// scripts allow for.
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
package rueidishook

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/redisscript"
)

// Store is a sonzaihook.Store on Redis. It is safe for concurrent use by any
// number of goroutines, processes and machines. Make one with [New].
type Store struct {
	client   rueidis.Client
	scripts  *redisscript.Store
	await    redisscript.Run // send, in a goroutine
	answered atomic.Int64    // calls in a row, counted up to steady
}

var _ sonzaihook.Store = (*Store)(nil)

var (
	// ErrUnsuitableClient means that the client cannot keep what a store promises.
	ErrUnsuitableClient = errors.New("rueidishook: unsuitable client")
	// ErrInvalidOption means that an option was given a value that it cannot have. It
	// wraps sonzaihook.ErrInvalidOption.
	ErrInvalidOption = fmt.Errorf("rueidishook: %w", sonzaihook.ErrInvalidOption)
	// ErrUnsafeServer means that the server's settings let it forget claims.
	ErrUnsafeServer = errors.New("rueidishook: unsafe server")
)

// New returns a store that uses the client, which stays the caller's to close. It
// does not connect. A client that is nil in any form is refused with an error that
// wraps [ErrUnsuitableClient], an impossible option with [ErrInvalidOption].
func New(client rueidis.Client, options ...Option) (*Store, error) {
	if redisscript.IsNil(client) {
		return nil, fmt.Errorf("%w: it is nil", ErrUnsuitableClient)
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
	s.await = redisscript.Await(s.send)
	s.scripts = redisscript.NewStore("rueidishook", c.prefix, c.keep, true, s.run)
	return s, nil
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

// steady is after how many calls in a row that were answered the client is trusted
// to return when a context ends: by then its connections are open.
const steady = 256

// run returns when its context ends. rueidis sees to that while a call waits for
// its answer, but not while a connection is opened, or has no room for another call
// because a server hangs. So until the client is steady, and again after an error,
// each call has a goroutine, which costs a fifth of the throughput.
func (s *Store) run(ctx context.Context, script, key string, args ...string) (int64, error) {
	send := s.send
	if s.answered.Load() < steady {
		send = s.await
	}
	answer, err := send(ctx, script, key, args...)
	if err != nil {
		s.answered.Store(0)
	} else if s.answered.Load() < steady {
		s.answered.Add(1)
	}
	return answer, err
}

func (s *Store) send(ctx context.Context, script, key string, args ...string) (int64, error) {
	if script == redisscript.SetOrGet {
		set := s.client.B().Arbitrary("SET").Keys(key).Args(args[0], "NX", "GET", "PX", args[1]).Build()
		value, err := s.client.Do(undated{ctx}, set.ToRetryable()).ToString()
		if rueidis.IsRedisNil(err) {
			return redisscript.Found("", false, args[0]), nil
		}
		return redisscript.Found(value, true, args[0]), err
	}
	eval := s.client.B().Eval().Script(script).Numkeys(1).Key(key).Arg(args...).Build()
	return s.client.Do(undated{ctx}, eval.ToRetryable()).AsInt64()
}

// undated is a context without its deadline: it ends at the same time. With a
// deadline rueidis waits for the answer alone, does not hear a cancellation, and
// closes the connection when the time is up.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

// Check asks every master that the client knows whether it may forget claims. It
// returns an error that wraps [ErrUnsafeServer] where maxmemory-policy is not
// noeviction, the client's error where a server cannot be asked, and nil where all
// is well. It needs permission for INFO, which a hosted server may refuse. Call it
// at start-up; no delivery does.
func (s *Store) Check(ctx context.Context) error {
	for _, node := range s.client.Nodes() {
		info, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil {
			return fmt.Errorf("rueidishook: check: %w", err)
		}
		server := redisscript.ReadInfo(info)
		if err := server.Check(); err != nil && !server.Replica {
			return fmt.Errorf("%w: %w", ErrUnsafeServer, err)
		}
	}
	return nil
}
