package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/diagnosis"
)

// asSigned is the value of --at that skips the check of the clock.
const asSigned = "signed"

func newVerify(c *console.Console) *cobra.Command {
	v := verifyOptions{console: c}
	cmd := &cobra.Command{
		Use:   "verify [file]",
		Short: "Say why a signature fails",
		Long: `Verify reads the body of a delivery from a file or the standard input, checks it
against a signature without any network, and says everything that is wrong: with the
form of the header, the clock, the secret, and the body. To find out what happened it
computes the signature again for the body as it may have been before something
changed it, and for the secret in other forms.

` + secretHelpLong + `

The exit code is 0 if the signature is valid, 1 if it is not, and 2 for wrong usage.`,
		Example: `  sonzaihook verify --signature "t=1767225600,v1=4676…" < body.json
  sonzaihook verify --signature "$HEADER" --at signed body.json   # leave the clock out
  sonzaihook verify --secret @old --secret @new --signature "$HEADER" body.json`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error { return v.run(first(args)) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&v.secrets, "secret", nil, secretHelp+"; several may be given")
	flags.StringVar(&v.header, "signature", "", "the `value` of the header "+sonzaihook.SignatureHeader)
	flags.StringVar(&v.at, "at", "now", "`time` at which the delivery arrived: RFC 3339, Unix seconds, a distance such as -10m, or "+asSigned)
	flags.DurationVar(&v.tolerance, "tolerance", sonzaihook.DefaultTolerance, "how far the time in the signature may be from that")
	flags.BoolVar(&v.json, "json", false, "print one JSON object")
	requireFlags(cmd, "signature")
	return cmd
}

// verifyOptions are the flags of the verify command.
type verifyOptions struct {
	console   *console.Console
	secrets   []string
	header    string
	at        string
	tolerance time.Duration
	json      bool
}

func (v *verifyOptions) run(file string) error {
	in, err := v.input(file)
	if err != nil {
		return err
	}
	report := diagnosis.Explain(in)
	if v.json {
		err = v.console.WriteJSON(report)
	} else {
		err = v.console.Write(renderReport(report, v.header, len(in.Secrets), v.console.Width()))
	}
	if err == nil && !report.Valid {
		err = console.No("")
	}
	return err
}

func (v *verifyOptions) input(file string) (diagnosis.Input, error) {
	secrets, err := secretsOf(v.console, v.secrets)
	if err != nil {
		return diagnosis.Input{}, err
	}
	if v.tolerance <= 0 {
		return diagnosis.Input{}, fmt.Errorf("--tolerance %v: it must be positive", v.tolerance)
	}
	in := diagnosis.Input{Header: v.header, Secrets: secrets, Tolerance: v.tolerance, AsSigned: v.at == asSigned}
	if !in.AsSigned {
		if in.Now, err = moment(v.at, v.console.Now()); err != nil {
			return diagnosis.Input{}, err
		}
	}
	if in.Body, err = readBody(v.console, file); err != nil {
		return diagnosis.Input{}, err
	}
	return in, nil
}
