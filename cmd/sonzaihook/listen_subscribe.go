package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// subscribed is what listen has registered, by project.
type subscribed struct {
	project string
	*upstream.Subscription
}

// title names a registration.
func (s subscribed) title(r upstream.Registration) string {
	if s.project == "" {
		return string(r.Name)
	}
	return string(r.Name) + " of project " + s.project
}

// subscribed listens for as long as it is subscribed.
func (l *listenOptions) subscribed(ctx context.Context, hooks *sonzaihook.Receiver, client *sonzaiapi.Client, server *delivery.Server, p *printer, auth string) (err error) {
	if l.url == "" {
		l.url = server.URL() + l.path()
	}
	var all []subscribed
	defer func() {
		end, cancel := delivery.Ending(ctx)
		defer cancel()
		err = errors.Join(err, l.unsubscribe(end, all, p.count()))
	}()
	progress := l.console.Progress()
	defer progress.Clear()
	for _, project := range l.projects.list() {
		progress.Say("subscribing %s", place{project: project, event: eventPlace}.url(l.url))
		subscription, err := upstream.Subscribe(ctx, hooks, webhooksOf(client, project), l.url, l.subscribeOptions(project, auth)...)
		if subscription != nil {
			all = append(all, subscribed{project, subscription})
		}
		if err != nil {
			progress.Clear()
			return l.subscribeFailure(subscription, err)
		}
	}
	progress.Clear()
	l.banner(server, all)
	return server.Wait(ctx)
}

func (l *listenOptions) subscribeOptions(project, auth string) []upstream.Option {
	options := []upstream.Option{upstream.WithAuthHeader(auth)}
	if types := l.eventTypes(); len(l.types) > 0 {
		options = append(options, upstream.WithTypes(types...))
	}
	if l.takeOver {
		options = append(options, upstream.WithRotateUnknown())
	}
	if l.files.pattern != "" || l.shown != nil {
		options = append(options, upstream.WithSecretSink(func(t sonzaihook.EventType, secret sonzaiapi.Secret) error {
			if l.shown != nil {
				l.shown.add(project, t, string(secret))
			}
			if l.files.pattern == "" {
				return nil
			}
			return l.files.of(project).save(string(t), secret)
		}))
	}
	return options
}

func (l *listenOptions) eventTypes() []sonzaihook.EventType {
	if len(l.types) == 0 {
		return sonzaihook.EventTypes()
	}
	var types []sonzaihook.EventType
	for _, name := range named(l.types) {
		types = append(types, sonzaihook.EventType(name))
	}
	return types
}

func (l *listenOptions) banner(server *delivery.Server, all []subscribed) {
	types, names := map[sonzaihook.EventType]bool{}, map[sonzaihook.EventType]bool{}
	for _, s := range all {
		for _, r := range s.Registered {
			types[sonzaihook.CanonicalType(string(r.Type))], names[r.Name] = true, true
		}
	}
	what := console.Counted(len(types), "event type")
	if len(names) > len(types) {
		what += fmt.Sprintf(" under %d names", len(names))
	}
	if len(all) > 1 {
		what += fmt.Sprintf(" of %d projects", len(all))
	}
	l.console.Remark(console.Strong("sonzaihook listen"), console.Faint("  on "+server.Address))
	l.console.Remark(console.Good("✓ "), console.Plain(what+" registered"))
	l.console.Remark(console.Plain("  for " + l.url)) // which may fill a line
	if l.forwardTo != "" {
		l.console.Remark(console.Good("✓ "), console.Plain("forwarding to "+l.forwardTo))
	}
	for _, s := range all {
		for _, r := range s.Registered {
			if r.PreviousURL != "" {
				l.console.Remark(console.Warn("! "), console.Plain(s.title(r)+" was taken over from "+r.PreviousURL))
			}
		}
	}
	l.console.Remark(console.Faint("  interrupt to unsubscribe and end"))
	l.console.Remark()
}

// unsubscribe deletes what was registered.
func (l *listenOptions) unsubscribe(ctx context.Context, all []subscribed, events int) error {
	var failed error
	var others []string
	deleted := 0
	for _, s := range all {
		registered := slices.Clone(s.Registered)
		if err := s.Unsubscribe(ctx); err != nil {
			failed = errors.Join(failed, console.No(fmt.Sprintf("not unsubscribed: %v: \"sonzaihook webhooks delete\" does it", failure(err))))
			continue
		}
		deleted += len(registered)
		for _, r := range registered {
			if r.PreviousURL != "" {
				others = append(others, fmt.Sprintf("%s is registered no more; it was for %s", s.title(r), r.PreviousURL))
			}
		}
	}
	if failed == nil && deleted > 0 {
		l.console.Remark(console.Good("✓ "), console.Plain("unsubscribed"), console.Faint(" after "+console.Counted(events, "event")))
	}
	for _, text := range others {
		l.console.Remark(console.Warn("! "), console.Plain(text))
	}
	return failed
}

// subscribeFailure names the types that are registered for another server.
func (l *listenOptions) subscribeFailure(subscription *upstream.Subscription, err error) error {
	if !errors.Is(err, upstream.ErrSecretUnknown) {
		return failure(err)
	}
	var others []string
	for _, t := range l.eventTypes() {
		mine := func(r upstream.Registration) bool { return r.Type == t }
		if !slices.ContainsFunc(subscription.Registered, mine) {
			others = append(others, string(t))
		}
	}
	return console.No("registered already, perhaps for another server: " + strings.Join(others, ", ") +
		": choose other types with --type, or give --take-over")
}

// isLocal reports whether the platform is a simulator on this machine.
func isLocal(base string) bool {
	u, err := url.Parse(base)
	return err == nil && u.Scheme == "http"
}
