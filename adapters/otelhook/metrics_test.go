package otelhook_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestRefusalsAreCountedByReason(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept, sonzaihook.WithAuthorization("Bearer right"))
	right := hooktest.Authorization("Bearer right")
	hooktest.Deliver(t, hooks, mood("evt_1"), right)
	hooktest.Deliver(t, hooks, mood("evt_1"), right) // a duplicate is no refusal
	hooktest.Deliver(t, hooks, mood("evt_1"))
	hooktest.Deliver(t, hooks, mood("evt_1"), right, hooktest.Unsigned())
	hooktest.Deliver(t, hooks, mood("evt_1"), right, hooktest.Tampered())
	hooktest.Deliver(t, hooks, mood("evt_1"), right, hooktest.Stale())
	hooktest.Deliver(t, hooks, []byte(`[]`), right)
	malformed := hooktest.NewRequest(t, mood("evt_1"), right)
	malformed.Header.Set(sonzaihook.SignatureHeader, "v1=what")
	hooks.ServeHTTP(&recorder.Answer{}, malformed)
	require.NoError(t, hooks.SetSecrets(sonzaihook.Secrets{sonzaihook.EventMessage: {hooktest.Secret}}))
	hooktest.Deliver(t, hooks, []byte(`{"event_id":"evt_2","data":{},"type":"agent.mood_change"}`), right)

	points := s.metrics()
	for _, reason := range []string{"authorization", "missing", "malformed", "stale", "undecodable"} {
		require.EqualValues(t, 1, points["sonzaihook.refusals{reason="+reason+"}"], reason)
	}
	wrong := points["sonzaihook.refusals{reason=mismatch}"] + points["sonzaihook.refusals{reason=other_type}"]
	require.EqualValues(t, 2, wrong)
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=duplicate,source=webhook,type=agent.mood_change}"])
	require.EqualValues(t, 1, points["messaging.process.duration{messaging.operation.name=process,messaging.system=sonzai}"])
}

func TestEachHistogramHasBucketsInSeconds(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept, sonzaihook.WithStore(s.Store(sonzaihook.NewMemoryStore(10))),
		sonzaihook.WithHandOff(s.HandOff(func(context.Context, *sonzaihook.Delivery) error { return nil })))
	hooktest.Deliver(t, hooks, mood("evt_1"))
	hooks.Dispatch(t.Context(), &sonzaihook.Delivery{Source: sonzaihook.SourceBroker, Body: mood("evt_1")})
	histograms := 0
	for _, m := range s.collect() {
		data, ok := m.Data.(metricdata.Histogram[float64])
		if !ok {
			continue
		}
		histograms++
		require.Equal(t, "s", m.Unit, m.Name)
		for _, p := range data.DataPoints {
			require.Less(t, p.Bounds[0], 0.001, m.Name)
			require.LessOrEqual(t, p.Bounds[len(p.Bounds)-1], 300.0, m.Name)
		}
	}
	require.Equal(t, 5, histograms)
}

func TestTheClockSkewIsOurTimeLessTheSigners(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return at }
	s := newSeen(t, otelhook.WithClock(clock))
	hooks := s.receiver(accept, sonzaihook.WithClock(clock))
	hooktest.Deliver(t, hooks, mood("evt_1"), hooktest.At(at.Add(-7*time.Second)))
	hooks.Dispatch(t.Context(), &sonzaihook.Delivery{Source: sonzaihook.SourceReplay, SignedAt: at.Add(-time.Hour), Body: mood("evt_2")})
	for _, m := range s.collect() {
		if m.Name != "sonzaihook.clock.skew" {
			continue
		}
		points := m.Data.(metricdata.Histogram[float64]).DataPoints
		require.Len(t, points, 1, "a replay is old by its nature")
		require.EqualValues(t, 1, points[0].Count)
		require.InDelta(t, 7, points[0].Sum, 0.001)
		return
	}
	require.Fail(t, "no clock skew")
}

func TestCallsToTheStoreAreTimedByOperationAndResult(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	store := s.Store(sonzaihook.NewMemoryStore(10))
	ctx := t.Context()
	claim := func(key, token string) {
		_, err := store.Claim(ctx, key, token, time.Minute)
		require.NoError(t, err)
	}
	claim("k", "a")
	claim("k", "a") // renews
	claim("k", "b")
	require.ErrorIs(t, store.Commit(ctx, "k", "b", time.Hour), sonzaihook.ErrLeaseLost)
	require.NoError(t, store.Commit(ctx, "k", "a", time.Hour))
	claim("k", "c")
	claim("l", "a") // the token is free again, so this is no renewal
	require.NoError(t, store.Release(ctx, "l", "a"))
	points := s.metrics()
	for set, want := range map[string]float64{
		"operation=claim,result=claimed":     2,
		"operation=renew,result=claimed":     1,
		"operation=claim,result=in_flight":   1,
		"operation=claim,result=done":        1,
		"operation=commit,result=lease_lost": 1,
		"operation=commit,result=ok":         1,
		"operation=release,result=ok":        1,
	} {
		require.Equal(t, want, points["sonzaihook.store.duration{"+set+"}"], set)
	}
}

// failing is a store that fails as it is told.
type failing struct {
	sonzaihook.Store
	err   error
	local bool
}

func (f failing) Claim(context.Context, string, string, time.Duration) (sonzaihook.State, error) {
	return 0, f.err
}
func (f failing) Local() bool { return f.local }

func TestAFailureOfTheStoreIsNamedAndPassedOn(t *testing.T) {
	t.Parallel()
	for result, err := range map[string]error{
		"full": sonzaihook.ErrStoreFull, "timeout": context.DeadlineExceeded, "error": errors.New("dial tcp"),
	} {
		s := newSeen(t)
		_, got := s.Store(failing{err: err}).Claim(t.Context(), "k", "a", time.Second)
		require.ErrorIs(t, got, err)
		require.EqualValues(t, 1, s.metrics()["sonzaihook.store.duration{operation=claim,result="+result+"}"], result)
	}
}

func TestADecoratedStoreSaysWhatTheInnerOneSays(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	for _, local := range []bool{true, false} {
		require.Equal(t, local, s.Store(failing{local: local}).(interface{ Local() bool }).Local())
	}
	memory := s.Store(sonzaihook.NewMemoryStore(1))
	for i, key := range []string{"a", "b"} {
		_, err := memory.Claim(t.Context(), key, "t", time.Minute)
		require.NoError(t, err, i)
		require.NoError(t, memory.Commit(t.Context(), key, "t", time.Minute))
	}
	require.EqualValues(t, 1, memory.(interface{ Evicted() uint64 }).Evicted())
}

// placed is a store that notes on which goroutine it is asked for a claim.
type placed struct {
	sonzaihook.Store
	local bool
	on    *string
}

func (p placed) Local() bool { return p.local }

func (p placed) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	*p.on = goroutine()
	return p.Store.Claim(ctx, key, token, lease)
}

// goroutine returns the number of the goroutine that calls it.
func goroutine() string {
	var stack [64]byte
	first, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), " [")
	return first
}

// What is in this process's memory is not waited for on another goroutine, decorated
// or not.
func TestADecoratedLocalStoreKeepsTheShortWay(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	for _, local := range []bool{true, false} {
		var on string
		hooks := s.receiver(accept, sonzaihook.WithStore(s.Store(placed{sonzaihook.NewMemoryStore(10), local, &on})))
		require.Equal(t, 200, hooktest.Deliver(t, hooks, mood("evt_1")).Code)
		require.Equal(t, local, on == goroutine(), on)
	}
}

func TestSecretsAreReportedForTheTypesWithACallback(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(accept)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	require.NoError(t, hooks.SetSecrets(sonzaihook.Secrets{sonzaihook.EventMoodChange: {hooktest.Secret}}))
	points := s.metrics()
	require.EqualValues(t, 1, points["sonzaihook.secret.valid{type=agent.mood_change}"])
	valid, reported := points["sonzaihook.secret.valid{type=agent.message}"]
	require.True(t, reported)
	require.Zero(t, valid)

	require.NoError(t, hooks.Rotate(sonzaihook.EventMoodChange, "whsec_the_next_one_0123456789abcdef", time.Hour))
	hooktest.Deliver(t, hooks, mood("evt_1"))
	hooktest.Deliver(t, hooks, mood("evt_2"), hooktest.SignedWith("whsec_the_next_one_0123456789abcdef"))
	require.EqualValues(t, 1, s.metrics()["sonzaihook.secret.retiring_used{type=agent.mood_change}"])
}

func TestAQueueReportsItsDepthAndAge(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	failure := error(nil)
	stop, err := s.ObserveQueue("sonzai", func(context.Context) (int64, time.Duration, error) {
		return 7, 90 * time.Second, failure
	})
	require.NoError(t, err)
	points := s.metrics()
	require.EqualValues(t, 7, points["sonzaihook.queue.depth{queue=sonzai}"])
	require.EqualValues(t, 90, points["sonzaihook.queue.age{queue=sonzai}"])
	require.NoError(t, stop.Unregister())
}

func TestDeliveriesThatRunAreInFlight(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	started, finish := make(chan struct{}), make(chan struct{})
	hooks := s.receiver(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		close(started)
		<-finish
		return nil
	})
	answered := make(chan int)
	go func() { answered <- hooktest.Deliver(t, hooks, mood("evt_1")).Code }()
	<-started
	require.EqualValues(t, 1, s.metrics()["sonzaihook.delivery.in_flight{}"])
	close(finish)
	require.Equal(t, 200, <-answered)
	require.Zero(t, s.metrics()["sonzaihook.delivery.in_flight{}"])
}
