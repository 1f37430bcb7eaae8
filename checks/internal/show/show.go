// Package show prints what the checks print alike.
package show

import (
	"encoding/json"
	"fmt"
	"os"
)

// Progress returns a function that draws a line which counts up, with a name before
// it, or nil if the standard error is no terminal.
func Progress(name string) func(taken, copies int) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(taken, copies int) {
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d copies taken", name, taken, copies)
		if taken == copies {
			fmt.Fprint(os.Stderr, "\r\033[K")
		}
	}
}

// JSON prints a report for machines.
func JSON(report any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}
