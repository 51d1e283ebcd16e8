//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package boltstore

import (
	"os"
	"syscall"
)

// unlock drops bbolt's lock on a file. Closing the file would not, while a
// mapping of it is left.
func unlock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
}
