// Package sonzaihook receives the webhooks of the Sonzai platform.
//
//	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")))
//	…
//	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
//		return store.SaveMood(ctx, e.AgentID, e.Data.Label)
//	})
//	http.Handle("POST /webhooks/sonzai", hooks)
//
// A delivery goes one way, and each step has a file of its own:
//
//	admit.go     method, media type, Authorization, the signature's time
//	body.go      reading the body, up to a size
//	verify.go    the signature: its header, its time, its MAC
//	secrets.go   which secret may sign what, and rotation
//	peek.go      the type, guessed before the body is trusted
//	decode.go    the envelope and the payload in one pass (lenient.go: if it must)
//	handlers.go  callbacks, middleware, verdicts
//	attempt.go   one run: claim, callbacks, deadline, panics, settling
//	once.go      the Store, and how an attempt uses it (memory.go: the one in memory)
//	answer.go    the outcome and what the platform is told
//
// What is promised: a delivery that is answered 2xx was handled; at least once;
// never two copies at a time while the lease holds; none again after it was
// handled within three days. What is not: exactly once. A process that is killed
// between a callback and the commit of its claim runs the callback again.
//
// What is known of the platform is said where it matters: "documented" stands in
// its public documentation, "observed" in the behaviour of its SDKs and demos,
// "assumed" is the best reading of both.
package sonzaihook

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Receiver receives deliveries. It is an http.Handler, to be mounted for POST on
// the path that was registered with the platform, and safe for concurrent use.
// Make one with [New]. Printing it shows no secret.
type Receiver struct {
	*settings

	keys      atomic.Pointer[keyring]
	rotation  sync.Mutex // serialises changes of keys
	observing atomic.Pointer[[]func(context.Context, Outcome)]
	routes    routing
	gate      gate
	instance  string // what the tokens of this receiver begin with
	attempts  atomic.Uint64

	storeIsLocal bool // in this process's memory: its calls neither wait nor fail for long
}

var _ http.Handler = (*Receiver)(nil)

// New returns a receiver that accepts what the secrets have signed. It returns
// an error that wraps [ErrInvalidSecret] if there is no secret or one is empty,
// blank or has white space at an end, and [ErrInvalidOption] for an option with
// an impossible value.
func New(secrets Secrets, options ...Option) (*Receiver, error) {
	ring, err := newKeyring(secrets)
	if err != nil {
		return nil, err
	}
	s, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	r := &Receiver{settings: s, instance: rand.Text() + "-"}
	r.keys.Store(ring)
	r.observing.Store(&s.observers)
	r.gate.limit = s.maxInFlight
	r.routes.run = r.runCallbacks
	r.routes.change(func(*routeTable) {})
	if m, ok := s.store.(*memoryStore); ok {
		m.logTo(s.logger)
		r.storeIsLocal = true
	}
	return r, nil
}

// ServeHTTP takes one delivery and answers it. Where the body has no event type,
// the path value "event" names it, as in "/webhooks/sonzai/{event}"; a path is not
// signed, so it counts only where the secret that verified the body belongs to
// that type alone.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := r.now()
	d, err := r.authenticate(req, start)
	r.close(req.Context(), r.handle(req.Context(), d, err), start).Respond(w)
}

// Receive takes one delivery without a server: the headers and the whole body of
// a POST request. The keys of the header are canonical, as net/http has them. It
// copies body. The answer to give is the outcome's status and [Outcome.Body].
func (r *Receiver) Receive(ctx context.Context, header http.Header, body []byte) Outcome {
	start := r.now()
	d, err := r.authenticateBytes(header, body, start)
	return r.close(ctx, r.handle(ctx, d, err), start)
}

// Dispatch takes one delivery that the caller vouches for: it came from the
// platform by another way than a signed request. Body is required; a Type that
// is set need not stand in the body; an ID that is set is the identity. Dispatch
// does not change d, and d must not change while it runs.
func (r *Receiver) Dispatch(ctx context.Context, d *Delivery) Outcome {
	start := r.now()
	own := &Delivery{
		ID: d.ID, Type: d.Type, Name: d.Name, SignedAt: d.SignedAt, Source: d.Source, Body: d.Body,
		Project: d.Project, Trace: maps.Clone(d.Trace),
	}
	return r.close(ctx, r.handle(ctx, own, nil), start)
}

// Verify authenticates a request for a handler of the user's own: it reads the
// body, checks it as ServeHTTP does, and puts it back to be read again. It runs
// no callback and claims nothing: a copy of the delivery verifies as well. What
// it refuses it has logged and observed; [Refusal] gives the answer.
func (r *Receiver) Verify(req *http.Request) (*Delivery, error) {
	start := r.now()
	d, err := r.authenticate(req, start)
	if err != nil {
		r.close(req.Context(), r.handle(req.Context(), nil, err), start)
		return nil, err
	}
	if err := r.prepare(d, &routeTable{}); err != nil {
		out := about(d, r.refuse(req.Context(), d, r.routes.table.Load(), err))
		r.close(req.Context(), out, start)
		return nil, out.Err
	}
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(d.Body)), int64(len(d.Body))
	return d, nil
}

// Refusal returns the outcome for an error of [Receiver.Verify].
func Refusal(err error) Outcome { return refusal(err) }

// SetSecrets replaces all secrets at once, while deliveries are in flight. It
// returns an error that wraps [ErrInvalidSecret], and changes nothing, if New
// would refuse them.
func (r *Receiver) SetSecrets(secrets Secrets) error {
	ring, err := newKeyring(secrets)
	if err != nil {
		return err
	}
	r.changeKeys(func(old *keyring) *keyring {
		ring.awaited = old.awaited
		return ring
	})
	return nil
}

// Rotate makes secret valid for t from now on, and the secrets that t had before
// for no longer than grace. Deliveries in flight are not disturbed, and rotating
// to the same secret again is harmless. The secrets of other types and those under
// [AnyEvent] stay; to replace the latter, rotate AnyEvent. It returns an error
// that wraps [ErrInvalidSecret] or, for an empty type or a negative grace,
// [ErrInvalidOption].
func (r *Receiver) Rotate(t EventType, secret string, grace time.Duration) error {
	return r.RotateFrom(context.Background(), t, grace, func(context.Context) (string, error) { return secret, nil })
}

// RotateFrom is Rotate for a secret that has yet to be obtained, from a platform
// that may sign with it before it has said what it is. Until obtain returns, a
// delivery of type t that no secret verifies is answered 503 instead of 401, so
// that the platform sends it again. RotateFrom returns what obtain returns, and
// then changes nothing, or what Rotate would.
func (r *Receiver) RotateFrom(ctx context.Context, t EventType, grace time.Duration, obtain func(context.Context) (string, error)) error {
	if t == "" || grace < 0 {
		return fmt.Errorf("%w: Rotate needs an event type and a grace that is not negative", ErrInvalidOption)
	}
	t = canonical(t)
	r.changeKeys(func(ring *keyring) *keyring { return ring.awaiting(t, +1) })
	defer r.changeKeys(func(ring *keyring) *keyring { return ring.awaiting(t, -1) })
	secret, err := obtain(ctx)
	if err != nil {
		return err
	}
	if err := checkSecret(secret); err != nil {
		return fmt.Errorf("event type %q: %w", t, err)
	}
	now := r.now()
	r.changeKeys(func(ring *keyring) *keyring { return ring.rotated(t, secret, now, now.Add(grace)) })
	return nil
}

// HasSecret reports whether a delivery of type t could verify now: there is a
// secret that is valid for t, also one under [AnyEvent].
func (r *Receiver) HasSecret(t EventType) bool {
	return r.keys.Load().has(canonical(t), r.now())
}

func (r *Receiver) changeKeys(change func(*keyring) *keyring) {
	r.rotation.Lock()
	defer r.rotation.Unlock()
	r.keys.Store(change(r.keys.Load()))
}

// Shutdown lets the deliveries that are running finish; new ones are answered
// 503 from now on, so that the platform sends them again. It returns nil when
// the last has ended, or the cause of ctx if that ends first. Call it before
// http.Server.Shutdown.
func (r *Receiver) Shutdown(ctx context.Context) error { return r.gate.close(ctx) }

// Observe adds an observer to a receiver that exists, see [WithObserver]. It counts
// from the next outcome on and is safe for concurrent use. Observe panics if
// observer is nil.
func (r *Receiver) Observe(observer func(context.Context, Outcome)) {
	if observer == nil {
		panic("sonzaihook: Observe with a nil function")
	}
	r.rotation.Lock()
	defer r.rotation.Unlock()
	all := append(slices.Clone(*r.observing.Load()), observer)
	r.observing.Store(&all)
}

// Format prints the receiver without its insides, whatever the verb.
func (r *Receiver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sonzaihook.Receiver") }

// authenticate reads a request and returns its delivery, authentic but not yet
// decoded.
func (r *Receiver) authenticate(req *http.Request, now time.Time) (*Delivery, error) {
	if req.Method != http.MethodPost {
		return nil, ErrMethodNotAllowed
	}
	var sig signature
	if err := r.admit(req.Header, now, &sig); err != nil {
		return nil, err
	}
	body, lent, err := r.readBody(req)
	defer lent.release()
	if err != nil {
		return nil, err
	}
	return r.verified(body, lent == nil, &sig, now, pathEvent(req))
}

func (r *Receiver) authenticateBytes(header http.Header, body []byte, now time.Time) (*Delivery, error) {
	var sig signature
	if err := r.admit(header, now, &sig); err != nil {
		return nil, err
	}
	if int64(len(body)) > r.maxBody {
		return nil, fmt.Errorf("%w: %d bytes, %d allowed", ErrBodyTooLarge, len(body), r.maxBody)
	}
	return r.verified(body, false, &sig, now, "")
}

// verified returns the delivery if a secret signed the body, which is copied unless
// it is in memory of its own.
func (r *Receiver) verified(body []byte, own bool, sig *signature, now time.Time, path string) (*Delivery, error) {
	ring := r.keys.Load()
	claimed := canonical(peekName(body))
	k, err := ring.verify(sig, body, claimed, now)
	if err != nil {
		return nil, err
	}
	if !own {
		body = bytes.Clone(body)
	}
	in := new(inbound)
	d := &in.delivery
	d.SignedAt, d.Source, d.Body = time.Unix(sig.unix, 0), SourceWebhook, body
	d.proof.key, d.proof.claimed, d.attempt = k, claimed, &in.attempt
	if path != "" {
		d.proof.path, d.proof.exclusive = path, ring.exclusive(k)
	}
	return d, nil
}

// handle runs an authentic delivery, or refuses what is none.
func (r *Receiver) handle(ctx context.Context, d *Delivery, err error) Outcome {
	if err != nil {
		out := refusal(err)
		out.Source = SourceWebhook
		return out
	}
	table := r.routes.table.Load()
	if err := r.prepare(d, table); err != nil {
		return about(d, r.refuse(ctx, d, table, err))
	}
	if r.handsOff(d) {
		return about(d, r.enqueue(ctx, d, table))
	}
	if len(d.events) == 0 {
		return about(d, ignored.outcome(nil))
	}
	return about(d, r.attempt(ctx, d, table, nil))
}

// prepare decodes and validates. Both call code of the user's, which may panic.
func (r *Receiver) prepare(d *Delivery, table *routeTable) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	if err := r.resolve(d, table); err != nil {
		return err
	}
	return r.validate(d)
}

// refuse answers for a delivery that cannot run, after its owner has had the
// chance to keep it.
func (r *Receiver) refuse(ctx context.Context, d *Delivery, table *routeTable, err error) Outcome {
	out := refusal(err)
	if !out.final() || out.Code == CodeUnauthorized || len(table.deadLetter) == 0 {
		return out
	}
	return r.attempt(ctx, d, table, err)
}

// runCallbacks is the innermost handler: the callbacks of the delivery's type,
// one after the other until one returns an error. Middleware may hand it another
// delivery than it was given, which is then decoded here.
func (r *Receiver) runCallbacks(ctx context.Context, d *Delivery) error {
	table := r.routes.table.Load()
	if len(d.events) == 0 {
		if err := r.resolve(d, table); err != nil {
			return err
		}
	}
	last := len(d.route.callbacks) - 1
	for i, callback := range d.route.callbacks {
		inner := ctx
		if i < last {
			inner = context.WithValue(ctx, claimKey{}, noClaim{})
		}
		if err := callback.run(inner, d.events[callback.shape]); err != nil {
			return err
		}
	}
	return nil
}
