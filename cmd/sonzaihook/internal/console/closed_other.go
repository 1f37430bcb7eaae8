//go:build !unix

package console

import "os"

// unread cannot tell; the next write does.
func unread(*os.File) bool { return false }
