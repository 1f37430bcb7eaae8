package main

import (
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/reference"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/version"
)

// newRoot returns the whole command line. A new command is a file and a line here.
func newRoot(c *console.Console) *cobra.Command {
	root := &cobra.Command{
		Use:   "sonzaihook",
		Short: "Receive, send, check, manage and simulate Sonzai webhooks",
		Long: `sonzaihook shows the webhook receiver at work, and helps to build, mend and run one.

Start with the demo. Then send deliveries to the server that you are writing, and ask
verify why a signature fails. With an API key, manage webhooks, listen, poll, and
replay what was missed; without one, do the same on a simulated platform.

With --json a command prints one JSON object per line. If it fails, the last one is
{"error": "…", "exit_code": 1}.`,
		Example: `  sonzaihook demo
  sonzaihook send agent.mood_change --url http://localhost:8080/webhooks/sonzai
  sonzaihook verify --signature "t=…,v1=…" < body.json
  sonzaihook simulate --every 2s
  sonzaihook webhooks attempts agent.message --failed`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.ErrOut)
	root.AddCommand(
		newChannels(c),
		newDemo(c),
		newListen(c),
		newNotifications(c),
		reference.Command("sonzaihook", func() *cobra.Command { return newRoot(c) }),
		newReplay(c),
		newSend(c),
		newSign(c),
		newSimulate(c),
		newVerify(c),
		newWakeups(c),
		newWebhooks(c),
	)
	version.Add(root, c)
	root.SetVersionTemplate("sonzaihook {{.Version}}\n")
	return root
}
