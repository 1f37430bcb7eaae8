package once

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// job is Work that a test can steer.
type job struct {
	Attempt
	do      func(ctx context.Context) bool
	warned  []string
	handled bool
}

func (j *job) Run(ctx *Context) bool {
	j.handled = j.do(ctx)
	return j.handled
}

func newRunner(j *job, lease time.Duration) (*Runner, *Memory) {
	m := NewMemory(100)
	return &Runner{
		Claims: Claims{Store: m, Lease: lease, Keep: time.Hour},
		Warn:   func(_ context.Context, message string, _ Work, _ error) { j.warned = append(j.warned, message) },
	}, m
}

func TestWorkRunsOnceUnderItsClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		work := func() *job { return &job{do: func(context.Context) bool { runs++; return true }} }
		r, _ := newRunner(work(), time.Minute)
		first, second := work(), work()
		require.NoError(t, r.Do(t.Context(), &first.Attempt, first, Order{Key: "k", Claim: true}))
		require.ErrorIs(t, r.Do(t.Context(), &second.Attempt, second, Order{Key: "k", Claim: true}), ErrDone)
		require.Equal(t, 1, runs)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestWorkThatFailsGivesItsClaimBack(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context) bool{
		"it failed":           func(context.Context) bool { return false },
		"its goroutine ended": func(context.Context) bool { runtime.Goexit(); return true },
	} {
		synctest.Test(t, func(t *testing.T) {
			first, second := &job{do: do}, &job{do: func(context.Context) bool { return true }}
			r, _ := newRunner(first, time.Minute)
			require.NoError(t, r.Do(t.Context(), &first.Attempt, first, Order{Key: "k", Claim: true}), name)
			require.NoError(t, r.Do(t.Context(), &second.Attempt, second, Order{Key: "k", Claim: true}), name)
			require.True(t, second.handled, name)
		})
	}
}

func TestTheKeeperRenewsAndSettles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &job{do: func(context.Context) bool { time.Sleep(10 * time.Minute); return true }}
		r, m := newRunner(j, time.Minute)
		go func() {
			time.Sleep(9 * time.Minute)
			state, err := m.Claim(t.Context(), "k", "other", time.Minute)
			require.NoError(t, err)
			require.Equal(t, InFlight, state)
		}()
		require.NoError(t, r.Do(t.Context(), &j.Attempt, j, Order{Key: "k", Claim: true}))
		state, err := m.Claim(t.Context(), "k", "other", time.Minute)
		require.NoError(t, err)
		require.Equal(t, Done, state)
		require.Empty(t, j.warned)
	})
}

func TestWorkThatIsLateKeepsItsClaimUntilItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &job{do: func(ctx context.Context) bool {
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), ErrHandlerTimeout)
			time.Sleep(time.Hour)
			return false
		}}
		r, m := newRunner(j, time.Minute)
		began := time.Now()
		require.ErrorIs(t, r.Do(t.Context(), &j.Attempt, j, Order{Key: "k", Claim: true, Timeout: time.Second}), ErrHandlerTimeout)
		require.Equal(t, 1100*time.Millisecond, time.Since(began))
		time.Sleep(30 * time.Minute)
		state, err := m.Claim(t.Context(), "k", "other", time.Minute)
		require.NoError(t, err)
		require.Equal(t, InFlight, state)
		require.NoError(t, r.Shutdown(t.Context()), "which waits for the work")
		state, err = m.Claim(t.Context(), "k", "other", time.Minute)
		require.NoError(t, err)
		require.Equal(t, Claimed, state)
	})
}

func TestAContextDoesNotEndWithItsParent(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	cancel(errors.New("the client has gone"))
	c := &Context{}
	c.init(parent, time.Now(), 0, nil, nil)
	require.Equal(t, "value", c.Value(key{}))
	require.NoError(t, context.Cause(c))
	require.NoError(t, c.Err())
	child, stop := context.WithTimeout(c, time.Hour)
	defer stop()
	require.NoError(t, child.Err())
	c.End(ErrLeaseLost)
	require.ErrorIs(t, context.Cause(c), ErrLeaseLost)
	<-child.Done()
	require.ErrorIs(t, context.Cause(child), ErrLeaseLost)
}

func TestAContextThatEndedBeforeItWasUsedHasItsCause(t *testing.T) {
	t.Parallel()
	c := &Context{}
	c.init(t.Context(), time.Now(), time.Hour, ErrHandlerTimeout, nil)
	c.End(ErrLeaseLost)
	c.End(context.Canceled)
	require.ErrorIs(t, context.Cause(c), ErrLeaseLost)
	require.ErrorIs(t, c.Err(), context.Canceled)
}

func TestTheGateIsClosedOnce(t *testing.T) {
	t.Parallel()
	var g gate
	require.NoError(t, g.enter(1))
	require.ErrorIs(t, g.enter(1), ErrOverloaded)
	g.linger()
	require.NoError(t, g.enter(1), "what lingers is not counted")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.close(ended), context.Canceled)
	g.leave()
	g.leaveUncounted()
	require.NoError(t, g.close(t.Context()))
	require.NoError(t, g.close(t.Context()))
	require.ErrorIs(t, g.enter(0), ErrShuttingDown)
	require.ErrorIs(t, g.enterUncounted(), ErrShuttingDown)
}

func TestALatchThatNobodyWaitsForHasNoChannel(t *testing.T) {
	t.Parallel()
	var l latch
	l.open()
	l.open()
	require.Nil(t, l.wait())
	<-l.channel()
	var waited latch
	ch := waited.wait()
	waited.open()
	waited.open()
	<-ch
}
