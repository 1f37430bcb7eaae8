package upstream

import (
	"context"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// Rotate replaces the secret of an event type.
func Rotate(ctx context.Context, hooks *sonzaihook.Receiver, webhooks sonzaiapi.Webhooks, t sonzaihook.EventType, grace time.Duration, options ...Option) error {
	return nil
}
