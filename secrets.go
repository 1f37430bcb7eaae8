package sonzaihook

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

func (s *settings) warnMany(secrets Secrets) {
	for name, all := range secrets {
		if len(all) > manySecrets {
			s.report.Log(context.Background(), slog.LevelWarn, "many secrets of one registration, each delivery may be tried with all of them",
				usercode.NameAttr("name", string(name)), slog.Int("secrets", len(all)))
		}
	}
}

// projectSecrets calls the source. Secrets that New would refuse are an error.
func (s *settings) projectSecrets(ctx context.Context, project string) ([]signature.Secret, error) {
	secrets, err := s.secretSource(ctx, project)
	if err != nil {
		return nil, err
	}
	s.warnMany(secrets)
	return secrets.list()
}

// SetSecrets replaces all secrets of the tenant at once, while deliveries are in
// flight; the secrets of projects stay. It returns an error that wraps
// [ErrInvalidSecret], and changes nothing, if New would refuse them.
func (r *Receiver) SetSecrets(secrets Secrets) error { return r.tenant().SetSecrets(secrets) }

// Rotate makes secret valid for the registration of that name from now on. The secrets
// that the registration had before stay valid for no longer than grace. Deliveries in
// flight are not affected, and rotating to the same secret again is harmless. The
// secrets of other registrations stay, also of those under another name of the same
// type, and those under [AnyEvent]; to replace the latter, rotate AnyEvent. It returns
// an error that wraps [ErrInvalidSecret] or, for an empty name or a negative grace,
// [ErrInvalidOption].
func (r *Receiver) Rotate(name EventType, secret string, grace time.Duration) error {
	return r.tenant().Rotate(name, secret, grace)
}

// RotateFrom is Rotate for a secret that has yet to be obtained, from a platform that
// may sign with it before it returns it. Until obtain returns, a delivery of the type
// that no secret verifies is answered 503 instead of 401, so that the platform sends it
// again. RotateFrom returns what obtain returns, and then changes nothing, or what
// Rotate would.
//
// With a store that instances share (one whose Local method does not say otherwise)
// the rotation is announced through it before obtain is called, which takes two
// seconds. For the next five minutes every instance answers 503 for a delivery of the
// type that none of its secrets verifies, and reports it, see
// [Receiver.NotifyAwaited]. An instance asks the store at most once per second and
// type, and only before it would refuse a delivery. If the rotation cannot be announced, RotateFrom returns an error that
// wraps [ErrStoreUnavailable] and does not call obtain. Rotate announces nothing.
func (r *Receiver) RotateFrom(ctx context.Context, name EventType, grace time.Duration, obtain func(context.Context) (string, error)) error {
	return r.tenant().RotateFrom(ctx, name, grace, obtain)
}

// NotifyAwaited makes the receiver send to c whenever it has answered a delivery with
// 503 because another instance is rotating a secret of the tenant: the new secret can
// then be read from where that instance saves it. Sending does not block, so c should
// have room for one. It ends when stop is called. For the secrets of a project see
// [Project.NotifyAwaited].
func (r *Receiver) NotifyAwaited(c chan<- struct{}) (stop func()) { return r.tenant().NotifyAwaited(c) }

// HasSecret reports whether the registration of that name, or [AnyEvent], has a
// secret that is valid now.
func (r *Receiver) HasSecret(name EventType) bool { return r.tenant().HasSecret(name) }

// rotates reports whether another instance rotates a secret for a type.
func (r *Receiver) rotates(ctx context.Context, project, typ string) (bool, error) {
	return r.rotations.Look(ctx, rotationKey(project, typ))
}

func rotationKey(project, typ string) string {
	return "sonzaihook.rotation/" + url.PathEscape(project) + "/" + url.PathEscape(typ)
}

// expects reports whether there is a callback for a type, or it is documented.
func (r *Receiver) expects(typ string) bool {
	return isDocumentedName(typ) || r.routes.Load().byType[EventType(typ)] != nil
}

// Ready returns nil if the receiver can take deliveries now: it is not shutting down
// (else [ErrShuttingDown]), the tenant or a project has a secret for each type with a
// callback, unless a source knows them (else [ErrInvalidSecret] with the types that
// have none), and the store answers (else [ErrStoreUnavailable]). It claims and
// releases a key that no delivery has, so a readiness probe may call it every few
// seconds. It returns when ctx ends, or after a second.
func (r *Receiver) Ready(ctx context.Context) error {
	if r.draining.Load() {
		return ErrShuttingDown
	}
	var missing []EventType
	for _, t := range r.Types() {
		if r.settings.secretSource == nil && !r.keys.Covers(string(t), r.settings.now()) {
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: there is none for %v", ErrInvalidSecret, missing)
	}
	return r.runner.Probe(ctx, "sonzaihook.ready")
}

// Project returns the part of the receiver that takes the deliveries of one
// project's registrations. Its secrets are separate from those of other projects and
// of the tenant: changing one set does not change another. Its callbacks are the
// receiver's. Project may be called again for the same id, at any time; the results
// are interchangeable. It panics if id is empty.
func (r *Receiver) Project(id string) *Project {
	if id == "" {
		panic("sonzaihook: Project with an empty id")
	}
	return &Project{r: r, id: id, scope: r.keys.Project(id)}
}

func (r *Receiver) tenant() *Project { return &Project{r: r, scope: r.keys.Tenant} }

// Project is the part of a [Receiver] that belongs to one project of the platform.
// It is safe for concurrent use.
//
// Which project a delivery is tried with is named by the path value "project", as in
// "/webhooks/sonzai/{project}/{event}", else by project_id in the body. Neither is
// trusted: it only selects whose secrets are tried, the project's and then the
// tenant's. A delivery that names no project is tried with the tenant's secrets and
// those of the eight projects that last verified such a delivery.
type Project struct {
	r     *Receiver
	id    string
	scope *signature.Scope
}

// ID returns the project's id.
func (p *Project) ID() string { return p.id }

// SetSecrets replaces all secrets of the project, see [Receiver.SetSecrets].
func (p *Project) SetSecrets(secrets Secrets) error {
	list, err := secrets.list()
	if err != nil {
		return err
	}
	p.r.settings.warnMany(secrets)
	p.scope.Set(list)
	return nil
}

// Rotate replaces the secret of one registration of the project, see
// [Receiver.Rotate].
func (p *Project) Rotate(name EventType, secret string, grace time.Duration) error {
	if err := checkRotation(name, grace); err != nil {
		return err
	}
	return p.install(name, secret, grace)
}

func checkRotation(name EventType, grace time.Duration) error {
	if name == "" || grace < 0 {
		return fmt.Errorf("%w: Rotate needs an event type and a grace that is not negative", ErrInvalidOption)
	}
	return nil
}

// RotateFrom replaces the secret of one registration of the project by one that has
// yet to be obtained, see [Receiver.RotateFrom].
func (p *Project) RotateFrom(ctx context.Context, name EventType, grace time.Duration, obtain func(context.Context) (string, error)) error {
	if err := checkRotation(name, grace); err != nil {
		return err
	}
	typ := typeOf(name)
	key := rotationKey(p.id, typ)
	if err := p.r.rotations.Announce(ctx, key); err != nil {
		return fmt.Errorf("sonzaihook: the rotation could not be announced: %w", err)
	}
	p.scope.Await(typ, +1)
	defer p.scope.Await(typ, -1)
	secret, err := obtain(ctx)
	if err != nil {
		return err
	}
	p.r.rotations.Extend(ctx, key)
	return p.install(name, secret, grace)
}

// install makes a secret the valid one of its registration.
func (p *Project) install(name EventType, secret string, grace time.Duration) error {
	if err := signature.CheckSecret(secret); err != nil {
		return fmt.Errorf("event type %q: %w", name, err)
	}
	now := p.r.settings.now()
	p.scope.Rotate(secretOf(name, secret), now, now.Add(min(grace, once.Forever)))
	return nil
}

// NotifyAwaited makes the receiver send to c whenever it has answered a delivery with
// 503 because another instance is rotating a secret of the project, see
// [Receiver.NotifyAwaited].
func (p *Project) NotifyAwaited(c chan<- struct{}) (stop func()) { return p.scope.Notify(c) }

// HasSecret reports whether a registration of the project has a secret that is valid
// now, see [Receiver.HasSecret].
func (p *Project) HasSecret(name EventType) bool {
	return p.scope.Has(string(name), typeOf(name), p.r.settings.now())
}

// Types is [Receiver.Types]: the callbacks are the receiver's.
func (p *Project) Types() []EventType { return p.r.Types() }

// Dispatch is [Receiver.Dispatch] for a delivery of the project, whatever
// d.Project says.
func (p *Project) Dispatch(ctx context.Context, d *Delivery) Outcome {
	own := *d
	own.Project = p.id
	return p.r.Dispatch(ctx, &own)
}

// Format prints the project's id, whatever the verb.
func (p *Project) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "sonzaihook.Project(%s)", p.id) }
