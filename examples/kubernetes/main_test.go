package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// mounted is a folder as Kubernetes mounts a Secret: what is read are links through
// ..data, which a change swaps.
func mounted(t *testing.T, secret string) string {
	t.Helper()
	dir := t.TempDir()
	change(t, dir, "..1", secret)
	require.NoError(t, os.Symlink("..data/agent.message", filepath.Join(dir, "agent.message")))
	return dir
}

func change(t *testing.T, dir, version, secret string) {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, version, "agent.message"), []byte(secret+"\n"), 0o600))
	require.NoError(t, os.Symlink(version, filepath.Join(dir, "..new")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
}

// awayStore is a store that can be away.
type awayStore struct {
	sonzaihook.Store
	away atomic.Bool
}

func (s *awayStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.away.Load() {
		return 0, errors.New("connection refused")
	}
	return s.Store.Claim(ctx, key, token, lease)
}

func newTestHooks(t *testing.T, secrets source, options ...sonzaihook.Option) (*sonzaihook.Receiver, *awayStore) {
	t.Helper()
	store := &awayStore{Store: sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity)}
	hooks, err := newHooks(t.Context(), secrets, store, options...)
	require.NoError(t, err)
	return hooks, store
}

func get(router http.Handler, path string) int {
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code
}

func deliver(t *testing.T, router http.Handler, options ...hooktest.Option) int {
	body := hooktest.Fixture(t, sonzaihook.EventMessage)
	return hooktest.Deliver(t, router, body, append(options, hooktest.To("/webhooks/sonzai/agent.message"))...).Code
}

func TestAnInstanceWhoseStoreIsAwayIsNotReadyButAlive(t *testing.T) {
	t.Parallel()
	hooks, store := newTestHooks(t, secretsIn(mounted(t, hooktest.Secret)))
	router := newRouter(hooks)
	require.Equal(t, http.StatusNoContent, get(router, "/readyz"))
	store.away.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, get(router, "/readyz"))
	require.Equal(t, http.StatusNoContent, get(router, "/healthz"))
	store.away.Store(false)
	require.Equal(t, http.StatusNoContent, get(router, "/readyz"))
}

func TestAnInstanceThatDrainsIsNotReadyButTakesDeliveries(t *testing.T) {
	t.Parallel()
	hooks, _ := newTestHooks(t, secretsIn(mounted(t, hooktest.Secret)), sonzaihook.WithDrainDelay(time.Minute))
	router := newRouter(hooks)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = hooks.Shutdown(ctx) // cut short below
	}()
	require.Eventually(t, func() bool { return get(router, "/readyz") == http.StatusServiceUnavailable }, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, http.StatusNoContent, get(router, "/healthz"))
	require.Equal(t, http.StatusOK, deliver(t, router))
	cancel()
	<-ended
}

func TestAMountedSecretThatChangesIsFollowed(t *testing.T) {
	t.Parallel()
	dir := mounted(t, hooktest.Secret)
	hooks, _ := newTestHooks(t, secretsIn(dir))
	router := newRouter(hooks)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- upstream.Watch(ctx, hooks, 10*time.Millisecond, secretsIn(dir), time.Hour) }()

	const next = "whsec_the-next-secret-of-the-registration"
	change(t, dir, "..2", next)
	require.Eventually(t, func() bool {
		return deliver(t, router, hooktest.SignedWith(next)) == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusOK, deliver(t, router), "the old secret is in its grace")
	cancel()
	require.NoError(t, <-watched)
}
