package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
)

func newWebhooks(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "Manage the webhooks that are registered with the platform",
		Long: `Webhooks registers URLs with the platform, one for each event type, lists and deletes
them, shows what became of their deliveries, and asks for new signing secrets.

` + platformHelpLong,
		Example: `  sonzaihook webhooks register --all --url https://example.com/webhooks/sonzai --secret-file 'secrets/{event}'
  sonzaihook webhooks list
  sonzaihook webhooks attempts agent.message --failed`,
		Args: noneButCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRegister(a), newWebhooksList(a), newDelete(a), newAttempts(a), newRotate(a))
	return cmd
}

// noneButCommands refuses a command that does not exist below another.
func noneButCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return fmt.Errorf("unknown command %q for %q: want %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))
}

// eventTypes are the types that a command works on.
type eventTypes struct{ all bool }

func (e *eventTypes) register(cmd *cobra.Command, help string) {
	cmd.Flags().BoolVar(&e.all, "all", false, help)
	cmd.ValidArgsFunction = cobra.FixedCompletions(completions(), cobra.ShellCompDirectiveNoFileComp)
}

// documented returns the types that the arguments name, or all documented ones.
func (e *eventTypes) documented(args []string) ([]string, error) {
	switch {
	case e.all && len(args) > 0:
		return nil, errors.New("give event types or --all, not both")
	case !e.all && len(args) == 0:
		return nil, errors.New("which event types? Name them, as in agent.message, or give --all")
	case e.all:
		return strings.Split(typeNames(","), ","), nil
	}
	return named(args), nil
}

// named returns what the arguments name, each once. A documented type may be
// written without "agent."; any other name is taken as it is, because the
// platform has more types than it documents.
func named(args []string) []string {
	var types []string
	for _, arg := range args {
		if t := "agent." + arg; slices.Contains(sonzaihook.EventTypes(), sonzaihook.EventType(t)) {
			arg = t
		}
		if !slices.Contains(types, arg) {
			types = append(types, arg)
		}
	}
	return types
}
