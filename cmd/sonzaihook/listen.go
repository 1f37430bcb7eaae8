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
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/inspector"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func newListen(c *console.Console) *cobra.Command {
	l := listenOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Subscribe, print or forward each event as it arrives, unsubscribe on exit",
		Long: `Listen starts a receiver, registers it with the platform for every documented event
type, and prints each event as it arrives. When it is interrupted, or nothing reads its
output any more, it deletes what it has registered. --url is where the platform reaches
--addr, through a tunnel or a proxy; for a simulator on this machine it may be left out.

--inspect also shows each delivery on a page in the browser, and what is wrong with one
that was refused.

With --forward-to it hands each delivery to your own server, in any language, byte for
byte with all its headers, answers the platform what your server answers, and prints
the status and the time. The signature is the platform's, made with the secrets that
--secret-file writes; or, with --secret, a new one with the secret that your server has
already: then a delivery that the platform did not sign is refused here.

A type that is registered already is left alone, since its URL and its secret belong
to another server: listen then ends with an error. --take-over takes it all the same;
the other server gets nothing from then on, and must be registered again.

` + platformHelpLong,
		Example: `  sonzaihook listen --addr localhost:8080 --url https://my-tunnel.example.com/sonzai
  sonzaihook listen --type agent.message --type lead.enriched --url "$URL" --json | jq .event
  sonzaihook listen --addr localhost:0 --url "$URL" --forward-to http://localhost:3000/webhooks --secret @secret
  sonzaihook listen --base-url http://localhost:9090      # a simulator`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	l.registerFlags(cmd)
	return cmd
}

func (l *listenOptions) registerFlags(cmd *cobra.Command) {
	l.register(cmd)
	l.registerProject(cmd)
	flags := cmd.Flags()
	flags.StringVar(&l.addr, "addr", "localhost:8080", "`address` to listen on; the port 0 is any free one")
	flags.StringVar(&l.url, "url", "", "https `address` under which the platform reaches it; {event} in it stands for the event type")
	flags.StringArrayVar(&l.types, "type", nil, "an event `type` to subscribe to; may be repeated; the default is all documented ones")
	flags.StringVar(&l.auth, "auth-header", "", "`value` that the platform must send as Authorization, or @file to read it from one")
	flags.BoolVar(&l.takeOver, "take-over", false, "also take types that are registered already; their secrets change")
	flags.StringVar(&l.forwardTo, "forward-to", "", "hand each delivery to the server at this `address`; {event} in it stands for the event type")
	flags.StringVar(&l.secret, "secret", "", "with --forward-to, sign anew with this `secret`, or @file to read it from one; {event} in its name stands for the event type")
	flags.DurationVar(&l.timeout, "timeout", 30*time.Second, "with --forward-to, how long to wait for each answer")
	flags.StringVar(&l.files.pattern, "secret-file", "", "also write each new signing secret to this `file` (mode 0600); {event} in it stands for the event type")
	registerInspect(flags, &l.inspect)
	completeFlag(cmd, "type", completeNames)
}

// listenOptions are the flags of the listen command.
type listenOptions struct {
	platform
	addr      string
	url       string
	types     []string
	auth      string
	takeOver  bool
	forwardTo string
	secret    string
	timeout   time.Duration
	files     secretFiles
	inspect   string

	shown *shownSecrets // nil without --inspect
}

// check refuses flags that do not go together.
func (l *listenOptions) check() error {
	switch {
	case l.url == "" && !isLocal(l.address()):
		return errors.New("--url is needed: the https address under which the platform reaches " + l.addr)
	case l.forwardTo == "" && l.secret != "":
		return errors.New("--secret needs --forward-to: what is printed is not signed")
	case l.forwardTo != "":
		if err := checkURL("--forward-to", l.forwardTo); err != nil {
			return err
		}
	}
	types := named(l.types)
	if len(types) == 0 {
		types = knownNames()
	}
	if err := l.files.check(types); err != nil {
		return err
	}
	if l.secret == "" {
		return nil
	}
	// A missing file is an error before anything is registered.
	for _, t := range types {
		if _, err := secretFor(l.console, l.secret, t); err != nil {
			return err
		}
	}
	return nil
}

func (l *listenOptions) run(ctx context.Context) (err error) {
	webhooks, err := l.webhooks()
	if err != nil {
		return err
	}
	auth, err := reveal(l.auth)
	if err != nil {
		return fmt.Errorf("--auth-header: %w", err)
	}
	if err := l.check(); err != nil {
		return err
	}
	ctx, stop := l.console.WhileRead(ctx)
	defer stop()
	printer := &printer{console: l.console, json: l.json}
	hooks, err := printer.receiver(sonzaihook.WithAuthorization(auth))
	if err != nil {
		return err
	}
	page, hide, err := l.page(ctx, hooks, auth)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hide()) }()
	server, err := delivery.Serve(ctx, l.addr, l.handler(hooks, printer, page))
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	defer func() {
		end, cancel := delivery.Ending(ctx)
		defer cancel()
		err = errors.Join(err, hooks.Shutdown(end), server.Stop(end))
	}()
	return l.subscribed(ctx, hooks, webhooks, server, printer, auth)
}

// handler prints or forwards what arrives.
func (l *listenOptions) handler(hooks *sonzaihook.Receiver, p *printer, page *inspector.Inspector) http.Handler {
	capture := func(h http.Handler) http.Handler { return h }
	if page != nil {
		capture = page.Capture
	}
	if l.forwardTo == "" {
		return mountAt(l.url, capture(hooks))
	}
	f := &forwarder{printer: p, to: l.forwardTo, timeout: l.timeout}
	if l.secret != "" {
		f.verify = hooks.Verify
		f.secret = func(eventType string) (string, error) { return secretFor(l.console, l.secret, eventType) }
	}
	return mountAt(l.url, capture(f))
}

// page serves the page of --inspect, and returns it and what ends it.
func (l *listenOptions) page(ctx context.Context, hooks *sonzaihook.Receiver, auth string) (*inspector.Inspector, func() error, error) {
	if l.inspect == "" {
		return nil, func() error { return nil }, nil
	}
	page := inspector.New(hooks, inspector.WithAuthorization(auth))
	hide, err := serveInspector(ctx, l.console, l.inspect, page)
	if err != nil {
		return nil, nil, err
	}
	l.shown = &shownSecrets{page: page}
	return page, hide, nil
}

// subscribed listens for as long as it is subscribed.
func (l *listenOptions) subscribed(ctx context.Context, hooks *sonzaihook.Receiver, webhooks sonzaiapi.Webhooks, server *delivery.Server, p *printer, auth string) (err error) {
	if l.url == "" {
		l.url = server.URL() + "/webhooks/sonzai/" + eventPlace
	}
	progress := l.console.Progress()
	progress.Say("subscribing %s", l.url)
	subscription, err := upstream.Subscribe(ctx, hooks, webhooks, l.url, l.subscribeOptions(auth)...)
	progress.Clear()
	if subscription != nil {
		defer func() {
			end, cancel := delivery.Ending(ctx)
			defer cancel()
			err = errors.Join(err, l.unsubscribe(end, subscription, p.count()))
		}()
	}
	if err != nil {
		return l.subscribeFailure(subscription, err)
	}
	l.banner(server, subscription)
	return server.Wait(ctx)
}

func (l *listenOptions) subscribeOptions(auth string) []upstream.Option {
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
				l.shown.add(t, string(secret))
			}
			if l.files.pattern == "" {
				return nil
			}
			return l.files.save(string(t), secret)
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

func (l *listenOptions) banner(server *delivery.Server, subscription *upstream.Subscription) {
	types := map[sonzaihook.EventType]bool{}
	for _, r := range subscription.Registered {
		types[sonzaihook.CanonicalType(string(r.Type))] = true
	}
	what := console.Counted(len(types), "event type")
	if n := len(subscription.Registered); n > len(types) {
		what += fmt.Sprintf(" under %d names", n)
	}
	l.console.Remark(console.Strong("sonzaihook listen"), console.Faint("  on "+server.Address))
	l.console.Remark(console.Good("✓ "), console.Plain(what+" registered for "+l.url))
	if l.forwardTo != "" {
		l.console.Remark(console.Good("✓ "), console.Plain("forwarding to "+l.forwardTo))
	}
	for _, r := range subscription.Registered {
		if r.PreviousURL != "" {
			l.console.Remark(console.Warn("! "), console.Plain(string(r.Type)+" was taken over from "+r.PreviousURL))
		}
	}
	l.console.Remark(console.Faint("  interrupt to unsubscribe and end"))
	l.console.Remark()
}

// unsubscribe deletes what was registered.
func (l *listenOptions) unsubscribe(ctx context.Context, subscription *upstream.Subscription, events int) error {
	registered := slices.Clone(subscription.Registered)
	if err := subscription.Unsubscribe(ctx); err != nil {
		return console.No(fmt.Sprintf("not unsubscribed: %v: \"sonzaihook webhooks delete\" does it", failure(err)))
	}
	if len(registered) == 0 {
		return nil
	}
	l.console.Remark(console.Good("✓ "), console.Plain("unsubscribed"), console.Faint(" after "+console.Counted(events, "event")))
	for _, r := range registered {
		if r.PreviousURL != "" {
			l.console.Remark(console.Warn("! "), console.Plain(fmt.Sprintf("%s is registered no more; it was for %s", r.Type, r.PreviousURL)))
		}
	}
	return nil
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
