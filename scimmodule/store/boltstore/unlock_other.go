//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package boltstore

import "os"

// unlock does nothing: here, closing a file drops its lock.
func unlock(*os.File) error { return nil }
