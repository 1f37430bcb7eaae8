package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// mailbox is the flags that select notifications: those of an agent or of a project.
type mailbox struct {
	platform
	agent     string
	eventType string
	user      string
	status    string
	limit     int
}

func (m *mailbox) registerOwner(cmd *cobra.Command) {
	m.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&m.agent, "agent", "", "`id` of the agent; with --project, only its events")
	flags.StringVar(&m.project, "project", "", "`id` of the project whose events are meant, instead of an agent's messages")
	flags.StringVar(&m.eventType, "type", "", "with --project, only events of this `type`")
	completeFlag(cmd, "type", completeNames)
}

// check refuses flags without an owner, and filters that would have no effect.
func (m *mailbox) check() error {
	switch {
	case m.agent == "" && m.project == "":
		return errors.New("whose notifications? Give --agent or --project")
	case m.project == "" && m.eventType != "":
		return errors.New("--type needs --project: an agent has messages only")
	case m.project != "" && (m.user != "" || m.status != ""):
		return errors.New("--user and --status are for the messages of an agent, without --project")
	}
	if m.eventType != "" {
		m.eventType = named([]string{m.eventType})[0]
	}
	return nil
}
