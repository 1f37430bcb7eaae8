package sonzaihook

import (
	"fmt"

	"github.com/sonzaihook/sonzaihook/internal/once"
)

// Text for the log: of bounded length, and from errors whose methods may panic.

// The bounds of what is logged, in bytes.
const (
	maxLoggedText  = 2 << 10
	maxLoggedName  = 256
	maxLoggedStack = 16 << 10
)

// bounded returns text, cut off at a limit.
func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:limit], len(text))
}

// textOf returns the text of an error, whose methods may panic.
func textOf(err error) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("an error of type %T whose Error panics: %s", err, once.PanicText(v))
		}
	}()
	return err.Error()
}
