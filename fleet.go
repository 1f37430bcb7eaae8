package sonzaihook

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// fleet is what instances that share a store tell each other through it: that a
// secret is being rotated. A store keeps no values, so an announcement is a key that
// is held. All who announce hold it with one token, and all who look try to claim it
// with another and give it back at once: who looks is refused only by an
// announcement. It is safe for concurrent use; its zero value tells nothing.
type fleet struct{ claims *once.Claims }

const (
	tokenAnnounces = "announces"
	tokenLooks     = "looks"

	// announced is how long an announcement stands after the secret is there. It is
	// the time in which the other instances must get it.
	announced = 5 * time.Minute
	// lookLease ends the look of an instance that is killed while it looks.
	lookLease = 2 * time.Second
	// settleAfter is when every instance that looks sees an announcement: what it saw
	// before it uses for one interval, and to see takes no longer than another.
	settleAfter = 2 * signature.LookEvery
	// announceTries is how often an announcement is tried, a look apart. A look holds
	// the key for no longer than its lease.
	announceTries = 10
	announcePause = 500 * time.Millisecond
)

func rotationKey(project, typ string) string {
	return "sonzaihook.rotation/" + url.PathEscape(project) + "/" + url.PathEscape(typ)
}

// look reports whether another instance rotates a secret for a type.
func (f fleet) look(ctx context.Context, project, typ string) (bool, error) {
	key := rotationKey(project, typ)
	state, err := f.claims.Mark(ctx, key, tokenLooks, lookLease)
	if err != nil {
		return false, err
	}
	if state == once.Claimed {
		f.claims.Unmark(ctx, key, tokenLooks)
	}
	return state == once.InFlight, nil
}

// announce tells the other instances that a secret is about to be rotated, and
// returns when each of them that looks knows it. It returns an error, and nothing may
// be rotated, if the store does not answer.
func (f fleet) announce(ctx context.Context, project, typ string) error {
	if f.claims == nil {
		return nil
	}
	for try := 1; ; try++ {
		state, err := f.claims.Mark(ctx, rotationKey(project, typ), tokenAnnounces, announced)
		if err == nil && state == once.Claimed {
			return sleep(ctx, settleAfter)
		}
		if try == announceTries {
			if err == nil {
				err = fmt.Errorf("%w: the key of the announcement stayed held", ErrStoreUnavailable)
			}
			return fmt.Errorf("sonzaihook: the rotation could not be announced: %w", err)
		}
		if err := sleep(ctx, announcePause); err != nil {
			return err
		}
	}
}

// stand makes an announcement stand for as long as the others need to get the secret.
// If the store fails, it stands as long as it did before.
func (f fleet) stand(ctx context.Context, project, typ string) {
	if f.claims != nil {
		_, _ = f.claims.Mark(ctx, rotationKey(project, typ), tokenAnnounces, announced)
	}
}

// sleep returns when d has passed, or the cause of ctx when that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
