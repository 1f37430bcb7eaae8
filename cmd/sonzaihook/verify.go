package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/diagnosis"
)

// asSigned is the value of --at that leaves the clock out of the question.
const asSigned = "signed"

func newVerify(a *app) *cobra.Command {
	v := verification{app: a}
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
	if err := cmd.MarkFlagRequired("signature"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// verification is one run of the verify command.
type verification struct {
	app       *app
	secrets   []string
	header    string
	at        string
	tolerance time.Duration
	json      bool
}

func (v *verification) run(file string) error {
	report, err := v.explain(file)
	if err != nil {
		return err
	}
	if v.json {
		err = json.NewEncoder(v.app.out).Encode(report)
	} else {
		err = printReport(v.app.paper(v.app.out), report, v.header, len(v.secrets), width(v.app.out))
	}
	if err == nil && !report.Valid {
		err = answerNo{}
	}
	return err
}

func (v *verification) explain(file string) (diagnosis.Report, error) {
	secrets, err := v.app.secrets(v.secrets)
	if err != nil {
		return diagnosis.Report{}, err
	}
	if v.tolerance <= 0 {
		return diagnosis.Report{}, fmt.Errorf("--tolerance %v: it must be positive", v.tolerance)
	}
	in := diagnosis.Input{Header: v.header, Secrets: secrets, Tolerance: v.tolerance, AsSigned: v.at == asSigned}
	if !in.AsSigned {
		if in.Now, err = moment(v.at, v.app.now()); err != nil {
			return diagnosis.Report{}, err
		}
	}
	if in.Body, err = v.app.body(file); err != nil {
		return diagnosis.Report{}, err
	}
	return diagnosis.Explain(in), nil
}

// printReport writes a report for a person.
func printReport(w io.Writer, report diagnosis.Report, header string, secrets, columns int) error {
	var text strings.Builder
	if report.Valid {
		about := "signed " + report.SignedAt.Format(time.RFC3339)
		if secrets > 1 {
			about += fmt.Sprintf(" with secret %d of %d", report.Secret, secrets)
		}
		text.WriteString(good.Render("✓ valid") + faint.Render("  "+about) + "\n")
	} else {
		text.WriteString(bad.Render("✗ invalid") + faint.Render("  "+counted(len(report.Problems), "problem")) + "\n")
	}
	for _, problem := range report.Problems {
		text.WriteString("\n" + renderProblem(problem, header, columns))
	}
	if report.Authentic && !report.Valid {
		text.WriteString("\n" + good.Render("  ✓ the secret and the body are right") + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// The kinds stand in a column of their own, the texts beside it.
const (
	kindWidth = 10
	textWidth = 96
)

func renderProblem(p diagnosis.Problem, header string, columns int) string {
	wide := textWidth
	if columns > 0 {
		wide = max(min(wide, columns-kindWidth), 30)
	}
	what := p.What
	if p.Column > 0 {
		what = fmt.Sprintf("column %d: %s", p.Column, what)
	}
	texts := []string{plain.Width(wide).Render(what)}
	if p.Column > 0 {
		texts = append(texts, point(header, p.Column, wide))
	}
	if p.Fix != "" {
		texts = append(texts, faint.Width(wide).Render("→ "+p.Fix))
	}
	kind := warn.Bold(true).Width(kindWidth).Render("  " + string(p.Kind))
	block := lipgloss.JoinHorizontal(lipgloss.Top, kind, lipgloss.JoinVertical(lipgloss.Left, texts...))
	return trimLines(block) + "\n"
}

// point draws a caret under a column of the header. Long values are shortened,
// since a signature is nobody's business but the receiver's.
func point(header string, column, wide int) string {
	const (
		long = 24 // from which length on a value is shortened
		edge = 6  // how much of it stays at its ends and beside the caret
	)
	var line strings.Builder
	caret, shown, skipping := 0, 0, false
	emit := func(r rune) {
		line.WriteRune(r)
		shown++
	}
	start, end := 0, 0
	for i, r := range header {
		if i >= end {
			start, end = i, i+valueLength(header[i:])
		}
		if i+1 == column {
			caret = shown
		}
		inside := end-start > long && i-start >= edge && end-i > edge
		if near := column - 1 - i; inside && (near > edge || near < -edge) {
			if !skipping {
				emit('…')
			}
			skipping = true
			continue
		}
		skipping = false
		emit(printable(r))
	}
	if column > len(header) {
		caret = shown
	}
	if shown > wide || caret >= wide {
		return faint.Render("(too long to show)")
	}
	return calm.Render(line.String()) + "\n" + strings.Repeat(" ", caret) + bad.Render("^")
}

// valueLength returns how many bytes there are up to and with the next separator.
func valueLength(text string) int {
	if i := strings.IndexAny(text, ",;="); i >= 0 {
		return i + 1
	}
	return len(text)
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
		return '·'
	}
	return r
}
