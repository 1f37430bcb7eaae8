// Command sonzaihook shows the receiver at work and helps to build and mend one:
// it runs a demo, signs bodies, sends deliveries, and says why a signature fails;
// it manages webhooks, polls and replays; and it simulates the platform.
//
//	go run github.com/sonzaihook/sonzaihook/cmd/sonzaihook demo
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second one ends the program at once
	os.Exit(run(ctx, newApp(), os.Args[1:]))
}

// The exit codes. What a command was asked, it answers with yes or no; anything
// that kept it from an answer is trouble.
const (
	exitYes     = 0 // valid, accepted, as expected
	exitNo      = 1 // invalid, not accepted, not as expected
	exitTrouble = 2 // wrong usage, or an input that cannot be read

	exitInterrupted = 130 // as shells have it for an interrupt
)

// answerNo is returned by a command whose answer is no. What it says beyond the
// command's own output, if anything, goes to the standard error.
type answerNo struct{ why string }

func (e answerNo) Error() string { return e.why }

// run runs one command line and returns its exit code.
func run(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitYes
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		_, _ = fmt.Fprintln(a.errOut, "sonzaihook: interrupted")
		return exitInterrupted
	}
	if line := errorLine(err); line != "" {
		_, _ = fmt.Fprintln(a.errOut, line)
	}
	var no answerNo
	if errors.As(err, &no) {
		return exitNo
	}
	return exitTrouble
}

// secretLike matches a signing secret that somebody mistyped into a place whose
// error message would repeat it.
var secretLike = regexp.MustCompile(`whsec_[^\s"']+`)

// errorLine returns an error as one line that begins with the program's name and
// holds no secret.
func errorLine(err error) string {
	text := strings.TrimSpace(err.Error())
	if text == "" {
		return ""
	}
	text = strings.Join(strings.Fields(text), " ")
	text = secretLike.ReplaceAllString(text, "whsec_…")
	for _, name := range []string{"sonzaihook: ", "sonzaiapi: ", "upstream: ", "simulator: "} {
		text = strings.TrimPrefix(text, name)
	}
	return "sonzaihook: " + text
}
