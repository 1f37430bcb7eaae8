package upstream

import (
	"context"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// PollProject fetches the notifications of a project. It returns nil when ctx ends.
func PollProject(ctx context.Context, hooks *sonzaihook.Receiver, project sonzaiapi.Project, options ...Option) error {
	return nil
}

// PollAgent fetches the messages of an agent. It returns nil when ctx ends.
func PollAgent(ctx context.Context, hooks *sonzaihook.Receiver, agent sonzaiapi.Agent, options ...Option) error {
	return nil
}
