package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/simulator"
)

// Completion for the flags of simulate.

func completeLayouts(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{
		cobra.CompletionWithDesc(string(simulator.LayoutData), "the event's fields under \"data\""),
		cobra.CompletionWithDesc(string(simulator.LayoutFlat), "the event's fields beside the envelope's"),
		cobra.CompletionWithDesc(string(simulator.LayoutBare), "the event's fields alone"),
	}, cobra.ShellCompDirectiveNoFileComp
}

// valued are the settings of faults that take a value.
var valued = []string{"type", "times", "delay", "duplicates", "call", "status", "retry-after"}

func completeDeliveryFaults(_ *cobra.Command, _ []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeFault(deliveryFault(&simulator.DeliveryFault{}), text)
}

func completeCallFaults(_ *cobra.Command, _ []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeFault(callFault(&simulator.CallFault{}), text)
}

// completeFault completes the last of the settings "key=value,key".
func completeFault(known settings, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	before, last := "", text
	if i := strings.LastIndex(text, ","); i >= 0 {
		before, last = text[:i+1], text[i+1:]
	}
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	var list []cobra.Completion
	key, _, found := strings.Cut(last, "=")
	if found {
		for _, value := range values(key) {
			list = append(list, before+key+"="+value)
		}
		return list, directive
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if slices.Contains(valued, key) {
			key += "="
		}
		list = append(list, before+key)
	}
	return list, directive
}

// values are what a setting may be, where that can be listed.
func values(key string) []string {
	switch key {
	case "type":
		return knownNames()
	case "call":
		return simulator.Calls()
	}
	return nil
}
