package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func newListen(a *app) *cobra.Command {
	l := listening{platform: platform{app: a}}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Subscribe, print each event as it arrives, unsubscribe on exit",
		Long: `Listen starts a receiver, registers it with the platform for every documented event
type, and prints each event as it arrives. When it is interrupted it deletes what it
has registered. --url is where the platform reaches --addr, through a tunnel or a
proxy; for a simulator on this machine it may be left out.

A type that is registered already is left alone, since its URL and its secret belong
to another server: listen then ends with an error. --take-over takes it all the same;
the other server gets nothing from then on, and must be registered again.

` + platformHelpLong,
		Example: `  sonzaihook listen --addr localhost:8080 --url https://my-tunnel.example.com/sonzai
  sonzaihook listen --type agent.message --type lead.enriched --url "$URL" --json | jq .event
  sonzaihook listen --base-url http://localhost:9090/api/v1      # a simulator`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	l.register(cmd)
	l.registerProject(cmd)
	flags := cmd.Flags()
	flags.StringVar(&l.addr, "addr", "localhost:8080", "`address` to listen on; the port 0 is any free one")
	flags.StringVar(&l.url, "url", "", "https `address` under which the platform reaches it; {event} in it stands for the event type")
	flags.StringArrayVar(&l.types, "type", nil, "an event `type` to subscribe to; may be repeated; the default is all documented ones")
	flags.StringVar(&l.auth, "auth-header", "", "`value` that the platform must send as Authorization, or @file to read it from one")
	flags.BoolVar(&l.takeOver, "take-over", false, "also take types that are registered already; their secrets change")
	return cmd
}

// listening is one run of the listen command.
type listening struct {
	platform
	addr     string
	url      string
	types    []string
	auth     string
	takeOver bool
}

func (l *listening) run(ctx context.Context) (err error) {
	webhooks, err := l.webhooks()
	if err != nil {
		return err
	}
	auth, err := reveal(l.auth)
	if err != nil {
		return fmt.Errorf("--auth-header: %w", err)
	}
	if l.url == "" && !isLocal(l.address()) {
		return errors.New("--url is needed: the https address under which the platform reaches " + l.addr)
	}
	t := &teller{app: l.app, json: l.json}
	hooks, err := t.receiver(sonzaihook.WithAuthorization(auth))
	if err != nil {
		return err
	}
	server, err := serve(ctx, l.addr, mountAt(l.url, hooks))
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	defer func() {
		end, cancel := ending(ctx)
		defer cancel()
		err = errors.Join(err, hooks.Shutdown(end), server.stop(end))
	}()
	return l.subscribed(ctx, hooks, webhooks, server, t, auth)
}

// subscribed listens for as long as it is subscribed.
func (l *listening) subscribed(ctx context.Context, hooks *sonzaihook.Receiver, webhooks sonzaiapi.Webhooks, server *server, t *teller, auth string) (err error) {
	if l.url == "" {
		l.url = server.url() + "/webhooks/sonzai/" + eventPlace
	}
	options := []upstream.Option{upstream.WithTypes(l.eventTypes()...), upstream.WithAuthHeader(auth)}
	if l.takeOver {
		options = append(options, upstream.WithRotateUnknown())
	}
	progress := l.app.progress()
	progress.say("subscribing %s", l.url)
	subscription, err := upstream.Subscribe(ctx, hooks, webhooks, l.url, options...)
	progress.clear()
	if subscription != nil {
		defer func() {
			end, cancel := ending(ctx)
			defer cancel()
			err = errors.Join(err, l.unsubscribe(end, subscription, t.count()))
		}()
	}
	if err != nil {
		return l.subscribeFailure(subscription, err)
	}
	l.banner(server, subscription)
	return server.wait(ctx)
}

func (l *listening) eventTypes() []sonzaihook.EventType {
	if len(l.types) == 0 {
		return sonzaihook.EventTypes()
	}
	var types []sonzaihook.EventType
	for _, name := range named(l.types) {
		types = append(types, sonzaihook.EventType(name))
	}
	return types
}

func (l *listening) banner(server *server, subscription *upstream.Subscription) {
	l.app.remark("%s  %s", strong.Render("sonzaihook listen"), faint.Render("on "+server.address))
	l.app.remark("%s", good.Render("✓ ")+counted(len(subscription.Registered), "event type")+" registered for "+l.url)
	for _, r := range subscription.Registered {
		if r.PreviousURL != "" {
			l.app.remark("%s", warn.Render("! ")+string(r.Type)+" was taken over from "+oneLine(r.PreviousURL))
		}
	}
	l.app.remark("%s", faint.Render("  interrupt to unsubscribe and end")+"\n")
}

// unsubscribe deletes what was registered, in any case.
func (l *listening) unsubscribe(ctx context.Context, subscription *upstream.Subscription, events int) error {
	registered := slices.Clone(subscription.Registered)
	if err := subscription.Unsubscribe(ctx); err != nil {
		return answerNo{fmt.Sprintf("not unsubscribed: %v: \"sonzaihook webhooks delete\" does it", failure(err))}
	}
	if len(registered) == 0 {
		return nil
	}
	l.app.remark("%s", good.Render("✓ ")+"unsubscribed"+faint.Render(" after "+counted(events, "event")))
	for _, r := range registered {
		if r.PreviousURL != "" {
			l.app.remark("%s", warn.Render("! ")+fmt.Sprintf("%s is registered no more; it was for %s", r.Type, oneLine(r.PreviousURL)))
		}
	}
	return nil
}

// subscribeFailure names the types that belong to somebody else.
func (l *listening) subscribeFailure(subscription *upstream.Subscription, err error) error {
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
	return answerNo{"registered already, perhaps for another server: " + strings.Join(others, ", ") +
		": choose other types with --type, or give --take-over"}
}

// isLocal reports whether the platform is a simulator on this machine.
func isLocal(base string) bool {
	u, err := url.Parse(base)
	return err == nil && u.Scheme == "http"
}

// mountAt mounts the receiver at every path, because a tunnel or a proxy may change
// it. Where the address ends with the event type, so does the path; the address of
// a simulator does.
func mountAt(address string, hooks http.Handler) http.Handler {
	if address != "" && !strings.HasSuffix(address, "/"+eventPlace) {
		return hooks
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.SetPathValue("event", path.Base(r.URL.Path))
		hooks.ServeHTTP(w, r)
	})
}
