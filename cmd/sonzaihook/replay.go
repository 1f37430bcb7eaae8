package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func newReplay(c *console.Console) *cobra.Command {
	r := replayOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "replay [type]…",
		Short: "Send again what never arrived",
		Long: `Replay reads the platform's delivery log, takes the events that no attempt has
delivered, and sends each to your server once more: the recorded body, signed anew, to
the URL that the type is registered for. --dry-run only lists them.

Without types it takes all that are registered. --event sends one event, even if it was
delivered; its id is what "webhooks attempts" shows. What your server has handled already
it recognises by its id, so a replay may be repeated.

Each type has its own secret: --secret @secrets/{event} reads the files that
"webhooks register" and "webhooks rotate" have written. --project may be repeated; then
{project} in the name of a file and in --url stands for the project.

` + secretHelpLong + `

` + platformHelpLong + ` It is 1 too if your server
did not take all of them.`,
		Example: `  sonzaihook replay --dry-run
  sonzaihook replay --secret '@secrets/{event}'
  sonzaihook replay --project p1 --project p2 --secret '@secrets/{project}/{event}'
  sonzaihook replay --event evt_1 --url http://localhost:8080/webhooks/sonzai
  sonzaihook replay agent.message --since 2h --url http://localhost:8080/webhooks/sonzai`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	cmd.ValidArgsFunction = completeNames
	r.register(cmd)
	r.projects.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&r.dry, "dry-run", false, "list what would be sent, and send nothing")
	flags.StringVar(&r.event, "event", "", "send the event with this `id`, delivered or not")
	flags.StringVar(&r.since, "since", "", sinceHelp)
	flags.StringVar(&r.url, "url", "", "send to this `address` instead of the registered one; "+placesHelp)
	flags.StringVar(&r.secret, "secret", "", secretHelp+"; "+placesHelp)
	flags.DurationVar(&r.timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	return cmd
}

// replayOptions are the flags of the replay command.
type replayOptions struct {
	platform
	projects projects
	dry      bool
	event    string
	since    string
	url      string
	secret   string
	timeout  time.Duration
}

// check refuses flags that would fail later, before the platform is called.
func (r *replayOptions) check() error {
	if r.event != "" && r.since != "" {
		return errors.New("give --event or --since, not both")
	}
	if r.url != "" {
		if err := checkURL("--url", r.url); err != nil {
			return err
		}
	}
	for flag, pattern := range map[string]string{"--url": r.url, "--secret": r.secret} {
		if err := checkPlaces(flag, pattern, r.projects.list()...); err != nil {
			return err
		}
	}
	if _, err := secretFor(r.console, r.secret, place{"any", "agent.message"}); err != nil && !r.dry && errors.Is(err, errNoSecret) {
		return err
	}
	return nil
}

func (r *replayOptions) run(ctx context.Context, args []string) error {
	since, err := past(r.since, r.console.Now())
	if err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	client, err := r.client()
	if err != nil {
		return err
	}
	progress := r.console.Progress()
	defer progress.Clear()
	list, err := r.gather(ctx, client, args, since, progress)
	if err != nil {
		return err
	}
	if !r.dry {
		if err := r.sendAll(ctx, list, progress); err != nil {
			return err
		}
	}
	progress.Clear()
	return r.report(list)
}

// gather reads what the projects have missed, the oldest first, or the one event.
func (r *replayOptions) gather(ctx context.Context, client *sonzaiapi.Client, args []string, since time.Time, progress *console.Progress) ([]missed, error) {
	var all []missed
	for _, project := range r.projects.list() {
		webhooks := webhooksOf(client, project)
		targets, err := webhooks.List(ctx)
		if err != nil {
			return nil, failure(err)
		}
		var list []missed
		if r.event != "" {
			list, err = r.readOne(ctx, webhooks, named(args), progress)
		} else {
			list, err = r.read(ctx, webhooks, typesToReplay(args, targets), since, progress)
		}
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			m.Project = project
			if i := slices.IndexFunc(targets, func(w sonzaiapi.Webhook) bool { return w.EventType == m.Type }); i >= 0 {
				m.target = targets[i]
			}
			all = append(all, m)
		}
	}
	if r.event != "" && len(all) == 0 {
		return nil, console.No(fmt.Sprintf("no attempt in the delivery log is about %q", r.event))
	}
	slices.SortStableFunc(all, func(a, b missed) int { return a.First.Compare(b.First) })
	return all, nil
}

// typesToReplay are those that the arguments name, or all that are registered.
func typesToReplay(args []string, targets []sonzaiapi.Webhook) []string {
	if len(args) > 0 {
		return named(args)
	}
	var types []string
	for _, target := range targets {
		types = append(types, target.EventType)
	}
	return types
}

// read reads the delivery logs of a project and returns what was missed.
func (r *replayOptions) read(ctx context.Context, webhooks sonzaiapi.Webhooks, types []string, since time.Time, progress *console.Progress) ([]missed, error) {
	var list []missed
	for _, t := range types {
		progress.Say("reading the delivery log of %s", t)
		for m, err := range upstream.Missed(ctx, webhooks, []sonzaihook.EventType{sonzaihook.EventType(t)}, since) {
			if err != nil {
				return nil, failure(err)
			}
			list = append(list, missed{
				Type: string(m.Type), EventID: m.EventID, Attempts: m.Attempts, First: m.First, Last: m.Last,
				LastCode: m.ResponseCode, LastWhy: m.Error, body: m.Body,
			})
			progress.Say("reading the delivery log of %s: %s missed", t, console.Counted(len(list), "event"))
		}
	}
	return list, nil
}

// readOne returns the event of --event, if the project has it.
func (r *replayOptions) readOne(ctx context.Context, webhooks sonzaiapi.Webhooks, types []string, progress *console.Progress) ([]missed, error) {
	attempts, err := attemptsOf(ctx, webhooks, r.event, types, progress)
	if err != nil || len(attempts) == 0 {
		return nil, err
	}
	first, last := attempts[0], attempts[len(attempts)-1]
	m := missed{
		Type: last.EventType, EventID: delivery.Field(last.RequestBody, delivery.IDKeys...), Attempts: len(attempts),
		First: first.CreatedAt.Time, Last: last.CreatedAt.Time, LastCode: last.ResponseCode, LastWhy: last.ErrorMessage,
	}
	for _, a := range attempts {
		if len(a.RequestBody) > 0 {
			m.body = a.RequestBody
		}
	}
	return []missed{m}, nil
}

func (r *replayOptions) report(list []missed) error {
	g := console.Grid{
		Headings: []string{"WHEN", "TYPE", "EVENT", "TRIES", "GOT", "NOW", "WHAT"}, Right: []int{3}, Spare: []int{3},
	}
	if r.dry {
		g.Headings = slices.Delete(g.Headings, 5, 6)
	}
	if len(r.projects.list()) > 1 {
		g.Headings = slices.Insert(g.Headings, 1, "PROJECT")
		g.Right, g.Spare = []int{4}, []int{4}
	}
	failed, why := 0, ""
	for _, m := range list {
		if !r.dry && !m.recovered() {
			failed++
			why = cmp.Or(why, m.Error)
		}
		if err := r.add(&g, m, r.row(m)...); err != nil {
			return err
		}
	}
	if err := r.show(&g, "nothing was missed"); err != nil {
		return err
	}
	if failed > 0 {
		if why != "" {
			why = " (" + why + ")"
		}
		return console.NoAsPrinted(fmt.Sprintf("%d of %d not recovered%s: mend the server, then replay again", failed, len(list), why))
	}
	return nil
}

func (r *replayOptions) row(m missed) []console.Cell {
	cells := []console.Cell{
		console.Faint(r.ago(sonzaiapi.Time{Time: m.First})), console.Calm(m.Type), console.Plain(m.EventID),
		console.Plain(fmt.Sprint(m.Attempts)), statusCell(m.LastCode),
	}
	if len(r.projects.list()) > 1 {
		cells = slices.Insert(cells, 1, console.Plain(m.Project))
	}
	if r.dry {
		return append(cells, console.Plain(cmp.Or(delivery.Describe(m.body), m.LastWhy)))
	}
	if m.Status == 0 {
		return append(cells, console.Bad(cmp.Or(m.Outcome, "not sent")), console.Plain(m.Error))
	}
	now := console.Status(m.Status, fmt.Sprintf("%d %s", m.Status, m.Outcome))
	return append(cells, now, console.Plain(delivery.Describe(m.body)))
}
