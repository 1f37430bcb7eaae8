//go:build !unix

package postgresserver

import "os/exec"

// account is the user as which the server runs: this process's.
type account struct{}

func (account) runs(*exec.Cmd) {}

func giveUpRoot(string) (account, error) { return account{}, nil }
