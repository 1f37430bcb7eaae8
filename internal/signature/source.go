package signature

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The errors of a source.
var (
	ErrUnknownProject = errors.New("sonzaihook: unknown project")
	ErrSource         = errors.New("sonzaihook: secret source unavailable")
)

// The limits of a source.
const (
	sourceTimeout = time.Second
	sourceFresh   = time.Minute // how long an answer is used without asking again
	sourceAgain   = time.Second // between two questions about one project
	maxKnown      = 10_000      // projects whose answer is kept
	maxUnknown    = 1_000       // projects that are known not to exist
	newPerSecond  = 50          // questions about projects that were not seen before
	maxWaiting    = 1_000       // deliveries that wait for an answer
	maxCalls      = 256         // questions without an answer, abandoned ones included
)

// Source asks for the secrets of projects and caches the answers. Deliveries of one
// project share one call. It is safe for concurrent use; the mutex
// guards every field but the first three, which do not change.
type Source struct {
	ask   func(ctx context.Context, project string) ([]Secret, error)
	grace time.Duration // for a secret that an answer no longer has
	clock func() time.Time

	mu      sync.Mutex
	known   lru[*sourced]
	unknown lru[time.Time]
	calls   map[string]*call
	asking  int // goroutines inside ask
	waiting int
	fresh   limiter
}

// call is a question that is under way. It outlives the delivery that caused it.
type call struct {
	done chan struct{}
	ring *Ring // set before done is closed, like err
	err  error
}

// NewSource returns a source. ask returns the secrets of a project or an error that
// wraps ErrUnknownProject; its context ends after a second, and a call that has not
// returned by then has failed. The validity of secrets is measured with clock.
func NewSource(ask func(context.Context, string) ([]Secret, error), grace time.Duration, clock func() time.Time) *Source {
	return &Source{
		ask: ask, grace: grace, clock: clock, calls: make(map[string]*call),
		known: newLRU[*sourced](maxKnown), unknown: newLRU[time.Time](maxUnknown),
		fresh: limiter{perSecond: newPerSecond},
	}
}

// ring returns the known secrets of a project. It asks again if the answer is old;
// while the source fails it returns the old one.
func (s *Source) ring(project string) *Ring {
	s.mu.Lock()
	p, ok := s.known.get(project)
	if !ok {
		s.mu.Unlock()
		return nil
	}
	ring, now := p.ring, time.Now()
	if now.Sub(p.told) < sourceFresh || now.Sub(p.asked) < sourceAgain {
		s.mu.Unlock()
		return ring
	}
	c, err := s.start(project, 0)
	s.mu.Unlock()
	if err != nil {
		return ring
	}
	if newer, err := s.wait(c); err == nil {
		return newer
	}
	return ring
}

// again asks about a project before a delivery of it is refused: the platform may
// have rotated its secrets, or the project may be new. Questions about one project
// are a second apart; a delivery waits for the next.
func (s *Source) again(project string) (*Ring, error) {
	s.mu.Lock()
	c, err := s.calls[project], error(nil)
	if c == nil {
		c, err = s.begin(project)
	}
	if err == nil && s.waiting >= maxWaiting {
		err = fmt.Errorf("%w: too many deliveries wait for it", ErrSource)
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.waiting++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}()
	return s.wait(c)
}

// begin starts a question about a project as soon as one is allowed.
func (s *Source) begin(project string) (*call, error) {
	now := time.Now()
	if p, ok := s.known.get(project); ok {
		return s.start(project, sourceAgain-now.Sub(p.asked))
	}
	if at, ok := s.unknown.get(project); ok {
		return s.start(project, sourceAgain-now.Sub(at))
	}
	if !s.fresh.allow(now) {
		return nil, fmt.Errorf("%w: too many projects that were not seen before", ErrSource)
	}
	return s.start(project, 0)
}

// start asks after a delay, in a goroutine that ends with the answer.
func (s *Source) start(project string, delay time.Duration) (*call, error) {
	if c := s.calls[project]; c != nil {
		return c, nil
	}
	if s.asking >= maxCalls {
		return nil, fmt.Errorf("%w: %d questions have no answer", ErrSource, s.asking)
	}
	c := &call{done: make(chan struct{})}
	s.calls[project] = c
	s.asking++
	go s.run(c, project, delay)
	return c, nil
}

func (s *Source) wait(c *call) (*Ring, error) {
	<-c.done
	return c.ring, c.err
}

// run is the goroutine of a question.
func (s *Source) run(c *call, project string, delay time.Duration) {
	time.Sleep(delay)
	secrets, err := within(sourceTimeout, func(ctx context.Context) ([]Secret, error) {
		defer func() {
			s.mu.Lock()
			s.asking--
			s.mu.Unlock()
		}()
		return s.askSafely(ctx, project)
	})
	if errors.Is(err, errLate) {
		err = fmt.Errorf("%w: %w", ErrSource, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ring, c.err = s.learn(project, secrets, err)
	delete(s.calls, project)
	close(c.done)
}

// askSafely calls the user's function, and recovers if it panics.
func (s *Source) askSafely(ctx context.Context, project string) (secrets []Secret, err error) {
	returned := false
	defer func() {
		if v := recover(); v != nil || !returned {
			secrets, err = nil, fmt.Errorf("%w: it panicked: %v", ErrSource, v)
		}
	}()
	secrets, err = s.ask(ctx, project)
	switch {
	case err == nil:
	case errors.Is(err, ErrUnknownProject):
		err = ErrUnknownProject
	default:
		err = fmt.Errorf("%w: %s", ErrSource, err.Error()) // not wrapped: its methods may panic
	}
	returned = true
	return secrets, err
}

// learn keeps an answer. The caller holds the mutex.
func (s *Source) learn(project string, secrets []Secret, err error) (*Ring, error) {
	now := time.Now()
	p, ok := s.known.get(project)
	switch {
	case err == nil:
	case ok:
		p.asked = now
		return p.ring, err
	case errors.Is(err, ErrUnknownProject):
		s.unknown.put(project, now)
		return nil, err
	default:
		return nil, err
	}
	if !ok {
		p = &sourced{ring: &Ring{}}
	}
	s.unknown.drop(project)
	p.asked, p.told = now, now
	p.ring = p.merged(project, secrets, s.clock(), s.grace)
	s.known.put(project, p)
	return p.ring, nil
}

// knows reports whether the source has ever answered for a project.
func (s *Source) knows(project string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.known.get(project)
	return known
}

// retire ends the secrets of a registration that a rotation replaces, even if the
// source still returns them.
func (s *Source) retire(project string, replacement Secret, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.known.get(project); ok {
		p.retire(newKey(project, replacement), until)
	}
}
