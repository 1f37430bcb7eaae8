package main

import (
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
)

func newSign(c *console.Console) *cobra.Command {
	var secret, at string
	cmd := &cobra.Command{
		Use:   "sign [file]",
		Short: "Print the signature header of a body",
		Long: `Sign reads a body from a file or the standard input and prints the value of its
` + sonzaihook.SignatureHeader + ` header. The body is signed byte for byte, a newline at its end
included, so send exactly the same bytes.

` + secretHelpLong,
		Example: `  sonzaihook sign body.json
  sonzaihook sign --at -10m < body.json
  curl --data-binary @body.json -H "Content-Type: application/json" \
    -H "` + sonzaihook.SignatureHeader + `: $(sonzaihook sign body.json)" http://localhost:8080/webhooks/sonzai`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := secretOf(c, secret)
			if err != nil {
				return err
			}
			signedAt, err := moment(at, c.Now())
			if err != nil {
				return err
			}
			body, err := readBody(c, first(args))
			if err != nil {
				return err
			}
			header, err := delivery.Sign(body, key, signedAt)
			if err != nil {
				return err
			}
			return c.Say(console.Plain(header))
		},
	}
	cmd.Flags().StringVar(&secret, "secret", "", secretHelp)
	cmd.Flags().StringVar(&at, "at", "now", "`time` to sign for: RFC 3339, Unix seconds, or a distance such as -10m")
	return cmd
}
