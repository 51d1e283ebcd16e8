package scimerr

import (
	"fmt"
	"net/http"
	"strings"
)

// Type is a SCIM detail error keyword (RFC 7644 §3.12 table 9, RFC 9865 §2.1).
type Type string

// The keywords in use. None is for errors to which the RFC gives no keyword.
const (
	None          Type = ""
	InvalidFilter Type = "invalidFilter"
	TooMany       Type = "tooMany"
	Uniqueness    Type = "uniqueness"
	Mutability    Type = "mutability"
	InvalidSyntax Type = "invalidSyntax"
	InvalidPath   Type = "invalidPath"
	NoTarget      Type = "noTarget"
	InvalidValue  Type = "invalidValue"
	InvalidCursor Type = "invalidCursor"
	InvalidCount  Type = "invalidCount"
)

// Error is an error as a client sees it. Detail is shown to the customer's
// administrator in the identity provider's portal: it names attributes and ids
// that the client sent, never stored values, and says what to do.
type Error struct {
	Status int    // HTTP status, 400 to 599
	Type   Type   // empty where the RFC has no keyword
	Detail string // a sentence in English
	// RetryAfter, in seconds, is sent as a Retry-After header where positive.
	RetryAfter int
	// Limit is the limit's name in the configuration where a limit was met, else
	// empty. It is for counters only; it never reaches a client.
	Limit string
	// Cause is for the log only; it never reaches a client.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scim: %d", e.Status)
	if e.Type != None {
		b.WriteString(" " + string(e.Type))
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// Unwrap returns the cause, so that errors.Is sees through to the store's errors.
func (e *Error) Unwrap() error { return e.Cause }

// At names the limit that was met, and returns e.
func (e *Error) At(limit string) *Error {
	e.Limit = limit
	return e
}

// New returns an error with the given status, keyword and formatted detail.
func New(status int, t Type, format string, args ...any) *Error {
	return &Error{Status: status, Type: t, Detail: fmt.Sprintf(format, args...)}
}

// BadRequest returns a 400 with the given keyword.
func BadRequest(t Type, format string, args ...any) *Error {
	return New(http.StatusBadRequest, t, format, args...)
}

// Unavailable returns a 503 that asks the client to come back after the given
// number of seconds.
func Unavailable(retryAfter int, cause error, format string, args ...any) *Error {
	e := New(http.StatusServiceUnavailable, None, format, args...)
	e.RetryAfter, e.Cause = retryAfter, cause
	return e
}
