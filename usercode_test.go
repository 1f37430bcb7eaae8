package sonzaihook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

// Errors whose methods panic, each in another place.
type (
	panicsInError  struct{}
	panicsInUnwrap struct{}
	panicsInIs     struct{}
	panicsInAs     struct{}
)

func (panicsInError) Error() string  { panic("boom") }
func (panicsInUnwrap) Error() string { return "unwrap" }
func (panicsInUnwrap) Unwrap() error { panic("boom") }
func (panicsInIs) Error() string     { return "is" }
func (panicsInIs) Is(error) bool     { panic("boom") }
func (panicsInAs) Error() string     { return "as" }
func (panicsInAs) As(any) bool       { panic("boom") }

// badErrors are what user code returned in the place of an error.
func badErrors() map[string]error {
	var typedNil *url.Error
	return map[string]error{
		"a typed nil":            typedNil,
		"a wrapped typed nil":    fmt.Errorf("saving: %w", typedNil),
		"a joined typed nil":     errors.Join(errUser, typedNil),
		"a panic in Error":       panicsInError{},
		"a panic in Unwrap":      panicsInUnwrap{},
		"a panic in As":          panicsInAs{},
		"Permanent of it":        sonzaihook.Permanent(typedNil),
		"RetryAfter of it":       sonzaihook.RetryAfter(panicsInError{}, time.Second),
		"Ignore joined with one": errors.Join(sonzaihook.Ignore("no"), panicsInUnwrap{}),
	}
}

func TestAnErrorWhoseMethodsPanicCostsOneAnswer(t *testing.T) {
	t.Parallel()
	for name, bad := range badErrors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for place, install := range map[string]func(h *recorder.Receiver){
				"callback": func(h *recorder.Receiver) { h.HandleAll(bad) },
				"middleware": func(h *recorder.Receiver) {
					h.HandleAll(nil)
					h.Use(func(sonzaihook.Handler) sonzaihook.Handler {
						return func(context.Context, *sonzaihook.Delivery) error { return bad }
					})
				},
				"dead letter": func(h *recorder.Receiver) {
					h.HandleAll(sonzaihook.Permanent(errUser))
					h.KeepDeadLetters(bad)
				},
				"validator": func(h *recorder.Receiver) { h.HandleAll(nil) },
			} {
				var options []sonzaihook.Option
				if place == "validator" {
					options = append(options, sonzaihook.WithValidator(validatorFunc(func(any) error { return bad })))
				}
				h := recorder.New(t, nil, options...)
				install(h)
				for range 2 { // the claim was given back
					answer := hooktest.Deliver(t, h, message(t))
					require.Equal(t, http.StatusInternalServerError, answer.Code, place)
				}
				out := h.Dispatch(t.Context(), &sonzaihook.Delivery{Body: message(t)})
				require.Equal(t, http.StatusInternalServerError, out.Status, place)
				require.NotEmpty(t, h.Log.String())
			}
		})
	}
}

func TestAnErrorWhoseIsPanicsIsStillAnError(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(panicsInIs{})
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, message(t))))
}

type validatorFunc func(any) error

func (v validatorFunc) Struct(subject any) error { return v(subject) }

// badStore misbehaves in one of its calls.
type badStore struct {
	sonzaihook.Store
	call string
	do   func() error
}

func (s *badStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.call == "claim" {
		return 0, s.do()
	}
	return s.Store.Claim(ctx, key, token, lease)
}

func (s *badStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if s.call == "commit" {
		return s.do()
	}
	return s.Store.Commit(ctx, key, token, keep)
}

func (s *badStore) Release(ctx context.Context, key, token string) error {
	if s.call == "release" {
		return s.do()
	}
	return s.Store.Release(ctx, key, token)
}

func TestAStoreThatMisbehavesChangesNoAnswerButTheClaims(t *testing.T) {
	t.Parallel()
	does := map[string]func() error{"panics": func() error { panic("boom") }}
	for name, bad := range badErrors() {
		does["returns "+name] = func() error { return bad }
	}
	for name, do := range does {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for call, want := range map[string]string{"claim": "store_unavailable", "commit": "processed", "release": "failed"} {
				store := &badStore{Store: sonzaihook.NewMemoryStore(10), call: call, do: do}
				h := recorder.New(t, nil, sonzaihook.WithStore(store), sonzaihook.WithLease(20*time.Millisecond))
				if call == "release" {
					h.HandleAll(errUser)
				} else {
					h.HandleAll(nil)
				}
				require.Equal(t, want, code(t, hooktest.Deliver(t, h, message(t))), call)
				require.NoError(t, h.Shutdown(t.Context()))
				require.Contains(t, h.Log.String(), "sonzaihook: ", call)
			}
		})
	}
}

func TestAPanicInARenewalIsAClaimThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	inBubble(t, "renewal", func(t *testing.T) {
		store := newFaultyStore(func(_ context.Context, what string, n int) error {
			if what == "claim" && n > 1 {
				panic("boom")
			}
			return nil
		})
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(3*time.Second))
		var cause error
		hooks.HandleFunc(func(ctx context.Context, _ int) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		})
		require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))
		require.ErrorIs(t, cause, sonzaihook.ErrLeaseLost)
		require.NoError(t, hooks.Shutdown(t.Context()))
	})
}

func TestShutdownWhileACallbackEndsAsItsRenewalIsDue(t *testing.T) {
	t.Parallel()
	for range 100 {
		h := recorder.New(t, nil, sonzaihook.WithLease(15*time.Millisecond), sonzaihook.WithStore(newFaultyStore(nil)))
		h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
			time.Sleep(5 * time.Millisecond)
			return nil
		})
		go hooktest.Deliver(t, h, message(t))
		time.Sleep(4 * time.Millisecond)
		require.NoError(t, h.Shutdown(t.Context()))
	}
}

func TestUserCodeThatPanicsAnywhereCostsAtMostOneAnswer(t *testing.T) {
	t.Parallel()
	boom := func() { panic("boom") }
	for name, c := range map[string]struct {
		option sonzaihook.Option
		want   string
	}{
		"the clock":                          {sonzaihook.WithClock(func() time.Time { boom(); return time.Time{} }), "processed"},
		"the logger":                         {sonzaihook.WithLogger(slog.New(panickyHandler{})), "processed"},
		"an observer":                        {sonzaihook.WithObserver(func(context.Context, sonzaihook.Outcome) { boom() }), "processed"},
		"the identity":                       {sonzaihook.WithIdentity(func(*sonzaihook.Delivery) string { boom(); return "" }), "panicked"},
		"the validator":                      {sonzaihook.WithValidator(validatorFunc(func(any) error { boom(); return nil })), "panicked"},
		"the hand-off":                       {sonzaihook.WithHandOff(func(context.Context, *sonzaihook.Delivery) error { boom(); return nil }), "queue_unavailable"},
		"a hand-off that ends its goroutine": {sonzaihook.WithHandOff(func(context.Context, *sonzaihook.Delivery) error { runtime.Goexit(); return nil }), "queue_unavailable"},
		"the source":                         {sonzaihook.WithSecretSource(func(context.Context, string) (sonzaihook.Secrets, error) { boom(); return nil, nil }), "processed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil, c.option).HandleAll(nil)
			require.Equal(t, c.want, code(t, hooktest.Deliver(t, h, message(t))))
		})
	}
	t.Run("the body of a request", func(t *testing.T) {
		t.Parallel()
		h := recorder.New(t, nil).HandleAll(nil)
		req := hooktest.NewRequest(t, message(t))
		req.Body = panickyBody{}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, req)
		require.Equal(t, "panicked", code(t, answer))
		_, err := h.Verify(req)
		require.ErrorIs(t, err, sonzaihook.ErrPanicked)
	})
	t.Run("a context", func(t *testing.T) {
		t.Parallel()
		h := recorder.New(t, nil).HandleAll(nil)
		out := h.Dispatch(panickyContext{t.Context()}, &sonzaihook.Delivery{Body: message(t)})
		require.Equal(t, sonzaihook.CodePanicked, out.Code)
	})
}

type panickyHandler struct{}

func (panickyHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyHandler) Handle(context.Context, slog.Record) error { panic("boom") }
func (h panickyHandler) WithAttrs([]slog.Attr) slog.Handler      { return h }
func (h panickyHandler) WithGroup(string) slog.Handler           { return h }

type panickyBody struct{}

func (panickyBody) Read([]byte) (int, error) { panic("boom") }
func (panickyBody) Close() error             { return nil }

type panickyContext struct{ context.Context }

func (panickyContext) Value(any) any { panic("boom") }

func TestALoggerAndAnErrorThatBothPanicStillGetAnAnswer(t *testing.T) {
	t.Parallel()
	for name, bad := range badErrors() {
		h := recorder.New(t, nil, sonzaihook.WithLogger(slog.New(panickyHandler{}))).HandleAll(bad)
		require.Equal(t, http.StatusInternalServerError, hooktest.Deliver(t, h, message(t)).Code, name)
	}
}

func TestNewRefusesANilPointerInAnInterface(t *testing.T) {
	t.Parallel()
	var store *badStore
	var validator *nilValidator
	for name, option := range map[string]sonzaihook.Option{
		"store":     sonzaihook.WithStore(store),
		"validator": sonzaihook.WithValidator(validator),
		"clock":     sonzaihook.WithClock(nil),
		"logger":    sonzaihook.WithLogger(nil),
	} {
		_, err := sonzaihook.New(sonzaihook.Secret("whsec_abc"), option)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
	}
}

type nilValidator struct{}

func (*nilValidator) Struct(any) error { return nil }

func TestABodyThatReadsNothingForEverIsGivenUp(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	req := hooktest.NewRequest(t, message(t))
	req.Body = io.NopCloser(idleReader{})
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, req)
	require.Equal(t, "body_unreadable", code(t, answer))
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestIgnoreDoesNotHideAnErrorThatItIsJoinedWith(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"alone":             {sonzaihook.Ignore("a bot"), "ignored"},
		"wrapped":           {fmt.Errorf("mood: %w", sonzaihook.Ignore("a bot")), "ignored"},
		"joined with nil":   {errors.Join(nil, sonzaihook.Ignore("a bot")), "ignored"},
		"two of them":       {errors.Join(sonzaihook.Ignore("a"), sonzaihook.Ignore("b")), "ignored"},
		"joined, first":     {errors.Join(sonzaihook.Ignore("a bot"), errUser), "failed"},
		"joined, last":      {errors.Join(errUser, sonzaihook.Ignore("a bot")), "failed"},
		"in one text":       {fmt.Errorf("%w and %w", sonzaihook.Ignore("a bot"), errUser), "failed"},
		"deep inside":       {fmt.Errorf("x: %w", errors.Join(errUser, fmt.Errorf("y: %w", sonzaihook.Ignore("a bot")))), "failed"},
		"Queued joined":     {errors.Join(sonzaihook.Queued(), errUser), "failed"},
		"RetryAfter joined": {errors.Join(errUser, sonzaihook.RetryAfter(errUser, time.Second)), "retry_later"},
	} {
		h := recorder.New(t, nil).HandleAll(c.err)
		require.Equal(t, c.want, code(t, hooktest.Deliver(t, h, message(t))), name)
		require.Equal(t, c.want == "ignored", sonzaihook.Settles(c.err), name)
	}
}

func TestMiddlewareIsMadeOnceAndMayRegister(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	made := 0
	var order []string
	h.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		made++
		h.HandleAll(nil)
		h.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
			return func(ctx context.Context, d *sonzaihook.Delivery) error {
				order = append(order, "first registered")
				return next(ctx, d)
			}
		})
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			order = append(order, "second")
			return next(ctx, d)
		}
	})
	h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, message(t))))
	require.Equal(t, 1, made)
	require.Equal(t, []string{"first registered", "second"}, order)
}

func TestMiddlewareThatHandsOnAnotherBodyIsHeard(t *testing.T) {
	t.Parallel()
	other := []byte(`{"event_type":"agent.message","event_id":"evt_other","data":{"content":"changed"}}`)
	for name, hand := range map[string]func(context.Context, *sonzaihook.Delivery) (context.Context, *sonzaihook.Delivery){
		"a copy": func(ctx context.Context, d *sonzaihook.Delivery) (context.Context, *sonzaihook.Delivery) {
			own := *d
			own.Body = other
			return ctx, &own
		},
		"the same delivery": func(ctx context.Context, d *sonzaihook.Delivery) (context.Context, *sonzaihook.Delivery) {
			d.Body = other
			return ctx, d
		},
		"under a context of the user's": func(_ context.Context, d *sonzaihook.Delivery) (context.Context, *sonzaihook.Delivery) {
			return context.Background(), &sonzaihook.Delivery{ID: d.ID, Body: other}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil)
			var content string
			h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
				content = e.Data.Content
				return nil
			})
			h.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
				return func(ctx context.Context, d *sonzaihook.Delivery) error { return next(hand(ctx, d)) }
			})
			body := message(t)
			require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, body)))
			require.Equal(t, "changed", content)
			require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, body)), "the claim is that of what arrived")
		})
	}
}

func TestWritingToADeliveryChangesNoClaim(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	h.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			err := next(ctx, d)
			d.ID, d.Type, d.Source = "mine", "other", "elsewhere"
			return err
		}
	})
	body := message(t)
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, body)))
	require.Equal(t, []any{messageID, sonzaihook.EventMessage, sonzaihook.SourceWebhook}, []any{h.Outcomes.Last(t).DeliveryID, h.Outcomes.Last(t).Type, h.Outcomes.Last(t).Source})
	require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, body)))
}
