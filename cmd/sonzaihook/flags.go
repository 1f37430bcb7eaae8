package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
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

// secret returns the one secret of a command.
func (a *app) secret(flag string) (string, error) {
	secrets, err := a.secrets([]string{flag})
	if err != nil {
		return "", err
	}
	return secrets[0], nil
}

// secrets returns the secrets that the flags name or hold, or else the one of the
// environment.
func (a *app) secrets(flags []string) ([]string, error) {
	var secrets []string
	for _, flag := range flags {
		if flag == "" {
			continue
		}
		secret, err := reveal(flag)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) > 0 {
		return secrets, nil
	}
	if secret := a.getenv(secretVariable); secret != "" {
		return []string{secret}, nil
	}
	return nil, errNoSecret
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

// body reads the whole of a file, or of the standard input for "-" and "".
func (a *app) body(name string) ([]byte, error) {
	if name != "" && name != "-" {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		return body, nil
	}
	body, err := io.ReadAll(a.in)
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
