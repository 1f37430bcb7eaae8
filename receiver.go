// Package sonzaihook receives the webhooks of the Sonzai platform.
//
//	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")))
//	…
//	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
//		return store.SaveMood(ctx, e.AgentID, e.Data.Label)
//	})
//	http.Handle("POST /webhooks/sonzai", hooks)
//
// A delivery goes one way, and each step has a file:
//
//	receiver.go     the way: each step in the order in which it is taken
//	inbound.go      what flows: a delivery and what is known of it
//	request.go      method, media type, Authorization, signature, body
//	verify.go       the signature by itself
//	secrets.go      which secret may sign what; projects; rotation (secretset.go: their type)
//	resolve.go      which event it is, and whether it is valid (identity.go: whether it is a copy)
//	decode.go       from a body to an event (events.go, payloads.go: the structs)
//	documented.go   the table of the documented event types
//	handoff.go      handing it to a queue
//	store.go        the claim that keeps copies from running
//	attempt.go      callbacks, panics, the dead letter
//	handlers.go     registering callbacks and middleware (routes.go: what was registered)
//	outcome.go      what became of it, and what the platform is told (verdicts.go: what callbacks say)
//	report.go       what the log and the observers are told
//	options.go      how all that can be changed (errors.go: every error)
//
// Below them, internal/signature keeps the secrets, internal/wire reads bodies,
// internal/once runs work under a claim, internal/answer has the answers, and
// internal/usercode guards against what the user's code does.
//
// What is promised: a delivery that is answered 2xx was handled, or is in the queue
// of [WithHandOff]; at least once; never two copies at a time while the lease holds;
// none again after it was handled within three days. What is not: exactly once. A
// process that is killed between a callback and the commit of its claim runs the
// callback again. Only what a callback writes in the transaction that holds the
// claim is written once, see [ClaimFrom].
//
// What is known of the platform is said where it matters: "documented" stands in
// its public documentation, "observed" in the behaviour of its SDKs and demos,
// "assumed" is the best reading of both.
package sonzaihook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/snapshot"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// Receiver receives deliveries. It is an http.Handler, to be mounted for POST on
// the path that was registered with the platform, and safe for concurrent use.
// Make one with [New]. Printing it shows no secret.
type Receiver struct {
	settings  *settings
	keys      *signature.Keyring
	routes    snapshot.Of[routeTable]
	observers snapshot.Of[[]func(context.Context, Outcome)]
	runner    once.Runner
	rotations once.Announcements // to the instances that share the store
	draining  atomic.Bool        // Shutdown was called
}

var _ http.Handler = (*Receiver)(nil)

// New returns a receiver that accepts what the secrets have signed. It returns
// an error that wraps [ErrInvalidSecret] if there is no secret or one is empty,
// blank or still in what it was wrapped in, and [ErrInvalidOption] for an option
// with an impossible value.
func New(secrets Secrets, options ...Option) (*Receiver, error) {
	list, err := secrets.list()
	if err != nil {
		return nil, err
	}
	s, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	s.warnMany(secrets)
	r := &Receiver{settings: s, keys: signature.NewKeyring(list)}
	if s.secretSource != nil {
		r.keys.Source = signature.NewSource(s.projectSecrets, DefaultTolerance, s.now)
	}
	r.routes.Set(&routeTable{byType: map[EventType]*route{}, callbacks: r.runCallbacks})
	r.observers.Set(&s.observers)
	r.runner = once.Runner{Limit: s.maxInFlight, Warn: s.warn}
	if s.store != nil {
		r.runner.Claims = once.Claims{Store: engineStore{s.store}, Local: isLocal(s.store), Lease: s.lease, Keep: retention}
	}
	if s.store != nil && !r.runner.Claims.Local {
		// Instances that share the store tell each other through it that one rotates.
		r.rotations = once.Announcements{Claims: &r.runner.Claims, Settle: 2 * signature.LookEvery}
		r.keys.Fleet, r.keys.Expects = signature.NewFleet(r.rotates), r.expects
	}
	logEvictions(s.store, s.report)
	return r, nil
}

// ServeHTTP takes one delivery and answers it. The path value "project", as in
// "/webhooks/sonzai/{project}/{event}", names the project whose secrets are tried
// first, see [Project]; a value "event" is for people to read and means nothing,
// because a path is not signed.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.serve(req).Respond(w)
}

func (r *Receiver) serve(req *http.Request) (out Outcome) {
	start := r.settings.now()
	defer r.recovered(req.Context(), &out, start)
	var sig signature.Header
	in, err := r.settings.authenticate(r.keys, req, start, &sig)
	return r.report(req.Context(), r.handle(req.Context(), in, err, &sig), start)
}

// Receive takes one delivery without a server: the headers and the whole body of
// a POST request. The names of the header may be spelled in any case. It copies
// body. The answer to give is the outcome's status and [Outcome.Body].
func (r *Receiver) Receive(ctx context.Context, header http.Header, body []byte) (out Outcome) {
	return r.ReceiveProject(ctx, "", header, body)
}

// ReceiveProject is Receive for a delivery whose path names a project, which picks
// the secrets that are tried first, see [Project].
func (r *Receiver) ReceiveProject(ctx context.Context, project string, header http.Header, body []byte) (out Outcome) {
	start := r.settings.now()
	defer r.recovered(ctx, &out, start)
	var sig signature.Header
	in, err := r.settings.authenticateBytes(r.keys, wire.CanonicalHeader(header), body, start, &sig, project)
	return r.report(ctx, r.handle(ctx, in, err, &sig), start)
}

// Dispatch handles a delivery that the caller has already authenticated, such as
// one read from a queue. Body is required. Type and ID are optional; if set, they
// override what the body says. Under [WithHandOff] a delivery whose Source is set, and
// is not [SourceBroker], is handed off; without a Source it runs. Dispatch does not
// change d, and d must not change while it runs.
func (r *Receiver) Dispatch(ctx context.Context, d *Delivery) (out Outcome) {
	start := r.settings.now()
	defer r.recovered(ctx, &out, start)
	in := &inbound{Delivery: *d}
	in.Delivery.Trace, in.Delivery.natural = maps.Clone(d.Trace), ""
	r.settings.began(in, start)
	return r.report(ctx, r.handle(ctx, in, nil, nil), start)
}

// Verify authenticates a request for a handler of the caller's: it reads the
// body, checks it as ServeHTTP does, and puts it back to be read again. It runs
// no callback and claims nothing: a copy of the delivery verifies as well. What
// it refuses it has logged and observed; [Refusal] gives the answer.
func (r *Receiver) Verify(req *http.Request) (*Delivery, error) {
	d, out := r.verify(req)
	return d, out.Err
}

// verify returns a delivery, or the outcome that says why there is none.
func (r *Receiver) verify(req *http.Request) (d *Delivery, out Outcome) {
	start, ctx := r.settings.now(), req.Context()
	defer r.recovered(ctx, &out, start)
	var sig signature.Header
	in, err := r.settings.authenticate(r.keys, req, start, &sig)
	if err != nil {
		return nil, r.report(ctx, r.handle(ctx, nil, err, &sig), start)
	}
	if err := r.settings.prepare(in, &routeTable{}); err != nil {
		out := r.refuse(ctx, in, r.routes.Load(), err)
		in.describe(&out)
		return nil, r.report(ctx, out, start)
	}
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(in.Delivery.Body)), int64(len(in.Delivery.Body))
	return &in.Delivery, Outcome{}
}

// Types returns the event types for which there is a callback, sorted. The
// types that only [Receiver.OnOther] takes are not among them.
func (r *Receiver) Types() []EventType { return r.routes.Load().types() }

// Shutdown lets the deliveries that are running finish; new ones are answered
// 503 from now on, or from the end of [WithDrainDelay] on, so that the platform sends
// them again. It returns nil when the last has ended, or the cause of ctx if that ends
// while one runs; a drain delay that ctx cuts short is no error. Call it before
// http.Server.Shutdown.
func (r *Receiver) Shutdown(ctx context.Context) error {
	r.draining.Store(true)
	if delay := r.settings.drainDelay; delay > 0 && !r.runner.ShuttingDown() {
		_ = once.Sleep(ctx, delay)
	}
	return r.runner.Shutdown(ctx)
}

// Format prints the receiver without its insides, whatever the verb.
func (r *Receiver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sonzaihook.Receiver") }

// handle runs the delivery in. If err is not nil there is no delivery, and handle
// only builds the refusal.
func (r *Receiver) handle(ctx context.Context, in *inbound, err error, sig *signature.Header) Outcome {
	if err != nil {
		out := errorOutcome(err)
		out.Source, out.SignedAt = SourceWebhook, sig.Time()
		return out
	}
	out := r.take(ctx, in, r.routes.Load())
	in.describe(&out)
	return out
}

// take decodes an authentic delivery, and hands it off or runs it.
func (r *Receiver) take(ctx context.Context, in *inbound, table *routeTable) Outcome {
	if err := r.settings.prepare(in, table); err != nil {
		return r.refuse(ctx, in, table, err)
	}
	if len(in.misfit) > 0 {
		r.settings.report.misfits(ctx, &in.about, in.misfit)
	}
	if r.settings.handsOff(&in.Delivery) {
		return r.enqueue(ctx, in, table)
	}
	if len(in.events) == 0 {
		return outcomeOf(ignored, nil)
	}
	return r.run(ctx, in, table, nil)
}

// refuse answers for a delivery that cannot run, after its owner has had the
// chance to keep it. What a deploy may mend is refused for good only if it was kept.
func (r *Receiver) refuse(ctx context.Context, in *inbound, table *routeTable, err error) Outcome {
	out := errorOutcome(err)
	if !out.row.Final() || out.Code == CodeUnauthorized {
		return out
	}
	if len(table.deadLetter) > 0 {
		return r.run(ctx, in, table, err)
	}
	if out.Code == CodeRejected || out.Code == CodeInvalid && len(in.misfit) > 0 {
		return outcomeOf(failed, err)
	}
	return out
}

// run runs a delivery to its outcome. With an error it does not run the callbacks
// but only offers the delivery to the dead letter.
func (r *Receiver) run(ctx context.Context, in *inbound, table *routeTable, refused error) Outcome {
	in.table, in.refused = table, refused
	err := r.runner.Do(ctx, &in.Attempt, in, once.Order{
		Key: in.about.id, Claim: refused == nil, Timeout: r.settings.timeout(ctx, in.about.source),
		Deep: len(table.middleware) > 0,
	})
	switch e := err.(type) { //nolint:errorlint // what it wraps may be the user's
	case nil:
		return in.end.outcome()
	case *once.UnavailableError:
		return outcomeOf(storeUnavailable, e)
	}
	if err == once.ErrDone { //nolint:errorlint // it is never wrapped
		return outcomeOf(duplicate, nil)
	}
	return errorOutcome(err)
}

// enqueue hands a delivery to the queue.
func (r *Receiver) enqueue(ctx context.Context, in *inbound, table *routeTable) Outcome {
	err := handOff(ctx, &r.runner, r.settings.handOff, &in.Delivery)
	if err == nil {
		return outcomeOf(queued, nil)
	}
	if callbackEnding(err).row == rejected {
		return r.run(ctx, in, table, err)
	}
	return errorOutcome(err)
}

// runCallbacks is the handler inside of all middleware.
func (r *Receiver) runCallbacks(ctx context.Context, d *Delivery) error {
	return r.settings.runCallbacks(ctx, d, r.routes.Load())
}

// report ends a delivery: it is timed, logged and observed.
func (r *Receiver) report(ctx context.Context, out Outcome, start time.Time) Outcome {
	out.Duration = r.settings.now().Sub(start)
	r.settings.report.outcome(ctx, &out)
	r.settings.report.observe(ctx, *r.observers.Load(), &out)
	return out
}

// recovered is deferred where user code may panic in the caller's goroutine.
func (r *Receiver) recovered(ctx context.Context, out *Outcome, start time.Time) {
	if v := recover(); v != nil {
		*out = r.report(ctx, outcomeOf(panicked, usercode.Recovered(v)), start)
	}
}
