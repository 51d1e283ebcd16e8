package e2e

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent makes the kernel kill the process when the test binary dies,
// also by a timeout, so that no server is left behind.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

var starts = make(chan func())

// The signal is bound to the thread that started the process, so one thread
// that never ends starts them all.
func init() {
	go func() {
		runtime.LockOSThread()
		for f := range starts {
			f()
		}
	}()
}

func startProcess(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	done := make(chan error)
	starts <- func() { done <- cmd.Start() }
	return <-done
}
