package sonzaihook_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// instances are two receivers on one store that is not in their memory.
type instances struct {
	store     *faultyStore
	one, two  *recorder.Receiver
	oneServes http.Handler
	twoServes http.Handler
}

func newInstances(t *testing.T, fault func(ctx context.Context, what string, n int) error) instances {
	t.Helper()
	f := instances{store: newFaultyStore(fault)}
	f.one, f.oneServes = withProjects(t, sonzaihook.WithStore(f.store))
	f.two, f.twoServes = withProjects(t, sonzaihook.WithStore(f.store))
	for _, h := range []*recorder.Receiver{f.one, f.two} {
		require.NoError(t, h.SetSecrets(secretsOf("old")))
		require.NoError(t, h.Project("p1").SetSecrets(secretsOf("p1 old")))
	}
	return f
}

// claims returns how many claims the store was asked for.
func (f instances) claims() int { return len(f.store.times("claim")) }

// send delivers a new message to the second instance and returns the code.
func (f instances) send(t *testing.T, secret string) string {
	t.Helper()
	return code(t, hooktest.Deliver(t, f.twoServes, event(""), hooktest.To("/hooks"), hooktest.SignedWith(secret)))
}

func TestAnotherInstancePutsOffWhatOnlyTheNewSecretVerifies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, nil)
		// What it has just seen must not count when the platform signs with the new secret.
		go func() {
			time.Sleep(3 * time.Millisecond)
			require.Equal(t, sonzaihook.CodeUnauthorized, f.send(t, "new"), "nothing is announced")
		}()
		told := make(chan struct{}, 1)
		defer f.two.NotifyAwaited(told)()
		time.Sleep(5 * time.Millisecond)
		err := f.one.RotateFrom(t.Context(), sonzaihook.EventMessage, time.Hour, func(context.Context) (string, error) {
			require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "new"))
			require.ErrorIs(t, f.two.Outcomes.Last(t).Err, sonzaihook.ErrSecretAwaited)
			return "new", nil
		})
		require.NoError(t, err)
		require.Len(t, told, 1)
		require.Equal(t, sonzaihook.CodeProcessed, f.send(t, "old"))
		require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "new"))
		time.Sleep(4 * time.Minute)
		require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "new"))
		require.NoError(t, f.two.Rotate(sonzaihook.EventMessage, "new", time.Hour))
		require.Equal(t, sonzaihook.CodeProcessed, f.send(t, "new"))
		time.Sleep(2 * time.Minute)
		require.Equal(t, sonzaihook.CodeUnauthorized, f.send(t, "forged"), "the announcement is over")
	})
}

func TestARotationOfOneRegistrationPutsOffNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, nil)
		obtain := func(context.Context) (string, error) { return "new", nil }
		require.NoError(t, f.one.Project("p1").RotateFrom(t.Context(), sonzaihook.EventMessage, time.Hour, obtain))
		to := func(path, body string) string {
			return code(t, hooktest.Deliver(t, f.twoServes, []byte(body), hooktest.To(path), hooktest.SignedWith("new")))
		}
		require.Equal(t, sonzaihook.CodeRetryLater, to("/hooks/p1/agent.message", string(event(""))))
		require.Equal(t, sonzaihook.CodeUnauthorized, to("/hooks/p2/agent.message", string(event(""))))
		require.Equal(t, sonzaihook.CodeUnauthorized, to("/hooks/p1/agent.mood_change", `{"event_type":"agent.mood_change"}`))
		require.Equal(t, sonzaihook.CodeRetryLater, to("/hooks", string(event("p1"))))
		require.Equal(t, sonzaihook.CodeRetryLater, to("/hooks", string(event(""))), "it may be of p1")
	})
}

func TestForgedDeliveriesCauseNoMoreThanALookASecondAndRegistration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, nil)
		send := func(path, body string) {
			answer := hooktest.Deliver(t, f.twoServes, []byte(body), hooktest.To(path), hooktest.SignedWith("forged"))
			require.Equal(t, sonzaihook.CodeUnauthorized, code(t, answer))
		}
		for i := range 1000 {
			send("/hooks", fmt.Sprintf(`{"event_type":"agent.message","event_id":"%d"}`, i))
			send(fmt.Sprintf("/hooks/p%d/agent.message", i), `{"event_type":"agent.message"}`)
			send("/hooks", fmt.Sprintf(`{"event_type":"invented.%d"}`, i))
		}
		require.Equal(t, 2, f.claims(), "one for the tenant, one for the project that exists")
		time.Sleep(time.Second)
		for range 10 {
			send("/hooks", `{"event_type":"agent.message"}`)
		}
		require.Equal(t, 4, f.claims())
	})
}

func TestALookThatFailsPutsOffWhatWouldBeRefused(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(context.Context) error{
		"it is down":           down,
		"it hangs":             hang,
		"it ignores its limit": deaf(time.Hour),
		"it panics":            func(context.Context) error { panic("store") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newInstances(t, onCall("claim", 1, 100, fault))
				answer := hooktest.Deliver(t, f.twoServes, event(""), hooktest.To("/hooks"), hooktest.SignedWith("new"))
				require.Equal(t, http.StatusServiceUnavailable, answer.Code)
				time.Sleep(2 * time.Hour) // what hangs comes back
			})
		})
	}
}

func TestARotationThatCannotBeAnnouncedIsNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, onCall("claim", 1, 100, down))
		err := f.one.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) {
			t.Error("the platform was asked for a secret")
			return "new", nil
		})
		require.ErrorIs(t, err, sonzaihook.ErrStoreUnavailable)
		require.NoError(t, f.two.Rotate(sonzaihook.EventMessage, "new", 0), "which announces nothing")

		f = newInstances(t, onCall("claim", 1, 3, down))
		require.NoError(t, f.one.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "new", nil }))
		require.ErrorIs(t, f.one.RotateFrom(ended(t), sonzaihook.EventMessage, 0, nil), context.Canceled)
	})
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestAnInstanceThatIsKilledWhileItRotatesLeavesNothingBehindForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, nil)
		// It is killed after the platform has rotated, and before anyone has the secret.
		err := f.one.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "", errUser })
		require.ErrorIs(t, err, errUser)
		require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "never known"))
		require.Equal(t, sonzaihook.CodeProcessed, f.send(t, "old"))

		err = f.two.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "new", nil })
		require.NoError(t, err, "another instance repairs it at once")
		require.Equal(t, sonzaihook.CodeProcessed, f.send(t, "new"))
		time.Sleep(6 * time.Minute)
		require.Equal(t, sonzaihook.CodeUnauthorized, f.send(t, "never known"))
	})
}

func TestALookDoesNotKeepARotationFromBeingAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, onCall("release", 1, 1, down)) // as if it were killed while it looks
		require.Equal(t, sonzaihook.CodeUnauthorized, f.send(t, "forged"))
		began := time.Now()
		require.NoError(t, f.one.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "new", nil }))
		require.Less(t, time.Since(began), 10*time.Second)
		require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "new"))
	})
}

func TestAStoreInMemoryAnnouncesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := recorder.New(t, secretsOf("old"), sonzaihook.WithStore(sonzaihook.NewMemoryStore(10)))
		began := time.Now()
		require.NoError(t, h.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "new", nil }))
		require.Zero(t, time.Since(began))
	})
}

func TestWhoStopsIsNotToldOfAwaitedSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newInstances(t, nil)
		stays, leaves := make(chan struct{}, 1), make(chan struct{}, 1)
		defer f.two.NotifyAwaited(stays)()
		f.two.NotifyAwaited(leaves)()
		project := make(chan struct{}, 1)
		defer f.two.Project("p1").NotifyAwaited(project)()
		require.NoError(t, f.one.RotateFrom(t.Context(), sonzaihook.EventMessage, 0, func(context.Context) (string, error) { return "new", nil }))
		require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "new"))
		require.Equal(t, sonzaihook.CodeRetryLater, f.send(t, "new"), "a channel without room is no reason to wait")
		require.Equal(t, []int{1, 0, 0}, []int{len(stays), len(leaves), len(project)})
	})
}
