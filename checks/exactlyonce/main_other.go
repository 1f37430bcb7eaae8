//go:build !unix

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "exactlyonce: it kills processes with the signals of a Unix system")
	os.Exit(1)
}
