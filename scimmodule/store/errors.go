package store

import (
	"errors"
	"fmt"
)

// Sentinel errors; see Store for which call returns which.
var (
	ErrNotFound    = errors.New("store: not found")
	ErrTooLarge    = errors.New("store: batch too large")
	ErrUnavailable = errors.New("store: unavailable")
	ErrUncertain   = errors.New("store: commit may or may not have been applied")
	ErrSystem      = errors.New("store: the system tenant cannot be dropped")
)

// ConflictError says that a record was not in the expected version, existed or
// did not exist against expectation, still had edges, or did not hold a key
// that was to be released. The caller reads again and decides again.
type ConflictError struct {
	Kind Kind
	ID   string
}

// Error implements error. It leaves the id out: a client may have chosen it.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("store: a %s changed meanwhile", e.Kind)
}

// UniqueError says that a key is claimed by another record.
type UniqueError struct {
	Kind   Kind
	Index  string
	Holder string // the id that holds the key
}

// Error implements error. It leaves the value out: it may be personal.
func (e *UniqueError) Error() string {
	return fmt.Sprintf("store: %s key of index %s is taken", e.Kind, e.Index)
}

// MissingError says that a group, or members to be added, do not exist.
type MissingError struct {
	Kind Kind // Group for the group itself; empty for members
	IDs  []string
}

// Error implements error. It leaves the ids out: a client may have chosen them.
func (e *MissingError) Error() string {
	return fmt.Sprintf("store: %d ids not found", len(e.IDs))
}

// Is makes errors.Is(err, ErrNotFound) true.
func (e *MissingError) Is(target error) bool { return target == ErrNotFound }

// TruncatedError says that a reader of the change log fell behind.
type TruncatedError struct {
	// Oldest is the lowest value of after that can be served; a reader that
	// starts over reads the records first and then the log from the revision
	// it saw before.
	Oldest uint64
}

// Error implements error.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("store: change log before %d was trimmed", e.Oldest)
}
