package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newAttempts(a *app) *cobra.Command {
	t := attempts{platform: platform{app: a}}
	cmd := &cobra.Command{
		Use:   "attempts <type>",
		Short: "Show what became of the deliveries of an event type",
		Long: `Attempts shows the platform's delivery log of an event type, the newest first: when an
attempt was made, what your server answered, and how long it took. ANSWER is the code
of a sonzaihook receiver; "unauthorized" and the like are explained in the README.

The bodies hold what your users say. They are printed only with --bodies.

` + platformHelpLong,
		Example: `  sonzaihook webhooks attempts agent.message
  sonzaihook webhooks attempts agent.message --failed --since 2h
  sonzaihook webhooks attempts agent.message --json --bodies | jq .request_body`,
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), args) },
	}
	cmd.ValidArgsFunction = cobra.FixedCompletions(completions(), cobra.ShellCompDirectiveNoFileComp)
	t.register(cmd)
	t.registerProject(cmd)
	flags := cmd.Flags()
	flags.IntVar(&t.limit, "limit", 50, "show this `number` of attempts at most; 0 for all")
	flags.BoolVar(&t.failed, "failed", false, "show only those that were not answered 2xx")
	flags.StringVar(&t.since, "since", "", sinceHelp)
	flags.BoolVar(&t.bodies, "bodies", false, "with --json, also print what was sent and answered")
	return cmd
}

const sinceHelp = "leave out what is older than this `time`: RFC 3339, Unix seconds, or how long ago, as in 2h"

// attempts is one run of the attempts command.
type attempts struct {
	platform
	limit  int
	failed bool
	since  string
	bodies bool
}

func (t *attempts) run(ctx context.Context, args []string) error {
	switch {
	case len(args) != 1:
		return errors.New("which event type? Name one, as in agent.message")
	case t.limit < 0:
		return errors.New("--limit: it must not be negative")
	case t.bodies && !t.json:
		return errors.New("--bodies needs --json")
	}
	since, err := t.app.past(t.since)
	if err != nil {
		return err
	}
	webhooks, err := t.webhooks()
	if err != nil {
		return err
	}
	g := grid{headings: []string{"WHEN", "TRY", "STATUS", "ANSWER", "TIME", "ERROR"}, right: []int{1, 2, 4}}
	progress := t.app.progress()
	defer progress.clear()
	walked, shown := 0, 0
	for attempt, err := range webhooks.Attempts(ctx, named(args)[0], pageSize(t.limit)) {
		if err != nil {
			return failure(err)
		}
		walked++
		progress.say("reading the delivery log: %d attempts", walked)
		if attempt.CreatedAt.Before(since) || (t.failed && attempt.Delivered()) {
			continue
		}
		if err := t.add(&g, t.report(attempt), t.row(attempt)...); err != nil {
			return err
		}
		if shown++; shown == t.limit {
			break
		}
	}
	progress.clear()
	return t.show(&g, "no such attempts")
}

// pageSize asks for no more than is shown, and for large pages where that is much.
func pageSize(limit int) int {
	const largest = 500
	if limit == 0 {
		return largest
	}
	return min(limit, largest)
}

func (t *attempts) row(a sonzaiapi.Attempt) []cell {
	return []cell{
		{t.app.ago(a.CreatedAt), faint}, {fmt.Sprint(a.Number), plain},
		statusCell(a.ResponseCode), {answerOf(a), answerStyle(a.ResponseCode)},
		{fmt.Sprintf("%d ms", a.DurationMS), faint}, {oneLine(a.ErrorMessage), plain},
	}
}

// statusCell shows what a server answered; no status means that it did not.
func statusCell(status int) cell {
	if status == 0 {
		return cell{"none", bad}
	}
	return cell{fmt.Sprint(status), answerStyle(status)}
}

func answerStyle(status int) lipgloss.Style {
	if status == 0 {
		return bad
	}
	return statusStyle(status)
}

// answerOf is the code in the answer of a receiver, or else what its status means.
func answerOf(a sonzaiapi.Attempt) string {
	if a.ResponseCode == 0 {
		return codeUnanswered
	}
	return cmp.Or(codeOf(a.ResponseBody), http.StatusText(a.ResponseCode))
}

// codeUnanswered stands where a server gave no answer at all.
const codeUnanswered = "unanswered"

// attemptReport is an attempt as --json prints it.
type attemptReport struct {
	sonzaiapi.Attempt
	Answer       string          `json:"answer"`
	RequestBody  json.RawMessage `json:"request_body,omitempty"`
	ResponseBody json.RawMessage `json:"response_body,omitempty"`
}

func (t *attempts) report(a sonzaiapi.Attempt) attemptReport {
	r := attemptReport{Attempt: a, Answer: answerOf(a)}
	if t.bodies {
		r.RequestBody, r.ResponseBody = asJSON(a.RequestBody), asJSON(a.ResponseBody)
	}
	return r
}

// asJSON returns what is JSON as it is, and anything else as a string.
func asJSON(body []byte) json.RawMessage {
	if len(body) == 0 || json.Valid(body) {
		return body
	}
	text, _ := json.Marshal(string(body)) // a string always marshals
	return text
}

// past reads a time of --since, where a distance counts back. The zero time
// means that there is no limit.
func (a *app) past(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if distance, err := time.ParseDuration(text); err == nil {
		return a.now().Add(-distance.Abs()), nil
	}
	at, err := moment(text, a.now())
	if err != nil {
		return time.Time{}, fmt.Errorf("--since: %w", err)
	}
	return at, nil
}
