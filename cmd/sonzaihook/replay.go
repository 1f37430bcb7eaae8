package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func newReplay(a *app) *cobra.Command {
	r := replaying{platform: platform{app: a}}
	cmd := &cobra.Command{
		Use:   "replay [type]…",
		Short: "Send again what never arrived",
		Long: `Replay reads the platform's delivery log, takes the events that no attempt has
delivered, and sends each to your server once more: the recorded body, signed anew, to
the URL that the type is registered for. --dry-run only lists them.

Without types it takes all that are registered. What your server has handled already
it recognises by its id, so a replay may be repeated.

Each type has a secret of its own: --secret @secrets/{event} reads the files that
"webhooks register" and "webhooks rotate" have written.

` + secretHelpLong + `

` + platformHelpLong + ` It is 1 too if your server
did not take all of them.`,
		Example: `  sonzaihook replay --dry-run
  sonzaihook replay --secret '@secrets/{event}'
  sonzaihook replay agent.message --since 2h --url http://localhost:8080/webhooks/sonzai`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	cmd.ValidArgsFunction = cobra.FixedCompletions(completions(), cobra.ShellCompDirectiveNoFileComp)
	r.register(cmd)
	r.registerProject(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&r.dry, "dry-run", false, "list what would be sent, and send nothing")
	flags.StringVar(&r.since, "since", "", sinceHelp)
	flags.StringVar(&r.url, "url", "", "send to this `address` instead of the registered one; {event} in it stands for the event type")
	flags.StringVar(&r.secret, "secret", "", secretHelp+"; {event} in its name stands for the event type")
	flags.DurationVar(&r.timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	return cmd
}

// replaying is one run of the replay command.
type replaying struct {
	platform
	dry     bool
	since   string
	url     string
	secret  string
	timeout time.Duration
}

// missed is one event that never arrived, and what became of it now, as --json
// prints it.
type missed struct {
	Type     string    `json:"event_type"`
	EventID  string    `json:"event_id,omitempty"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first_attempt"`
	Last     time.Time `json:"last_attempt"`
	LastCode int       `json:"last_response_code"`
	LastWhy  string    `json:"last_error,omitempty"`
	URL      string    `json:"url,omitempty"`
	Status   int       `json:"status,omitempty"`
	Outcome  string    `json:"outcome,omitempty"`
	Error    string    `json:"error,omitempty"`

	body []byte
}

// recovered reports whether the server has taken the event now.
func (m missed) recovered() bool { return m.Status >= 200 && m.Status < 300 }

func (r *replaying) run(ctx context.Context, args []string) error {
	since, err := r.app.past(r.since)
	if err != nil {
		return err
	}
	if r.url != "" {
		if err := checkURL(r.url); err != nil {
			return err
		}
	}
	if _, err := r.secretOf("agent.message"); err != nil && !r.dry && errors.Is(err, errNoSecret) {
		return err
	}
	webhooks, err := r.webhooks()
	if err != nil {
		return err
	}
	progress := r.app.progress()
	defer progress.clear()
	targets, err := webhooks.List(ctx)
	if err != nil {
		return failure(err)
	}
	list, err := r.read(ctx, webhooks, typesToReplay(args, targets), since, progress)
	if err != nil {
		return err
	}
	if !r.dry {
		if err := r.sendAll(ctx, list, targets, progress); err != nil {
			return err
		}
	}
	progress.clear()
	return r.report(list)
}

// typesToReplay are those that the arguments name, or all that are registered.
func typesToReplay(args []string, targets []sonzaiapi.Webhook) []sonzaihook.EventType {
	var types []sonzaihook.EventType
	for _, name := range named(args) {
		types = append(types, sonzaihook.EventType(name))
	}
	if len(args) == 0 {
		for _, target := range targets {
			types = append(types, sonzaihook.EventType(target.EventType))
		}
	}
	return types
}

// read reads the delivery logs and returns what was missed, the oldest first.
func (r *replaying) read(ctx context.Context, webhooks sonzaiapi.Webhooks, types []sonzaihook.EventType, since time.Time, progress *progress) ([]missed, error) {
	var list []missed
	for _, t := range types {
		progress.say("reading the delivery log of %s", t)
		for m, err := range upstream.Missed(ctx, webhooks, []sonzaihook.EventType{t}, since) {
			if err != nil {
				return nil, failure(err)
			}
			list = append(list, missed{
				Type: string(m.Type), EventID: m.EventID, Attempts: m.Attempts, First: m.First, Last: m.Last,
				LastCode: m.ResponseCode, LastWhy: oneLine(m.Error), body: m.Body,
			})
			progress.say("reading the delivery log of %s: %s missed", t, counted(len(list), "event"))
		}
	}
	slices.SortStableFunc(list, func(a, b missed) int { return a.First.Compare(b.First) })
	return list, nil
}

// silence is after how many deliveries without any answer the others are not sent.
const silence = 3

// sendAll sends what was missed, one after the other. Secrets are looked for
// first, so that a missing one is told before anything is sent.
func (r *replaying) sendAll(ctx context.Context, list []missed, targets []sonzaiapi.Webhook, progress *progress) error {
	parcels := make([]parcel, len(list))
	for i, m := range list {
		var err error
		if parcels[i], err = r.parcel(m, targets); err != nil {
			return err
		}
	}
	client := newClient(r.timeout)
	defer client.CloseIdleConnections()
	silent := 0
	for i := range list {
		m := &list[i]
		m.URL = parcels[i].url
		switch {
		case m.URL == "":
			m.Error = "the type is registered no more: say where to with --url"
		case m.body == nil:
			m.Error = "the platform has not kept the body"
		case silent == silence:
			m.Error = "the server does not answer"
		default:
			progress.say("sending %d of %d", i+1, len(list))
			if err := m.send(ctx, client, parcels[i]); err != nil {
				return err
			}
			if silent++; m.Status > 0 {
				silent = 0
			}
		}
	}
	return nil
}

// send sends one event and notes what came of it. The error is that of the
// context.
func (m *missed) send(ctx context.Context, client *http.Client, p parcel) error {
	answer, err := post(ctx, client, p)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		m.Outcome, m.Error = codeUnanswered, cmp.Or(errors.Unwrap(err), err).Error()
		return nil
	}
	m.Status, m.Outcome = answer.status, cmp.Or(answer.code, http.StatusText(answer.status))
	return nil
}

// parcel signs a recorded body for the server that should have got it.
func (r *replaying) parcel(m missed, targets []sonzaiapi.Webhook) (parcel, error) {
	p := parcel{url: strings.ReplaceAll(r.url, eventPlace, m.Type), body: m.body}
	for _, target := range targets {
		if target.EventType == m.Type {
			p.url = cmp.Or(p.url, target.URL)
			p.authorization = string(target.AuthHeader)
		}
	}
	secret, err := r.secretOf(m.Type)
	if err != nil {
		return parcel{}, err
	}
	p.signature, err = sign(p.body, secret, r.app.now())
	return p, err
}

// secretOf returns the secret of an event type.
func (r *replaying) secretOf(eventType string) (string, error) {
	name := r.secret
	if strings.HasPrefix(name, "@") {
		name = strings.ReplaceAll(name, eventPlace, fileName(eventType))
	}
	return r.app.secret(name)
}

func (r *replaying) report(list []missed) error {
	g := grid{headings: []string{"WHEN", "TYPE", "EVENT", "TRIES", "GOT", "NOW", "WHAT"}, right: []int{3}}
	if r.dry {
		g.headings = slices.Delete(g.headings, 5, 6)
	}
	failed := 0
	for _, m := range list {
		if !r.dry && !m.recovered() {
			failed++
		}
		if err := r.add(&g, m, r.row(m)...); err != nil {
			return err
		}
	}
	if err := r.show(&g, "nothing was missed"); err != nil {
		return err
	}
	if failed > 0 {
		return answerNo{fmt.Sprintf("%d of %d not recovered: mend the server, then replay again", failed, len(list))}
	}
	return nil
}

func (r *replaying) row(m missed) []cell {
	cells := []cell{
		{r.app.ago(sonzaiapi.Time{Time: m.First}), faint}, {oneLine(m.Type), calm}, {oneLine(m.EventID), plain},
		{fmt.Sprint(m.Attempts), plain}, statusCell(m.LastCode),
	}
	if r.dry {
		return append(cells, cell{cmp.Or(describe(m.body), m.LastWhy), plain})
	}
	now, what := cell{fmt.Sprintf("%d %s", m.Status, m.Outcome), answerStyle(m.Status)}, describe(m.body)
	if m.Status == 0 {
		now, what = cell{cmp.Or(m.Outcome, "not sent"), bad}, m.Error
	}
	return append(cells, now, cell{what, plain})
}
