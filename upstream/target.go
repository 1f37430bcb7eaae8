package upstream

import (
	"context"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Target is what the functions of this package give secrets and events to: a
// [*sonzaihook.Receiver], or a [*sonzaihook.Project], the part of one that takes the
// deliveries of one project.
type Target interface {
	// SetSecrets replaces all secrets.
	SetSecrets(sonzaihook.Secrets) error
	// Rotate makes a secret valid for a registration; those that it had before stay
	// valid for grace.
	Rotate(name sonzaihook.EventType, secret string, grace time.Duration) error
	// RotateFrom is Rotate with a secret that obtain returns; until it does, deliveries
	// that no other secret verifies are answered 503.
	RotateFrom(ctx context.Context, name sonzaihook.EventType, grace time.Duration, obtain func(context.Context) (string, error)) error
	// HasSecret reports whether there is a secret for a registration.
	HasSecret(name sonzaihook.EventType) bool
	// Types returns the event types that have callbacks.
	Types() []sonzaihook.EventType
	// Dispatch runs the callbacks for a delivery that needs no signature.
	Dispatch(context.Context, *sonzaihook.Delivery) sonzaihook.Outcome
}

var (
	_ Target = (*sonzaihook.Receiver)(nil)
	_ Target = (*sonzaihook.Project)(nil)
)

var errNoTarget = fmt.Errorf("%w: there is no receiver", ErrInvalidOption)

// ofProject is a target that takes the deliveries of one project only.
type ofProject interface{ ID() string }

// within returns the part of a target that takes what belongs to a project. The
// empty project is the tenant.
func within(target Target, project string) (Target, error) {
	switch t := target.(type) {
	case *sonzaihook.Receiver:
		if t != nil && project != "" {
			return t.Project(project), nil
		}
		if t == nil {
			return nil, errNoTarget
		}
	case *sonzaihook.Project:
		if t == nil {
			return nil, errNoTarget
		}
	case nil:
		return nil, errNoTarget
	}
	part, ok := target.(ofProject)
	switch {
	case !ok, part.ID() == project:
		return target, nil
	case project == "":
		return nil, fmt.Errorf("%w: the receiver's part for project %q is used with calls of the tenant", ErrInvalidOption, part.ID())
	}
	return nil, fmt.Errorf("%w: the receiver's part for project %q is used with calls of project %q", ErrInvalidOption, part.ID(), project)
}

// projectOf returns the project that a target is for, empty for all.
func projectOf(target Target) string {
	if part, ok := target.(ofProject); ok {
		return part.ID()
	}
	return ""
}
