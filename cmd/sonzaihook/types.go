package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
)

// The event types that arguments and flags name.

// knownNames returns every known name of each documented type. Each can be
// registered, and which of them a tenant hears is not known.
func knownNames() []string {
	var names []string
	for _, t := range sonzaihook.EventTypes() {
		names = append(names, sonzaihook.WireNames(t)...)
	}
	return names
}

// eventTypes are the types that a command works on.
type eventTypes struct{ all bool }

func (e *eventTypes) register(cmd *cobra.Command, help string) {
	cmd.Flags().BoolVar(&e.all, "all", false, help)
	cmd.ValidArgsFunction = completeNames
}

// names returns what the arguments name, or every known name of each documented
// type.
func (e *eventTypes) names(args []string) ([]string, error) {
	switch {
	case e.all && len(args) > 0:
		return nil, errors.New("give event types or --all, not both")
	case !e.all && len(args) == 0:
		return nil, errors.New("which event types? Name them, as in agent.message, or give --all")
	case e.all:
		return knownNames(), nil
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

// completeNames completes event types, those that are given already left out.
func completeNames(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	given := named(args)
	names := slices.DeleteFunc(knownNames(), func(name string) bool { return slices.Contains(given, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeOneName completes the one event type that a command takes.
func completeOneName(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeNames(cmd, args, text)
}

// completeFlag makes the shell complete the values of a flag. The flag must exist.
func completeFlag(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err)
	}
}
