//go:build unix

package postgresserver

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user as which the server runs; the zero account is this process's.
type account struct{ credential *syscall.Credential }

func (a account) runs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential}
}

// giveUpRoot returns the user postgres if this process is root, and gives it the folder.
func giveUpRoot(dir string) (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		return account{}, fmt.Errorf("%w: no user postgres to run as: %w", ErrNotInstalled, err)
	}
	uid, err := strconv.Atoi(postgres.Uid)
	if err != nil {
		return account{}, fmt.Errorf("postgresserver: %w", err)
	}
	gid, err := strconv.Atoi(postgres.Gid)
	if err != nil {
		return account{}, fmt.Errorf("postgresserver: %w", err)
	}
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir, uid, gid)
}
