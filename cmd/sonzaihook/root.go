package main

import (
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// app is what the commands know of the world, so that a test can give them
// another one.
type app struct {
	in      io.Reader
	out     io.Writer
	errOut  io.Writer
	environ []string // "KEY=value", as os.Environ has it
	now     func() time.Time
}

func newApp() *app {
	return &app{in: os.Stdin, out: os.Stdout, errOut: os.Stderr, environ: os.Environ(), now: time.Now}
}

// newRoot returns the whole command line. A new command is a file of its own and
// a line here.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "sonzaihook",
		Short: "Receive, send, check, manage and simulate Sonzai webhooks",
		Long: `sonzaihook shows the webhook receiver at work, and helps to build, mend and run one.

Start with the demo. Then send deliveries to the server that you are writing, and ask
verify why a signature fails. With an API key, manage webhooks, listen, poll, and
replay what was missed; without one, do the same on a simulated platform.`,
		Example: `  sonzaihook demo
  sonzaihook send agent.mood_change --url http://localhost:8080/webhooks/sonzai
  sonzaihook verify --signature "t=…,v1=…" < body.json
  sonzaihook simulate --every 2s
  sonzaihook webhooks attempts agent.message --failed`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.SetVersionTemplate("sonzaihook {{.Version}}\n")
	root.AddCommand(
		newDemo(a),
		newListen(a),
		newNotifications(a),
		newReplay(a),
		newSend(a),
		newSign(a),
		newSimulate(a),
		newVerify(a),
		newVersion(a),
		newWakeups(a),
		newWebhooks(a),
	)
	return root
}
