package inspector

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"strings"

	"github.com/sonzaihook/sonzaihook"
)

// Which fields of an event did not fit is known to its callbacks alone. For the page
// the body is decoded once more, by a receiver that exists for nothing else: it has
// no store, no secret that anybody knows, and callbacks that only take note. The
// structs that users gave to sonzaihook.On it does not know; one that does not fit is
// an error, which the outcome has.

func newDecoder() *sonzaihook.Receiver {
	hooks, err := sonzaihook.New(sonzaihook.Secret(rand.Text()), sonzaihook.WithStore(nil), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		panic(err) // no option is the user's
	}
	hooks.OnMessage(noteMisfit)
	hooks.OnMoodChange(noteMisfit)
	hooks.OnMemoryAdded(noteMisfit)
	hooks.OnBreakthrough(noteMisfit)
	hooks.OnWakeup(noteMisfit)
	hooks.OnConsolidation(noteMisfit)
	hooks.OnOther(noteMisfit) // of other types it is the fields round the payload
	return hooks
}

type misfitKey struct{} // where to write which fields did not fit

func noteMisfit[T any](ctx context.Context, e *sonzaihook.Event[T]) error {
	if names, ok := ctx.Value(misfitKey{}).(*[]string); ok {
		*names = e.Misfit
	}
	return nil
}

// refusal splits the error of a struct of the user's own that does not fit: its name,
// and the names of the fields. ok is false for any other error. The text is compared,
// because the methods of an error may be the user's.
func (r *result) refusal() (name string, fields []string, ok bool) {
	rest, ok := strings.CutPrefix(r.message, sonzaihook.ErrMisfit.Error()+" ")
	if !ok || r.code != sonzaihook.CodeRejected && r.code != sonzaihook.CodeFailed {
		return "", nil, false
	}
	name, list, _ := strings.Cut(rest, ": ")
	return name, strings.Split(list, ", "), true
}

// misfit returns the names of the fields whose value does not fit the struct of a
// documented type. Bodies that no signature proves are not decoded.
func (i *Inspector) misfit(ctx context.Context, r *record) []string {
	if r.out == nil || !r.out.authentic || !r.whole || len(r.body) == 0 {
		return nil
	}
	// The receiver's own deadline may end the wait for a callback that still runs; its
	// names are then not read.
	names := new([]string)
	out := i.decoder.Dispatch(context.WithValue(bare{ctx}, misfitKey{}, names), &sonzaihook.Delivery{
		ID: "inspector:misfit", Type: sonzaihook.EventType(r.typ()), Source: sonzaihook.SourceReplay, Body: bytes.Clone(r.body),
	})
	if out.Code != sonzaihook.CodeProcessed {
		return nil
	}
	return *names
}
