package sonzaihook

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
)

func (s *settings) warnMany(secrets Secrets) {
	for name, all := range secrets {
		if len(all) > manySecrets {
			s.report.log(context.Background(), slog.LevelWarn, "many secrets of one registration, each delivery may be tried with all of them",
				slog.String("name", bounded(string(name), maxLoggedName)), slog.Int("secrets", len(all)))
		}
	}
}

// projectSecrets asks the source. An answer that New would refuse is an error.
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

// Rotate makes secret valid for the registration of that name from now on, and the
// secrets that it had before for no longer than grace. Deliveries in flight are not
// disturbed, and rotating to the same secret again is harmless. The secrets of other
// registrations stay, also of those under another name of the same type, and those
// under [AnyEvent]; to replace the latter, rotate AnyEvent. It returns an error that
// wraps [ErrInvalidSecret] or, for an empty name or a negative grace,
// [ErrInvalidOption].
func (r *Receiver) Rotate(name EventType, secret string, grace time.Duration) error {
	return r.tenant().Rotate(name, secret, grace)
}

// RotateFrom is Rotate for a secret that has yet to be obtained, from a platform
// that may sign with it before it has said what it is. Until obtain returns, a
// delivery of the type that no secret verifies is answered 503 instead of 401, so
// that the platform sends it again. RotateFrom returns what obtain returns, and
// then changes nothing, or what Rotate would.
func (r *Receiver) RotateFrom(ctx context.Context, name EventType, grace time.Duration, obtain func(context.Context) (string, error)) error {
	return r.tenant().RotateFrom(ctx, name, grace, obtain)
}

// HasSecret reports whether the registration of that name has a secret that is
// valid now, or there is one under [AnyEvent].
func (r *Receiver) HasSecret(name EventType) bool { return r.tenant().HasSecret(name) }

// Ready returns nil if the receiver can take deliveries now: it is not shutting down
// (else [ErrShuttingDown]), the tenant or a project has a secret for each type with a
// callback, unless a source knows them (else [ErrInvalidSecret] with the types that
// have none), and the store answers (else [ErrStoreUnavailable]). It claims a key that
// no delivery has and gives it back, so a readiness probe may call it every few
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
// project's registrations. Its secrets are apart from those of other projects and
// of the tenant: no change of the ones touches the others. Its callbacks are the
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
// believed: it only picks whose secrets are tried, the project's and then the
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
	return p.RotateFrom(context.Background(), name, grace, func(context.Context) (string, error) { return secret, nil })
}

// RotateFrom replaces the secret of one registration of the project by one that has
// yet to be obtained, see [Receiver.RotateFrom].
func (p *Project) RotateFrom(ctx context.Context, name EventType, grace time.Duration, obtain func(context.Context) (string, error)) error {
	if name == "" || grace < 0 {
		return fmt.Errorf("%w: Rotate needs an event type and a grace that is not negative", ErrInvalidOption)
	}
	typ := string(canonical(name))
	p.scope.Await(typ, +1)
	defer p.scope.Await(typ, -1)
	secret, err := obtain(ctx)
	if err != nil {
		return err
	}
	if err := signature.CheckSecret(secret); err != nil {
		return fmt.Errorf("event type %q: %w", name, err)
	}
	now := p.r.settings.now()
	p.scope.Rotate(secretOf(name, secret), now, now.Add(min(grace, once.Forever)))
	return nil
}

// HasSecret reports whether a registration of the project has a secret that is valid
// now, see [Receiver.HasSecret].
func (p *Project) HasSecret(name EventType) bool {
	return p.scope.Has(string(name), string(canonical(name)), p.r.settings.now())
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
