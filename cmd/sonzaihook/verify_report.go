package main

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/diagnosis"
)

// renderReport writes a report for a person.
func renderReport(report diagnosis.Report, header string, secrets, columns int) string {
	var text strings.Builder
	if report.Valid {
		about := "signed " + report.SignedAt.Format(time.RFC3339)
		if secrets > 1 {
			about += fmt.Sprintf(" with secret %d of %d", report.Secret, secrets)
		}
		text.WriteString(console.Render(console.Good("✓ valid"), console.Faint("  "+about)) + "\n")
	} else {
		count := console.Counted(len(report.Problems), "problem")
		text.WriteString(console.Render(console.Bad("✗ invalid"), console.Faint("  "+count)) + "\n")
	}
	for _, problem := range report.Problems {
		text.WriteString("\n" + renderProblem(problem, header, columns))
	}
	if report.Authentic && !report.Valid {
		text.WriteString("\n" + console.Good("  ✓ the secret and the body are right").Render() + "\n")
	}
	return text.String()
}

// The kinds are in the first column, the texts in the second.
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
	texts := []string{console.Plain(what).Wrap(wide)}
	if p.Column > 0 {
		texts = append(texts, point(header, p.Column, wide))
	}
	if p.Fix != "" {
		texts = append(texts, console.Faint("→ "+p.Fix).Wrap(wide))
	}
	kind := console.Label("  " + string(p.Kind)).Wrap(kindWidth)
	block := lipgloss.JoinHorizontal(lipgloss.Top, kind, lipgloss.JoinVertical(lipgloss.Left, texts...))
	return console.TrimLines(block) + "\n"
}

// point draws a caret under a column of the header. Long values are shortened,
// since a signature is private.
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
		emit(console.Printable(r))
	}
	if column > len(header) {
		caret = shown
	}
	if shown > wide || caret >= wide {
		return console.Faint("(too long to show)").Render()
	}
	return console.Calm(line.String()).Render() + "\n" + strings.Repeat(" ", caret) + console.Bad("^").Render()
}

// valueLength returns how many bytes there are up to and with the next separator.
func valueLength(text string) int {
	if i := strings.IndexAny(text, ",;="); i >= 0 {
		return i + 1
	}
	return len(text)
}
