package signature

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// LookEvery is how long the answer of a look is used.
const LookEvery = time.Second

// The limits of looks.
const (
	lookTimeout = time.Second
	maxLooks    = 10_000 // registrations whose last look is kept
	perSecond   = 50     // looks in all
)

// Fleet finds out, before a delivery is refused, whether another instance rotates the
// secret that it may be signed with. Looks at one registration are a second apart,
// and deliveries that arrive meanwhile share the answer. It is safe for concurrent
// use.
type Fleet struct {
	look func(ctx context.Context, project, typ string) (rotating bool, err error)

	mu      sync.Mutex
	looks   lru[*look]
	limiter limiter
	hanging int // goroutines inside look
}

// look is a look that is under way, or the last one.
type look struct {
	began    time.Time
	done     chan struct{}
	rotating bool // set before done is closed, like err
	err      error
}

// NewFleet returns a Fleet. fn reports whether a secret for the type in a project is
// being rotated; its context ends after a second, and a call that has not returned by
// then has failed. The empty project is the tenant.
func NewFleet(fn func(ctx context.Context, project, typ string) (bool, error)) *Fleet {
	return &Fleet{look: fn, looks: newLRU[*look](maxLooks), limiter: limiter{perSecond: perSecond}}
}

// start returns the look at a registration, which is under way or less than a second
// old.
func (f *Fleet) start(project, typ string) (*look, error) {
	key := project + "\x00" + typ
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.looks.get(key); ok && now.Sub(l.began) < LookEvery {
		return l, nil
	}
	if f.hanging >= perSecond || !f.limiter.allow(now) {
		return nil, fmt.Errorf("%w: too many registrations to look at", ErrAwaited)
	}
	l := &look{began: now, done: make(chan struct{})}
	f.looks.put(key, l)
	f.hanging++
	go f.run(l, project, typ)
	return l, nil
}

// run is the goroutine of a look.
func (f *Fleet) run(l *look, project, typ string) {
	defer close(l.done)
	l.rotating, l.err = within(lookTimeout, func(ctx context.Context) (bool, error) {
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.hanging--
		}()
		return f.look(ctx, project, typ)
	})
	if errors.Is(l.err, errLate) {
		l.err = fmt.Errorf("%w: the store gives %w", ErrAwaited, l.err)
	}
}

// awaits reports whether another instance is rotating a secret that may have signed a
// delivery, and notifies the watchers. An error means that a look failed and that it
// is not known. rings are what the delivery was tried with.
func (k *Keyring) awaits(q Query, rings []*Ring) (bool, error) {
	type watched struct {
		*look
		scope *Scope
	}
	var looks []watched
	types := k.types(q.Type, rings)
	for _, s := range k.scopes(q.Project) {
		for _, typ := range types {
			l, err := k.Fleet.start(s.project, typ)
			if err != nil {
				return false, err
			}
			looks = append(looks, watched{l, s})
		}
	}
	awaited := false
	for _, l := range looks {
		<-l.done
		if l.err != nil {
			return false, l.err
		}
		if l.rotating {
			l.scope.tell()
			awaited = true
		}
	}
	return awaited, nil
}

// scopes returns the scopes whose secrets a delivery is tried with. Unknown projects
// are not among them, so that invented ones cost no look.
func (k *Keyring) scopes(project string) []*Scope {
	scopes := []*Scope{k.Tenant}
	if project == "" {
		return append(scopes, *k.unnamed.Load()...)
	}
	if s, ok := k.projects.Load(project); ok {
		return append(scopes, s.(*Scope))
	}
	if k.Source != nil && k.Source.knows(project) {
		return append(scopes, &Scope{project: project}) // which has no watchers
	}
	return scopes
}

// types returns the types whose secrets may have signed a delivery of a type, or of
// an unknown one. Types that have no secret and are not expected are not among them,
// so that invented ones cost no look.
func (k *Keyring) types(typ string, rings []*Ring) []string {
	var types []string
	if typ != "" && k.Expects(typ) {
		types = append(types, typ)
	}
	for _, r := range rings {
		for t := range r.byType {
			if (typ == "" || t == typ || t == Any) && !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	return types
}

// Notify makes the scope send to c, without blocking, whenever a delivery was put off
// because another instance is rotating a secret. It ends when stop is called.
func (s *Scope) Notify(c chan<- struct{}) (stop func()) {
	own := &c // the same channel may be given twice
	s.watchers.Change(func(all *[]*chan<- struct{}) *[]*chan<- struct{} {
		var next []*chan<- struct{}
		if all != nil {
			next = slices.Clone(*all)
		}
		next = append(next, own)
		return &next
	})
	return func() {
		s.watchers.Change(func(all *[]*chan<- struct{}) *[]*chan<- struct{} {
			next := slices.DeleteFunc(slices.Clone(*all), func(c *chan<- struct{}) bool { return c == own })
			return &next
		})
	}
}

func (s *Scope) tell() {
	all := s.watchers.Load()
	if all == nil {
		return
	}
	for _, c := range *all {
		select {
		case *c <- struct{}{}:
		default: // the last one has not been received yet
		}
	}
}
