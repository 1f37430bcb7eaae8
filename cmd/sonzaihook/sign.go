package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
)

func newSign(a *app) *cobra.Command {
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
			key, err := a.secret(secret)
			if err != nil {
				return err
			}
			signedAt, err := moment(at, a.now())
			if err != nil {
				return err
			}
			body, err := a.body(first(args))
			if err != nil {
				return err
			}
			header, err := sign(body, key, signedAt)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, header)
			return err
		},
	}
	cmd.Flags().StringVar(&secret, "secret", "", secretHelp)
	cmd.Flags().StringVar(&at, "at", "now", "`time` to sign for: RFC 3339, Unix seconds, or a distance such as -10m")
	return cmd
}

// sign returns the header of a body. It refuses a secret or a time that no
// receiver would take.
func sign(body []byte, secret string, at time.Time) (string, error) {
	header := sonzaihook.Sign(body, secret, at)
	return header, sonzaihook.Verify(body, header, secret, at, time.Second)
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
