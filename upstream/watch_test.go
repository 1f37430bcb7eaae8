package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// keeper is a source of secrets that a test changes.
type keeper struct {
	mu    sync.Mutex
	fetch func(context.Context) (sonzaihook.Secrets, error)
}

func (k *keeper) answer(secrets sonzaihook.Secrets, err error) {
	k.does(func(context.Context) (sonzaihook.Secrets, error) { return maps.Clone(secrets), err })
}

func (k *keeper) does(fetch func(context.Context) (sonzaihook.Secrets, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetch = fetch
}

func (k *keeper) get(ctx context.Context) (sonzaihook.Secrets, error) {
	k.mu.Lock()
	fetch := k.fetch
	k.mu.Unlock()
	return fetch(ctx)
}

// watching runs Watch with an interval of a minute until the test ends. It returns
// a function that waits for the next look, and the log.
func watching(t *testing.T, target upstream.Target, k *keeper, grace time.Duration) (look func(), log *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log = &bytes.Buffer{}
	ended := make(chan error, 1)
	go func() {
		ended <- upstream.Watch(ctx, target, time.Minute, k.get, grace, upstream.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended, "the end of the context is no error")
	})
	return func() {
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
	}, log
}

func TestWatchInstallsWhatChangesAsARotation(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace time.Duration
		want  []string
	}{"with a grace": {time.Hour, []string{"whsec_2", "whsec_1"}}, "without": {0, []string{"whsec_2"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target, k := newPart("", message), &keeper{}
				k.answer(sonzaihook.Secrets{message: {"whsec_1"}, ready: {"whsec_w"}}, nil)
				look, log := watching(t, target, k, test.grace)
				look()
				require.Equal(t, []string{"whsec_1"}, target.of(message))
				require.Equal(t, []string{"whsec_w"}, target.of(ready), "under its literal name")
				look()
				require.Equal(t, 2, target.changes(), "what stays the same is not installed again")

				k.answer(sonzaihook.Secrets{message: {"whsec_2"}, ready: {"whsec_w"}}, nil)
				look()
				require.Equal(t, test.want, target.of(message))
				require.Equal(t, []string{"whsec_w"}, target.of(ready))
				require.Equal(t, 3, target.changes())
				k.answer(sonzaihook.Secrets{message: {"whsec_2"}}, nil)
				look()
				require.Equal(t, []string{"whsec_w"}, target.of(ready), "a name that is gone keeps its secrets")
				require.Empty(t, log.String())
			})
		})
	}
}

func TestWatchInstallsAllSecretsOfANameTheNewestLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target, k := newPart("", message), &keeper{}
		k.answer(sonzaihook.Secrets{message: {"whsec_3", "whsec_2", "whsec_1"}}, nil)
		look, _ := watching(t, target, k, time.Hour)
		look()
		require.Equal(t, []string{"whsec_3", "whsec_2", "whsec_1"}, target.of(message))
	})
}

func TestAnAnswerThatIsNotWholeChangesNothingAndIsLogged(t *testing.T) {
	t.Parallel()
	good := sonzaihook.Secrets{message: {"whsec_1"}, mood: {"whsec_m"}}
	changing := 0
	for name, broken := range map[string]func(context.Context) (sonzaihook.Secrets, error){
		"an error": func(context.Context) (sonzaihook.Secrets, error) { return nil, errors.New("no such file") },
		"nothing":  func(context.Context) (sonzaihook.Secrets, error) { return nil, nil },
		"no names": func(context.Context) (sonzaihook.Secrets, error) { return sonzaihook.Secrets{}, nil },
		"an error together with secrets": func(context.Context) (sonzaihook.Secrets, error) {
			return sonzaihook.Secrets{message: {"whsec_2"}}, errors.New("one file cannot be read")
		},
		"a name without secrets": func(context.Context) (sonzaihook.Secrets, error) {
			return sonzaihook.Secrets{message: {}, mood: {"whsec_n"}}, nil
		},
		"an empty secret": func(context.Context) (sonzaihook.Secrets, error) {
			return sonzaihook.Secrets{message: {""}, mood: {"whsec_n"}}, nil
		},
		"the prefix alone": func(context.Context) (sonzaihook.Secrets, error) {
			return sonzaihook.Secrets{message: {"whsec_"}, mood: {"whsec_n"}}, nil
		},
		"white space at an end": func(context.Context) (sonzaihook.Secrets, error) {
			return sonzaihook.Secrets{message: {"whsec_2\n"}}, nil
		},
		"a secret that is being written": func(context.Context) (sonzaihook.Secrets, error) {
			changing++
			return sonzaihook.Secrets{message: {"whsec_abcdefghijk"[:7+changing%2]}}, nil
		},
		"a panic": func(context.Context) (sonzaihook.Secrets, error) { panic("no") },
		"a call that hangs": func(ctx context.Context) (sonzaihook.Secrets, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target, k := newPart("", message, mood), &keeper{}
				k.answer(good, nil)
				look, log := watching(t, target, k, 0)
				look()
				require.Equal(t, 2, target.changes())
				k.does(broken)
				for range 3 {
					look()
				}
				require.Equal(t, 2, target.changes())
				require.Equal(t, []string{"whsec_1"}, target.of(message))
				require.Equal(t, []string{"whsec_m"}, target.of(mood))
				require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("level=WARN")), "once, not at every look: %s", log)
				require.NotContains(t, log.String(), "whsec_")

				k.answer(sonzaihook.Secrets{message: {"whsec_2"}}, nil)
				look()
				look()
				require.Equal(t, []string{"whsec_2"}, target.of(message), "it goes on afterwards")
				require.Contains(t, log.String(), "answers again")
			})
		})
	}
}

func TestWatchTriesAgainWhatTheReceiverDidNotTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target, k := newPart("", message), &keeper{}
		target.refuse = errors.New("not now")
		k.answer(sonzaihook.Secrets{message: {"whsec_1"}}, nil)
		look, log := watching(t, target, k, time.Hour)
		look()
		require.Contains(t, log.String(), "not now")
		target.mu.Lock()
		target.refuse = nil
		target.mu.Unlock()
		look()
		require.Equal(t, []string{"whsec_1"}, target.of(message))
	})
}

func TestWatchRefusesArgumentsThatCannotBeRight(t *testing.T) {
	t.Parallel()
	source := func(context.Context) (sonzaihook.Secrets, error) { return nil, nil }
	target := newPart("", message)
	for name, err := range map[string]error{
		"no target":      upstream.Watch(t.Context(), nil, time.Second, source, 0),
		"no interval":    upstream.Watch(t.Context(), target, 0, source, 0),
		"no source":      upstream.Watch(t.Context(), target, time.Second, nil, 0),
		"negative grace": upstream.Watch(t.Context(), target, time.Second, source, -1),
	} {
		require.ErrorIs(t, err, upstream.ErrInvalidOption, name)
	}
}

func TestARealReceiverTakesWhatWatchInstalls(t *testing.T) {
	t.Parallel()
	hooks, k := newHooks(t, nil), &keeper{}
	(&ledger{}).listen(hooks, message)
	k.answer(sonzaihook.Secrets{message: {"whsec_1"}}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		_ = upstream.Watch(ctx, hooks, time.Millisecond, k.get, time.Hour, upstream.WithLogger(silent))
	})
	defer work.Wait()
	defer cancel()
	takesSoon := func(secret string) {
		require.Eventually(t, func() bool { return takes(t, hooks, secret) == 200 }, 10*time.Second, 5*time.Millisecond)
	}
	takesSoon("whsec_1")
	k.answer(sonzaihook.Secrets{message: {"whsec_2"}}, nil)
	takesSoon("whsec_2")
	require.Equal(t, 200, takes(t, hooks, "whsec_1"), "it is in its grace")
}

func TestWatchLooksAtOnceWhenAnotherInstanceRotates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := shared{sonzaihook.NewMemoryStore(100)}
		one, two := receiverOn(t, store), receiverOn(t, store)
		k := &keeper{}
		k.answer(sonzaihook.Secrets{sonzaihook.EventMessage: {"whsec_1"}}, nil)
		_, _ = watching(t, two, k, time.Hour)
		time.Sleep(10 * time.Second)

		err := one.RotateFrom(t.Context(), sonzaihook.EventMessage, time.Hour, func(context.Context) (string, error) {
			k.answer(sonzaihook.Secrets{sonzaihook.EventMessage: {"whsec_2"}}, nil)
			return "whsec_2", nil
		})
		require.NoError(t, err)
		send := func() string {
			body := hooktest.Fixture(t, sonzaihook.EventMessage)
			header := http.Header{sonzaihook.SignatureHeader: {sonzaihook.Sign(body, "whsec_2", time.Now())}}
			return two.Receive(t.Context(), header, body).Code
		}
		require.Equal(t, sonzaihook.CodeRetryLater, send())
		time.Sleep(time.Second)
		require.Equal(t, sonzaihook.CodeProcessed, send(), "long before the interval is over")
	})
}

// shared is a memory store that does not say that it is one.
type shared struct{ sonzaihook.Store }

func receiverOn(t *testing.T, store sonzaihook.Store) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secrets{sonzaihook.EventMessage: {"whsec_1"}}, sonzaihook.WithStore(store),
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	return hooks
}
