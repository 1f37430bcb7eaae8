package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// What the commands that call the platform have in common.

const apiKeyHelp = "API `key`, or @file to read it from one; better set " + sonzaiapi.EnvAPIKey +
	", since a flag shows in the list of processes"

// platformHelpLong goes into the long help of each command that calls the platform.
const platformHelpLong = `The API key comes from ` + sonzaiapi.EnvAPIKey + `, or from --api-key @file. The platform is
` + sonzaiapi.DefaultBaseURL + `, unless ` + sonzaiapi.EnvBaseURL + ` or --base-url names another, such
as the one that "sonzaihook simulate" starts; an address without a path means /api/v1
below it, as in the official SDKs. The key is never printed.

The exit code is 0 if all went well, 1 if the platform refused or could not be
reached, and 2 for wrong usage.`

var errNoAPIKey = errors.New("no API key: set " + sonzaiapi.EnvAPIKey + " or give --api-key @file")

// platform is the flags that select the platform, the key and the project.
type platform struct {
	console *console.Console
	apiKey  string
	baseURL string
	project string
	json    bool
}

func (p *platform) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.apiKey, "api-key", "", apiKeyHelp)
	flags.StringVar(&p.baseURL, "base-url", "", "`address` of the platform, without a path for /api/v1 below it; the default is "+sonzaiapi.EnvBaseURL+", else the platform's own")
	flags.BoolVar(&p.json, "json", false, "print one JSON object per line")
}

func (p *platform) registerProject(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.project, "project", "", "`id` of the project; the default is the one that the API key belongs to")
}

// projects are the flags of a command that works on several projects.
type projects struct{ ids []string }

func (p *projects) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.ids, "project", nil, "`id` of a project; may be repeated; the default is the one that the API key belongs to")
}

// list returns the projects, each once; the tenant's is empty.
func (p *projects) list() []string {
	var ids []string
	for _, id := range p.ids {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return []string{""}
	}
	return ids
}

// client returns a client of the platform. Its environment is that of the console.
func (p *platform) client() (*sonzaiapi.Client, error) {
	key, err := reveal(p.apiKey)
	if err != nil {
		return nil, fmt.Errorf("--api-key: %w", err)
	}
	if key = cmp.Or(key, p.console.Getenv(sonzaiapi.EnvAPIKey)); strings.TrimSpace(key) == "" {
		return nil, errNoAPIKey
	}
	client, err := sonzaiapi.New(key, sonzaiapi.WithBaseURL(p.address()), sonzaiapi.WithLogger(slog.New(slog.DiscardHandler)))
	switch {
	case errors.Is(err, sonzaiapi.ErrNoAPIKey):
		return nil, fmt.Errorf("--api-key or %s: %s", sonzaiapi.EnvAPIKey, after(err, sonzaiapi.ErrNoAPIKey))
	case err != nil:
		return nil, fmt.Errorf("--base-url or %s: %s", sonzaiapi.EnvBaseURL, after(err, sonzaiapi.ErrInvalidOption))
	}
	return client, nil
}

// after returns what an error says beyond its kind.
func after(err, kind error) string {
	return strings.TrimPrefix(err.Error(), kind.Error()+": ")
}

// address returns the base URL that was asked for.
func (p *platform) address() string {
	return cmp.Or(p.baseURL, p.console.Getenv(sonzaiapi.EnvBaseURL), sonzaiapi.DefaultBaseURL)
}

// webhooks returns the webhook calls of the project that was asked for.
func (p *platform) webhooks() (sonzaiapi.Webhooks, error) {
	client, err := p.client()
	if err != nil {
		return sonzaiapi.Webhooks{}, err
	}
	return webhooksOf(client, p.project), nil
}

// webhooksOf returns the webhook calls of a project, the tenant's if it is empty.
func webhooksOf(client *sonzaiapi.Client, project string) sonzaiapi.Webhooks {
	if project == "" {
		return client.Webhooks()
	}
	return client.Project(project).Webhooks()
}

// line is a line of text for a person.
type line []console.Cell

// tell prints a result: as JSON, or as lines for a person.
func (p *platform) tell(value any, lines ...line) error {
	if p.json {
		return p.console.WriteJSON(value)
	}
	for _, cells := range lines {
		if err := p.console.Say(cells...); err != nil {
			return err
		}
	}
	return nil
}

// add adds an entry to a list: a line of JSON now, or a row of a table that is
// shown at the end.
func (p *platform) add(g *console.Grid, value any, cells ...console.Cell) error {
	if p.json {
		return p.console.WriteJSON(value)
	}
	g.Row(cells...)
	return nil
}

// show prints a table, or a line that says that it would be empty.
func (p *platform) show(g *console.Grid, empty string) error {
	switch {
	case p.json:
		return nil
	case g.Len() == 0:
		return p.tell(nil, line{console.Faint(empty)})
	}
	return p.console.Write(g.Render(p.console.Width()) + "\n")
}

// each calls the platform for one event type after the other and tells what was
// done. The words are those of "registering" and "registered".
func (p *platform) each(types []string, doing, done string, one func(eventType string) (value any, lines []line, err error)) error {
	progress := p.console.Progress()
	defer progress.Clear()
	for i, eventType := range types {
		progress.Say("%s %s (%d of %d)", doing, eventType, i+1, len(types))
		value, lines, err := one(eventType)
		if err != nil {
			return errors.Join(ofType(err), partly(types[:i], done))
		}
		progress.Clear()
		if err := p.tell(value, lines...); err != nil {
			return err
		}
	}
	return nil
}

// ofType returns the failure of a call about one event type.
func ofType(err error) error {
	e, ok := errors.AsType[*sonzaiapi.Error](err)
	if ok && errors.Is(err, sonzaiapi.ErrNotFound) && strings.HasPrefix(e.Path, "/webhooks/") {
		return console.No(fmt.Sprintf("%v: \"sonzaihook webhooks list\" shows what is registered", failure(err)))
	}
	return failure(err)
}

// partly returns an error that says what was done before another one, or nil if
// nothing was.
func partly(things []string, done string) error {
	if len(things) == 0 {
		return nil
	}
	return fmt.Errorf("(%s %s before that)", strings.Join(things, ", "), done)
}

// failure turns an error of the platform into a console.No, so that the exit code
// differs from that of wrong usage. A call that was never sent is wrong usage, and
// the end of the command's context is an interrupt.
func failure(err error) error {
	if errors.Is(err, upstream.ErrUnsettled) {
		return console.No(strings.TrimPrefix(err.Error(), "upstream: "))
	}
	e, ok := errors.AsType[*sonzaiapi.Error](err)
	switch {
	case !ok, errors.Is(err, context.Canceled):
		return err
	case e.Status == 0 && errors.Is(err, sonzaiapi.ErrInvalidRequest):
		return err
	}
	text := strings.TrimPrefix(err.Error(), "sonzaiapi: ")
	if errors.Is(err, sonzaiapi.ErrNotFound) && e.Path == "/webhooks" {
		text += ": check the base URL (" + sonzaiapi.EnvBaseURL + ")"
	}
	if e.Status == 0 && errors.Is(err, sonzaiapi.ErrUnavailable) && e.Method != http.MethodGet && e.Method != http.MethodDelete {
		text += "; the platform may have carried out the call all the same"
	}
	return console.No(text)
}

// ago writes a time of the platform for people: how long ago it was, or the day.
func (p *platform) ago(t sonzaiapi.Time) string {
	if t.Time.IsZero() {
		return t.Text
	}
	return p.console.Ago(t.Time)
}

// day writes a time of the platform to the second.
func day(t sonzaiapi.Time) string {
	if t.Time.IsZero() {
		return t.Text
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
