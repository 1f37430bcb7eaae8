package upstream_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// part is a target that keeps the secrets of one project by the literal name of
// the registration, and notes what it is given.
type part struct {
	id    string
	types []sonzaihook.EventType

	mu         sync.Mutex
	secrets    map[sonzaihook.EventType][]string // the newest first
	dispatched []sonzaihook.Delivery
	rotations  []sonzaihook.EventType
	refuse     error
}

var _ upstream.Target = (*part)(nil)

func newPart(id string, types ...sonzaihook.EventType) *part {
	return &part{id: id, types: types, secrets: map[sonzaihook.EventType][]string{}}
}

func (p *part) ID() string { return p.id }

func (p *part) Types() []sonzaihook.EventType { return p.types }

func (p *part) SetSecrets(secrets sonzaihook.Secrets) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets = secrets
	return p.refuse
}

func (p *part) Rotate(name sonzaihook.EventType, secret string, grace time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return p.refuse
	}
	before := slices.DeleteFunc(p.secrets[name], func(s string) bool { return grace == 0 || s == secret })
	p.secrets[name] = append([]string{secret}, before...)
	p.rotations = append(p.rotations, name)
	return nil
}

func (p *part) RotateFrom(ctx context.Context, name sonzaihook.EventType, grace time.Duration, obtain func(context.Context) (string, error)) error {
	secret, err := obtain(ctx)
	if err != nil {
		return err
	}
	return p.Rotate(name, secret, grace)
}

func (p *part) HasSecret(name sonzaihook.EventType) bool {
	return len(p.of(name)) > 0
}

func (p *part) Dispatch(_ context.Context, d *sonzaihook.Delivery) sonzaihook.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispatched = append(p.dispatched, *d)
	return sonzaihook.Outcome{Status: 200, Code: sonzaihook.CodeProcessed}
}

// of returns the secrets of a name, the newest first.
func (p *part) of(name sonzaihook.EventType) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.secrets[name])
}

func (p *part) changes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rotations)
}
