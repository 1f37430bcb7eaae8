//go:build !unix

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "rotation: it kills processes with the signals of a Unix system")
	os.Exit(1)
}
