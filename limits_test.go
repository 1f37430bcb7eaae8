package sonzaihook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestTheLargestLimitIsALimit(t *testing.T) {
	t.Parallel()
	const forever = time.Duration(math.MaxInt64)
	for name, option := range map[string]sonzaihook.Option{
		"WithMaxBody":        sonzaihook.WithMaxBody(math.MaxInt64),
		"WithLease":          sonzaihook.WithLease(forever),
		"WithHandlerTimeout": sonzaihook.WithHandlerTimeout(forever),
		"WithTolerance":      sonzaihook.WithTolerance(forever),
		"WithMaxInFlight":    sonzaihook.WithMaxInFlight(math.MaxInt),
		"NewMemoryStore":     sonzaihook.WithStore(sonzaihook.NewMemoryStore(math.MaxInt)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil, option)
			running, finish := make(chan struct{}), make(chan struct{})
			h.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
				close(running)
				<-finish
				return ctx.Err()
			})
			first := make(chan string)
			go func() { first <- code(t, hooktest.Deliver(t, h, message(t))) }()
			<-running
			require.Equal(t, "in_flight", code(t, hooktest.Deliver(t, h, message(t))))
			close(finish)
			require.Equal(t, "processed", <-first)
			require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, message(t))))
			answer := hooktest.Deliver(t, h, message(t), hooktest.Tampered())
			require.Equal(t, http.StatusUnauthorized, answer.Code)
			require.NoError(t, h.Shutdown(t.Context()))
		})
	}
	h := recorder.New(t, nil).HandleAll(sonzaihook.RetryAfter(nil, forever))
	answer := hooktest.Deliver(t, h, message(t))
	seconds, err := strconv.ParseInt(answer.Header().Get("Retry-After"), 10, 64)
	require.NoError(t, err)
	require.Positive(t, seconds)
	require.NoError(t, h.Rotate(sonzaihook.AnyEvent, "new", forever))
	require.Equal(t, "retry_later", code(t, hooktest.Deliver(t, h, event(""))), "the old secret is in its grace")
	out := h.Dispatch(sonzaihook.ContextWithTimeout(t.Context(), forever), &sonzaihook.Delivery{Body: event("")})
	require.Equal(t, sonzaihook.CodeRetryLater, out.Code)
}

func TestTheStoreHoldsTheLongestLease(t *testing.T) {
	t.Parallel()
	store := sonzaihook.NewMemoryStore(10)
	for i, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 2} {
		key := strconv.Itoa(i)
		for token, want := range map[string]sonzaihook.State{"a": sonzaihook.Claimed} {
			state, err := store.Claim(t.Context(), key, token, d)
			require.NoError(t, err)
			require.Equal(t, want, state)
		}
		state, err := store.Claim(t.Context(), key, "b", d)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.InFlight, state)
		require.NoError(t, store.Commit(t.Context(), key, "a", d))
		state, err = store.Claim(t.Context(), key, "b", d)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.Done, state)
	}
}

func TestAClaimThatIsGrantedWhenItsLeaseIsOverRunsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, "late", func(t *testing.T) {
		store := newFaultyStore(func(_ context.Context, what string, n int) error {
			if what == "claim" && n == 1 {
				time.Sleep(900 * time.Millisecond)
			}
			return nil
		})
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(600*time.Millisecond))
		hooks.HandleFunc(func(context.Context, int) error { return nil })
		require.Equal(t, sonzaihook.CodeStoreUnavailable, deliverWakeup(t, hooks))
		require.Zero(t, hooks.Runs.Len())
		require.Len(t, store.times("release"), 1)
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
		require.NoError(t, hooks.Shutdown(t.Context()))
	})
}

func TestACommitThatFailsIsTriedAgainWhileTheLeaseHolds(t *testing.T) {
	t.Parallel()
	inBubble(t, "commit", func(t *testing.T) {
		store := newFaultyStore(func(_ context.Context, what string, n int) error {
			if what == "commit" && n < 4 {
				return errUser
			}
			return nil
		})
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(10*time.Second), sonzaihook.WithMaxInFlight(1))
		hooks.HandleFunc(func(context.Context, int) error { return nil })
		began := time.Now()
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
		require.Less(t, time.Since(began), 100*time.Millisecond, "the answer does not wait")
		require.Equal(t, sonzaihook.CodeInFlight, deliverWakeup(t, hooks), "the limit does not count it")
		require.NoError(t, hooks.Shutdown(t.Context()), "which waits for it")
		require.Len(t, store.times("commit"), 4)
		require.Equal(t, 1, hooks.Runs.Len())
	})
}

func TestACommitOfALostLeaseIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, "lost", func(t *testing.T) {
		store := newFaultyStore(func(_ context.Context, what string, _ int) error {
			if what == "commit" {
				return fmt.Errorf("mine: %w", sonzaihook.ErrLeaseLost)
			}
			return nil
		})
		hooks := leaseReceiver(t, store)
		hooks.HandleFunc(func(context.Context, int) error { return nil })
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
		require.NoError(t, hooks.Shutdown(t.Context()))
		require.Len(t, store.times("commit"), 1)
	})
}

func TestWhatCannotChangeTheBytesIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(http.Header)
		status int
	}{
		"two header lines": {func(h http.Header) {
			h[sonzaihook.SignatureHeader] = strings.Split(h.Get(sonzaihook.SignatureHeader), ",")
		}, 200},
		"the same line twice":     {func(h http.Header) { h.Add(sonzaihook.SignatureHeader, h.Get(sonzaihook.SignatureHeader)) }, 200},
		"an empty line beside it": {func(h http.Header) { h.Add(sonzaihook.SignatureHeader, "") }, 401},
		"an empty v1":             {func(h http.Header) { h.Set(sonzaihook.SignatureHeader, h.Get(sonzaihook.SignatureHeader)+",v1=") }, 200},
		"only an empty v1": {func(h http.Header) {
			h.Set(sonzaihook.SignatureHeader, strings.Split(h.Get(sonzaihook.SignatureHeader), ",")[0]+",v1=")
		}, 401},
		"two times":              {func(h http.Header) { h.Add(sonzaihook.SignatureHeader, "t=1") }, 401},
		"many lines":             {func(h http.Header) { h[sonzaihook.SignatureHeader] = make([]string, 100) }, 401},
		"an encoding of text":    {func(h http.Header) { h.Set("Content-Encoding", "UTF-8") }, 200},
		"no encoding":            {func(h http.Header) { h.Set("Content-Encoding", "none") }, 200},
		"identity twice":         {func(h http.Header) { h.Set("Content-Encoding", "identity, identity") }, 200},
		"gzip":                   {func(h http.Header) { h.Set("Content-Encoding", "gzip") }, 415},
		"gzip among others":      {func(h http.Header) { h.Set("Content-Encoding", "identity, gzip") }, 415},
		"gzip in a second line":  {func(h http.Header) { h["Content-Encoding"] = []string{"utf-8", "gzip"} }, 415},
		"a type twice":           {func(h http.Header) { h.Set("Content-Type", "application/json, application/json") }, 200},
		"an empty charset":       {func(h http.Header) { h.Set("Content-Type", "application/json; charset=") }, 200},
		"a broken parameter":     {func(h http.Header) { h.Set("Content-Type", "application/json; =;;") }, 200},
		"a comma in a parameter": {func(h http.Header) { h.Set("Content-Type", `application/json; profile="a,b"`) }, 200},
		"upper case":             {func(h http.Header) { h.Set("Content-Type", "APPLICATION/JSON") }, 200},
		"a suffix":               {func(h http.Header) { h.Set("Content-Type", "application/cloudevents+json") }, 200},
		"no type":                {func(h http.Header) { h.Del("Content-Type") }, 200},
		"a form":                 {func(h http.Header) { h.Set("Content-Type", "application/x-www-form-urlencoded") }, 415},
		"a form as well":         {func(h http.Header) { h.Set("Content-Type", "application/json, text/plain") }, 415},
		"lower case names": {func(h http.Header) {
			for name, lines := range h {
				delete(h, name)
				h[strings.ToLower(name)] = lines
			}
		}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil).HandleAll(nil)
			body := message(t)
			header := hooktest.NewRequest(t, body).Header
			c.change(header)
			require.Equal(t, c.status, h.Receive(t.Context(), header, body).Status)
		})
	}
}

func TestAHugeContentTypeCostsNothing(t *testing.T) { // not parallel: it counts allocations
	h := recorder.New(t, nil).HandleAll(nil)
	header := hooktest.NewRequest(t, message(t)).Header
	header.Set("Content-Type", "application/json"+strings.Repeat(`;a="b"`, 150_000))
	allocs := testing.AllocsPerRun(5, func() { h.Receive(t.Context(), header, message(t)) })
	require.Less(t, allocs, 100.0)
}

func TestEveryAttributeOfALogRecordIsBounded(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 5<<20)
	for name, c := range map[string]struct {
		body  []byte
		setup func(*recorder.Receiver)
	}{
		"a callback's error": {message(t), func(h *recorder.Receiver) { h.HandleAll(errors.New(huge)) }},
		"a panic": {message(t), func(h *recorder.Receiver) {
			h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { panic(huge) })
		}},
		"a type's name": {[]byte(`{"event_type":"` + huge[:1<<20] + `","event_id":"e"}`), func(h *recorder.Receiver) { h.HandleAll(errUser) }},
		"an id":         {[]byte(`{"event_type":"x","event_id":"` + huge[:1<<20] + `"}`), func(h *recorder.Receiver) { h.HandleAll(errUser) }},
		"a dead letter's": {[]byte(`{}`), func(h *recorder.Receiver) {
			h.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error { return errors.New(huge) })
		}},
		"an observer's": {message(t), func(h *recorder.Receiver) { h.Observe(func(context.Context, sonzaihook.Outcome) { panic(huge) }) }},
	} {
		h := recorder.New(t, nil, sonzaihook.WithStore(&badStore{Store: sonzaihook.NewMemoryStore(1), call: "release", do: func() error { return errors.New(huge) }}))
		c.setup(h)
		hooktest.Deliver(t, h, c.body)
		require.NotEmpty(t, h.Log.String(), name)
		require.Less(t, len(h.Log.String()), 64<<10, name)
	}
}

func TestNoVerbAndNoHandlerPrintsContent(t *testing.T) {
	t.Parallel()
	d := sonzaihook.Delivery{Type: "agent.message", ID: "evt", Body: []byte("secret body"), Name: "n"}
	e := sonzaihook.MessageEvent{Type: "agent.message", ID: "evt", Data: sonzaihook.Message{Content: "secret content"}, Raw: []byte(`"secret raw"`)}
	for _, v := range []any{d, &d, e, &e, []any{d, &e}, map[string]any{"d": d, "e": &e}, struct{ D sonzaihook.Delivery }{d}} {
		// %p and %w of a value are errors that fmt prints without asking the value.
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T", "%t", "%e", "%5v"} {
			require.NotContains(t, fmt.Sprintf(verb, v), "secret", verb)
			require.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", "secret"), verb)
			require.NotContains(t, fmt.Sprintf(verb, v), "115 101 99", verb)
		}
	}
	for _, v := range []any{d, &d, e, &e} {
		var text, asJSON bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&asJSON, nil)).Info("m", slog.Any("v", v))
		for _, out := range []string{text.String(), asJSON.String()} {
			require.Contains(t, out, "agent.message evt")
			require.NotContains(t, out, "secret")
			require.NotContains(t, out, "c2VjcmV0")
		}
	}
	marshaled, err := json.Marshal(d)
	require.NoError(t, err)
	require.Contains(t, string(marshaled), "c2VjcmV0", "an encoder that is asked to still encodes")
}

func TestObserversAddUp(t *testing.T) {
	t.Parallel()
	var told []string
	tell := func(name string) func(context.Context, sonzaihook.Outcome) {
		return func(_ context.Context, o sonzaihook.Outcome) { told = append(told, name+" "+o.Code) }
	}
	h := recorder.New(t, nil, sonzaihook.WithObserver(tell("a")), sonzaihook.WithObserver(nil), sonzaihook.WithObserver(tell("b"))).HandleAll(nil)
	h.Observe(tell("c"))
	hooktest.Deliver(t, h, message(t))
	require.Equal(t, []string{"a processed", "b processed", "c processed"}, told)
	require.Panics(t, func() { h.Observe(nil) })
}

func TestAnOutcomeHasTheTimeOfTheSignatureAndWhetherItsSecretRetires(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secret("old")).HandleAll(nil)
	at := time.Now().Add(-90 * time.Second)
	hooktest.Deliver(t, h, event(""), hooktest.SignedWith("old"), hooktest.At(at))
	require.Equal(t, at.Unix(), h.Outcomes.Last(t).SignedAt.Unix())
	require.False(t, h.Outcomes.Last(t).Retiring)
	hooktest.Deliver(t, h, event(""), hooktest.SignedWith("old"), hooktest.At(at), hooktest.Stale())
	require.Equal(t, at.Add(-time.Hour).Unix(), h.Outcomes.Last(t).SignedAt.Unix(), "of a refused one too")
	hooktest.Deliver(t, h, event(""), hooktest.Unsigned())
	require.True(t, h.Outcomes.Last(t).SignedAt.IsZero())
	require.NoError(t, h.Rotate(sonzaihook.AnyEvent, "new", time.Minute))
	hooktest.Deliver(t, h, event(""), hooktest.SignedWith("old"))
	require.True(t, h.Outcomes.Last(t).Retiring)
	hooktest.Deliver(t, h, event(""), hooktest.SignedWith("new"))
	require.False(t, h.Outcomes.Last(t).Retiring)
}

func TestReadySaysWhyAReceiverCannotTakeDeliveries(t *testing.T) {
	t.Parallel()
	inBubble(t, "ready", func(t *testing.T) {
		var down atomic.Bool
		store := newFaultyStore(func(context.Context, string, int) error {
			if down.Load() {
				return errUser
			}
			return nil
		})
		h := recorder.New(t, sonzaihook.Secrets{"other": {"x"}}, sonzaihook.WithStore(store), sonzaihook.WithDrainDelay(5*time.Second))
		require.NoError(t, h.Ready(t.Context()))
		h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
		require.ErrorIs(t, h.Ready(t.Context()), sonzaihook.ErrInvalidSecret)
		require.ErrorContains(t, h.Ready(t.Context()), "agent.message")
		require.NoError(t, h.Project("p1").Rotate(sonzaihook.EventMessage, "one", 0))
		require.NoError(t, h.Ready(t.Context()))
		down.Store(true)
		require.ErrorIs(t, h.Ready(t.Context()), sonzaihook.ErrStoreUnavailable)
		down.Store(false)

		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, h.Shutdown(t.Context())) })
		time.Sleep(time.Second)
		require.ErrorIs(t, h.Ready(t.Context()), sonzaihook.ErrShuttingDown)
		body := event("p1")
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, body, hooktest.SignedWith("one"))), "it drains")
		wg.Wait()
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, "shutting_down", code(t, hooktest.Deliver(t, h, event("p1"), hooktest.SignedWith("one"))))
	})
}
