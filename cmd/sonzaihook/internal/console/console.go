// Package console is how the commands meet their surroundings: the standard
// streams, the environment and the clock, colours, tables, and exit codes.
//
// Texts that come from the platform, a server or an event may hold anything. They
// reach a terminal only as a [Cell], whose Render escapes what could drive it, as
// JSON, where WriteJSON does, or in an error, where [ErrorLine] does.
package console

import (
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Console is what a command knows of the world around it.
type Console struct {
	In      io.Reader
	Out     io.Writer
	ErrOut  io.Writer
	Environ []string // "KEY=value", as os.Environ returns it
	Now     func() time.Time

	closed atomic.Bool // a write has found that nothing reads the output
}

// New returns the console of this process.
func New() *Console {
	return &Console{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr, Environ: os.Environ(), Now: time.Now}
}

// Getenv returns a variable of the environment, empty if it is not set. Where it
// is set twice the last one counts.
func (c *Console) Getenv(name string) string {
	value := ""
	for _, entry := range c.Environ {
		if key, v, _ := strings.Cut(entry, "="); key == name {
			value = v
		}
	}
	return value
}
