package transfer

import (
	"errors"
	"fmt"
)

// Sentinel errors, for errors.Is.
var (
	// ErrNotEmpty says that the tenant to import into has something already.
	ErrNotEmpty = errors.New("the tenant is not empty")
	// ErrCutOff says that an export lacks its last line.
	ErrCutOff = errors.New("the export was cut off: its last line is missing")
	// ErrNotBegun says that no import of the export was begun.
	ErrNotBegun = errors.New("no import of this export was begun")
)

// NotEmptyError is ErrNotEmpty with the tenant's name.
type NotEmptyError struct {
	Tenant string
	// Importing tells that another import into the tenant is under way.
	Importing bool
}

// Error implements error.
func (e *NotEmptyError) Error() string {
	if e.Importing {
		return fmt.Sprintf("another import into the tenant %s is under way: finish it, or delete the tenant and begin again", e.Tenant)
	}
	return fmt.Sprintf("the tenant %s is there already: delete it before it is imported", e.Tenant)
}

// Is makes errors.Is(err, ErrNotEmpty) true.
func (e *NotEmptyError) Is(target error) bool { return target == ErrNotEmpty }

// PositionError refuses a chunk that does not begin at the import's position.
type PositionError struct{ Position Position }

// Error implements error.
func (e *PositionError) Error() string {
	if e.Position.Done {
		return "the import is finished already"
	}
	return fmt.Sprintf("the import goes on behind the first %d lines", e.Position.Next)
}

// LineError says what is wrong with a line of an export. It never has anything
// of the line's values.
type LineError struct {
	Line   int // counted from 1
	Reason string
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }
