package upstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

const (
	// lookTimeout bounds a call of the source.
	lookTimeout = 30 * time.Second
	// confirmAfter is when a changed answer is asked for again, to see that it is
	// whole: a file that is being written has two lengths.
	confirmAfter = 100 * time.Millisecond
	// awaitedAgain is the least time between two calls because of awaited secrets.
	awaitedAgain = time.Second
)

// notifier tells when a delivery was put off because another instance rotates a
// secret of the target.
type notifier interface {
	NotifyAwaited(c chan<- struct{}) (stop func())
}

var (
	_ notifier = (*sonzaihook.Receiver)(nil)
	_ notifier = (*sonzaihook.Project)(nil)
)

// Watch keeps the secrets of a receiver, or of its part for a project, as the
// source has them: a directory that a secret manager writes, or the manager itself.
// It asks the source at once and then at every interval, and installs what has
// changed since it last asked, name by name, as a rotation: the first secret of a
// name is the one that signs from now on, and what the receiver had for the name
// stays valid for grace. Names that the source does not have any more keep their
// secrets.
//
// An answer that is an error, has no secrets, has a name without one or a secret
// that cannot be one changes nothing and is logged. A change is asked for again
// after a tenth of a second, and changes nothing unless both answers agree, so that
// a file that is read while it is written does no harm. A call of the source is
// given 30 s; one that panics is one that fails.
//
// Watch goes on until ctx ends, and returns nil then. It returns an error that wraps
// [ErrInvalidOption] where an argument cannot be right. [WithLogger] is the only
// option that changes something here.
func Watch(ctx context.Context, target Target, interval time.Duration, source func(context.Context) (sonzaihook.Secrets, error), grace time.Duration, options ...Option) error {
	s, err := newSettings(options)
	if err != nil {
		return err
	}
	if target, err = within(target, projectOf(target)); err != nil {
		return err
	}
	switch {
	case interval <= 0:
		return fmt.Errorf("%w: Watch needs a positive interval", ErrInvalidOption)
	case source == nil:
		return fmt.Errorf("%w: Watch needs a source", ErrInvalidOption)
	case grace < 0:
		return fmt.Errorf("%w: Watch needs a grace that is not negative", ErrInvalidOption)
	}
	w := &watcher{settings: s, target: target, source: source, grace: grace, installed: sonzaihook.Secrets{}}
	awaited := make(chan struct{}, 1)
	if n, ok := target.(notifier); ok {
		defer n.NotifyAwaited(awaited)()
	}
	for {
		looked := time.Now()
		w.report(ctx, w.look(ctx))
		if !pauseUntilAwaited(ctx, interval, looked, awaited) {
			return nil
		}
	}
}

// pauseUntilAwaited returns true after the interval, or when a secret is awaited and
// the last call is long enough ago; false when ctx ends.
func pauseUntilAwaited(ctx context.Context, interval time.Duration, looked time.Time, awaited <-chan struct{}) bool {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-awaited:
		return sleep(ctx, min(interval, awaitedAgain-time.Since(looked)))
	case <-ctx.Done():
		return false
	}
}

// watcher is one call of Watch. The goroutine of that call owns it.
type watcher struct {
	*settings
	target    Target
	source    func(context.Context) (sonzaihook.Secrets, error)
	grace     time.Duration
	installed sonzaihook.Secrets // by name, as the source last had them
	failed    string             // what was last logged
}

// report logs what went wrong, once as long as it stays the same.
func (w *watcher) report(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil && w.failed != "":
		w.failed = ""
		w.logger.InfoContext(ctx, "upstream: the source of secrets answers again")
	case err != nil && err.Error() != w.failed:
		w.failed = err.Error()
		w.logger.WarnContext(ctx, "upstream: the source of secrets gave no usable answer, so nothing changes", "error", brief(w.failed))
	}
}

// look asks the source and installs what has changed.
func (w *watcher) look(ctx context.Context) error {
	answer, err := w.ask(ctx)
	if err != nil {
		return err
	}
	if len(w.changed(answer)) == 0 {
		return nil
	}
	// New knows what can be a secret.
	if _, err := sonzaihook.New(answer, sonzaihook.WithLogger(w.logger)); err != nil {
		return err
	}
	if !sleep(ctx, confirmAfter) {
		return nil
	}
	again, err := w.ask(ctx)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(answer, again, slices.Equal[[]string]) {
		return errors.New("upstream: the secrets are still changing")
	}
	for _, name := range w.changed(answer) {
		if err := w.install(name, answer[name]); err != nil {
			return err
		}
	}
	return nil
}

// changed returns the names whose secrets differ from what was installed.
func (w *watcher) changed(answer sonzaihook.Secrets) []sonzaihook.EventType {
	var names []sonzaihook.EventType
	for _, name := range slices.Sorted(maps.Keys(answer)) {
		if !slices.Equal(answer[name], w.installed[name]) {
			names = append(names, name)
		}
	}
	return names
}

// install makes the first secret of a name the valid one. The others are those of
// before: with a grace they are installed too, the oldest first, so that the grace
// applies to each of them.
func (w *watcher) install(name sonzaihook.EventType, secrets []string) error {
	last := 0
	if w.grace > 0 {
		last = len(secrets) - 1
	}
	for i := last; i >= 0; i-- {
		if err := w.target.Rotate(name, secrets[i], w.grace); err != nil {
			return err
		}
	}
	w.installed[name] = slices.Clone(secrets)
	return nil
}

// ask calls the source and refuses an empty answer.
func (w *watcher) ask(ctx context.Context) (answer sonzaihook.Secrets, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	answer, err = w.call(ctx)
	if err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		return nil, errors.New("upstream: the source of secrets has none")
	}
	return answer, nil
}

// call calls the source, which is user code.
func (w *watcher) call(ctx context.Context) (answer sonzaihook.Secrets, err error) {
	defer func() {
		if v := recover(); v != nil {
			answer, err = nil, fmt.Errorf("upstream: the source of secrets panicked: %T", v)
		}
	}()
	answer, err = w.source(ctx)
	if err != nil {
		return nil, fmt.Errorf("upstream: the source of secrets: %w", err)
	}
	return answer, nil
}
