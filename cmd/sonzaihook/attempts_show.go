package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func newAttemptsShow(c *console.Console) *cobra.Command {
	s := showOptions{platform: platform{console: c}}
	cmd := &cobra.Command{
		Use:   "show <id>",
		Short: "Show all attempts to deliver one event",
		Long: `Show looks for an event, or an attempt, with this id in the delivery logs of all types
that are documented or registered, or of those of --type, and shows every attempt to
deliver it, the oldest first.

The body holds what your users say. It is printed only with --bodies.

` + platformHelpLong + ` It is 1 too if there
is no such event.`,
		Example: `  sonzaihook webhooks attempts show evt_1
  sonzaihook webhooks attempts show evt_1 --type agent.message --bodies`,
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), args) },
	}
	s.register(cmd)
	s.registerProject(cmd)
	cmd.Flags().StringArrayVar(&s.types, "type", nil, "look only in the log of this event `type`; may be repeated")
	cmd.Flags().BoolVar(&s.bodies, "bodies", false, "also print what was sent and answered")
	completeFlag(cmd, "type", completeNames)
	return cmd
}

// showOptions are the flags of the show command.
type showOptions struct {
	platform
	types  []string
	bodies bool
}

func (s *showOptions) run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("which event? Give its id, as \"webhooks attempts\" shows it")
	}
	webhooks, err := s.webhooks()
	if err != nil {
		return err
	}
	progress := s.console.Progress()
	defer progress.Clear()
	list, err := attemptsOf(ctx, webhooks, args[0], named(s.types), progress)
	if err != nil {
		return err
	}
	progress.Clear()
	if len(list) == 0 {
		return console.No(fmt.Sprintf("no attempt in the delivery log is about %q", args[0]))
	}
	if s.json {
		for _, a := range list {
			if err := s.console.WriteJSON(attemptReport(a, s.bodies)); err != nil {
				return err
			}
		}
		return nil
	}
	return s.print(list)
}

func (s *showOptions) print(list []sonzaiapi.Attempt) error {
	last := list[len(list)-1]
	lines := []line{
		{console.Calm(last.EventType), console.Plain("  " + delivery.Field(last.RequestBody, delivery.IDKeys...))},
		{console.Faint("  " + console.Counted(len(list), "attempt") + " to deliver it to " + last.URL)},
	}
	wide := 0
	for _, a := range list {
		wide = max(wide, len(answered(a)))
	}
	for _, a := range list {
		lines = append(lines, line{
			console.Faint(fmt.Sprintf("  #%d  %s  ", a.Number, day(a.CreatedAt))), console.Status(a.ResponseCode, answered(a)).Pad(wide + 2),
			console.Faint(fmt.Sprintf("%d ms", a.DurationMS)), console.Plain("  " + a.ErrorMessage),
		})
		if s.bodies && len(a.ResponseBody) > 0 {
			lines = append(lines, line{console.Faint("      answered "), console.Plain(string(a.ResponseBody))})
		}
	}
	if s.bodies {
		lines = append(lines, bodyLines(last.RequestBody)...)
	}
	return s.tell(nil, lines...)
}

// bodyLines show a body indented, which is not what was signed.
func bodyLines(body []byte) []line {
	var indented bytes.Buffer
	if len(body) == 0 {
		return []line{{console.Faint("  the platform has not kept the body")}}
	}
	if json.Indent(&indented, body, "  ", "  ") != nil {
		return []line{{console.Plain("  " + string(body))}}
	}
	var lines []line
	for text := range strings.SplitSeq("  "+indented.String(), "\n") {
		lines = append(lines, line{console.Plain(text)})
	}
	return lines
}
