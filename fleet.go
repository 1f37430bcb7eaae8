package sonzaihook

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/once"
	"github.com/sonzaihook/sonzaihook/internal/signature"
)

// fleet lets instances that share a store tell each other that a secret is being
// rotated. A store keeps no values, so an announcement is a key that is claimed. All
// instances announce with one token, and look by claiming the key with another and
// releasing it at once: only an announcement makes a look fail. It is safe for
// concurrent use; the zero value announces nothing.
type fleet struct{ claims *once.Claims }

const (
	tokenAnnounces = "announces"
	tokenLooks     = "looks"

	// announced is how long an announcement lasts after the secret has arrived: the
	// time that the other instances have to get it.
	announced = 5 * time.Minute
	// lookLease ends the look of an instance that is killed while it looks.
	lookLease = 2 * time.Second
	// settleAfter is how long it takes until every instance has seen an announcement:
	// it uses its last look for one interval, and a look takes at most another.
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
// returns when each of them that looks has seen it. If the store does not answer it
// returns an error, and nothing may be rotated.
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

// stand extends an announcement by the time that the others need to get the secret.
// If the store fails, it ends when it would have ended before.
func (f fleet) stand(ctx context.Context, project, typ string) {
	if f.claims != nil {
		_, _ = f.claims.Mark(ctx, rotationKey(project, typ), tokenAnnounces, announced)
	}
}

// sleep returns nil when d has passed, or the cause of ctx if that ends before.
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
