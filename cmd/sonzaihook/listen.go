package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/inspector"
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

--project, which may be repeated, listens to projects, each with its own registrations
and secrets; {project} in --url and the names of files stands for the project.

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
  sonzaihook listen --project p1 --project p2 --url 'https://my-tunnel.example.com/{project}/{event}'
  sonzaihook listen --base-url http://localhost:9090      # a simulator`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	l.registerFlags(cmd)
	return cmd
}

func (l *listenOptions) registerFlags(cmd *cobra.Command) {
	l.register(cmd)
	l.projects.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&l.addr, "addr", "localhost:8080", "`address` to listen on; the port 0 is any free one")
	flags.StringVar(&l.url, "url", "", "https `address` under which the platform reaches it; "+placesHelp)
	flags.StringArrayVar(&l.types, "type", nil, "an event `type` to subscribe to; may be repeated; the default is all documented ones")
	flags.StringVar(&l.auth, "auth-header", "", "`value` that the platform must send as Authorization, or @file to read it from one")
	flags.BoolVar(&l.takeOver, "take-over", false, "also take types that are registered already; their secrets change")
	flags.StringVar(&l.forwardTo, "forward-to", "", "hand each delivery to the server at this `address`; "+placesHelp)
	flags.StringVar(&l.secret, "secret", "", "with --forward-to, sign anew with this `secret`, or @file to read it from one; "+placesHelp)
	flags.DurationVar(&l.timeout, "timeout", 30*time.Second, "with --forward-to, how long to wait for each answer")
	flags.StringVar(&l.files.pattern, "secret-file", "", "also write each new signing secret to this `file` (mode 0600); "+placesHelp)
	registerInspect(flags, &l.inspect)
	completeFlag(cmd, "type", completeNames)
}

// listenOptions are the flags of the listen command.
type listenOptions struct {
	platform
	projects  projects
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
	projects := l.projects.list()
	if err := errors.Join(checkApart("--url", l.url, projects), checkApart("--secret-file", l.files.pattern, projects),
		checkPlaces("--forward-to", l.forwardTo, projects...)); err != nil {
		return err
	}
	types := named(l.types)
	if len(types) == 0 {
		types = knownNames()
	}
	for _, project := range projects {
		if err := l.files.of(project).check(types); err != nil {
			return err
		}
		if err := l.checkSecrets(project, types); err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets makes a missing file an error before anything is registered.
func (l *listenOptions) checkSecrets(project string, types []string) error {
	if l.secret == "" {
		return nil
	}
	for _, t := range types {
		if _, err := secretFor(l.console, l.secret, place{project, t}); err != nil {
			return err
		}
	}
	return nil
}

// path is where a simulator delivers that is given no URL.
func (l *listenOptions) path() string {
	if len(l.projects.list()) > 1 {
		return "/webhooks/sonzai/" + projectPlace + "/" + eventPlace
	}
	return "/webhooks/sonzai/" + eventPlace
}

func (l *listenOptions) run(ctx context.Context) (err error) {
	client, err := l.client()
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
	printer := &printer{console: l.console, json: l.json, projects: len(l.projects.list()) > 1}
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
	return l.subscribed(ctx, hooks, client, server, printer, auth)
}

// handler prints or forwards what arrives.
func (l *listenOptions) handler(hooks *sonzaihook.Receiver, p *printer, page *inspector.Inspector) http.Handler {
	capture := func(h http.Handler) http.Handler { return h }
	if page != nil {
		capture = page.Capture
	}
	address := cmp.Or(l.url, l.path())
	if l.forwardTo == "" {
		return mountAt(address, capture(hooks))
	}
	f := &forwarder{printer: p, to: l.forwardTo, timeout: l.timeout, project: l.projects.list()[0]}
	if l.secret != "" {
		f.verify = hooks.Verify
		f.secret = func(of place) (string, error) { return secretFor(l.console, l.secret, of) }
	}
	return mountAt(address, capture(f))
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
