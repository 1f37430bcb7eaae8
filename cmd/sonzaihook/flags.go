package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// The flags and inputs that several commands share.

// secretVariable is where a secret is looked for if no flag names one.
const secretVariable = "SONZAI_WEBHOOK_SECRET"

const secretHelp = "signing `secret`, or @file to read it from one; better set " + secretVariable +
	", since a flag shows in the list of processes"

// secretHelpLong goes into the long help of each command that needs a secret.
const secretHelpLong = `The secret comes from ` + secretVariable + `, or from --secret, which others on the
machine can see in the list of processes unless it names a file (--secret @file).
The newline at the end of such a file is not a part of the secret. No command ever
prints a secret.`

var errNoSecret = errors.New("no secret: set " + secretVariable + " or give --secret @file")

// secretOf returns the one secret of a command.
func secretOf(c *console.Console, flag string) (string, error) {
	secrets, err := secretsOf(c, []string{flag})
	if err != nil {
		return "", err
	}
	return secrets[0], nil
}

// secretsOf returns the secrets that the flags name or hold, or else the one of the
// environment.
func secretsOf(c *console.Console, flags []string) ([]string, error) {
	var secrets []string
	for _, flag := range flags {
		if flag == "" {
			continue
		}
		secret, err := reveal(flag)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		secrets = append(secrets, apart(secret)...)
	}
	if len(secrets) > 0 {
		return secrets, nil
	}
	if secret := c.Getenv(secretVariable); secret != "" {
		return []string{secret}, nil
	}
	return nil, errNoSecret
}

// apart splits the content of a file that has a secret a line, the newest first, as
// during a rotation. Any other content is one secret, right or wrong.
func apart(content string) []string {
	lines := strings.FieldsFunc(content, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range lines {
		if !strings.HasPrefix(line, "whsec_") {
			return []string{content}
		}
	}
	if len(lines) < 2 {
		return []string{content}
	}
	return lines
}

// secretFor returns the secret of an event type and a project: {event} and {project}
// in the name of a file stand for them.
func secretFor(c *console.Console, flag string, of place) (string, error) {
	if !strings.HasPrefix(flag, "@") {
		return secretOf(c, flag)
	}
	name, err := of.file(flag)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return secretOf(c, name)
}

// reveal returns a value that a flag holds, or the content of the file that it
// names with "@".
func reveal(flag string) (string, error) {
	name, isFile := strings.CutPrefix(flag, "@")
	if !isFile {
		return flag, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("the file %s is empty", name)
	}
	return value, nil
}

// readBody reads the whole of a file, or of the standard input for "-" and "".
func readBody(c *console.Console, name string) ([]byte, error) {
	if name != "" && name != "-" {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		return body, nil
	}
	body, err := io.ReadAll(c.In)
	if err != nil {
		return nil, fmt.Errorf("body: standard input: %w", err)
	}
	return body, nil
}

// moment reads a time as people and logs write it: RFC 3339, Unix seconds, "now",
// or a distance from now such as -10m.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "now" {
		return now, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if unix, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(unix, 0), nil
	}
	if distance, err := time.ParseDuration(text); err == nil {
		return now.Add(distance), nil
	}
	return time.Time{}, fmt.Errorf("time %q: want RFC 3339, Unix seconds, now, or a distance such as -10m", text)
}

// atMost refuses more arguments than n without repeating them: one of them may be
// a secret.
func atMost(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%d arguments, at most %d taken; see --help", len(args), n)
		}
		return nil
	}
}

const sinceHelp = "leave out what is older than this `time`: RFC 3339, Unix seconds, or how long ago, as in 2h"

// past reads a time of --since, where a distance counts back. The zero time
// means that there is no limit.
func past(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if distance, err := time.ParseDuration(text); err == nil {
		return now.Add(-distance.Abs()), nil
	}
	at, err := moment(text, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("--since: %w", err)
	}
	return at, nil
}

// first returns the first argument, empty if there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// noneButCommands refuses arguments of a command that only has subcommands.
func noneButCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return fmt.Errorf("unknown command %q for %q: want %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))
}

// requireFlags marks flags as required. They must exist.
func requireFlags(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
}

// checkURL refuses a text that is not an absolute http or https URL.
func checkURL(flag, text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New(flag + ": want an absolute http or https URL, as in http://localhost:8080/webhooks/sonzai")
	}
	return nil
}
