package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// How the commands write times, numbers, and the texts of others.

// oneLine keeps a text of the platform from breaking lines or driving the
// terminal.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if printable(r) != r {
			return ' '
		}
		return r
	}, text)), " ")
}

// pad fills a column of a line up, with a space behind it in any case.
func pad(text string, wide int) string {
	text = oneLine(text)
	return text + strings.Repeat(" ", max(1, wide-ansi.StringWidth(text)))
}

// counted writes a number of things: "1 problem", "2 problems".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// milliseconds writes a duration as people compare them: "0.84 ms", "12 ms".
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ago writes a time of the platform for people: how long ago it was, or the day.
func (a *app) ago(t sonzaiapi.Time) string {
	if t.Time.IsZero() {
		return oneLine(t.Text)
	}
	switch past := a.now().Sub(t.Time); {
	case past < 0, past > 14*24*time.Hour:
		return t.UTC().Format("2006-01-02 15:04Z")
	case past > 48*time.Hour:
		return fmt.Sprintf("%d days ago", int(past.Hours()/24))
	case past > time.Hour:
		return fmt.Sprintf("%d h ago", int(past.Hours()))
	case past > time.Minute:
		return fmt.Sprintf("%d min ago", int(past.Minutes()))
	case past > time.Second:
		return fmt.Sprintf("%d s ago", int(past.Seconds()))
	}
	return "now"
}

// day writes a time of the platform to the second.
func day(t sonzaiapi.Time) string {
	if t.Time.IsZero() {
		return oneLine(t.Text)
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
