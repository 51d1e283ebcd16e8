package registry

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Errors of the package, for errors.Is. What wraps them is a sentence for the
// operator.
var (
	ErrUnknownTenant = errors.New("unknown tenant")
	ErrUnknownToken  = errors.New("unknown token")
	ErrExists        = errors.New("the tenant exists already")
	ErrDeleting      = errors.New("the tenant is being deleted")
	ErrInvalid       = errors.New("invalid")
	// ErrDamaged is for a record that was not written by this package.
	ErrDamaged = errors.New("damaged")
)

// Registry reads and writes the records of tenants and tokens. It remembers
// nothing, and is safe for concurrent use by several processes over one store.
type Registry struct{ store store.Store }

// New returns the registry of a store. It does no I/O.
func New(s store.Store) *Registry { return &Registry{s} }

// tenantName is what a tenant may be called: part of keys, of labels, of URLs.
var tenantName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ValidName tells whether name can be a tenant's: 1 to 63 characters of
// [a-z0-9-], not beginning with a hyphen.
func ValidName(name string) bool { return tenantName.MatchString(name) }

// CheckName is ValidName with an error for the operator.
func CheckName(name string) error {
	if ValidName(name) {
		return nil
	}
	return fmt.Errorf("%w: %q cannot be a tenant's name: use 1 to 63 characters of a-z, 0-9 and -, beginning with a letter or digit", ErrInvalid, clip(name))
}

// clip shortens what somebody typed, for an error.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func isConflict(err error) bool {
	var c *store.ConflictError
	return errors.As(err, &c)
}
