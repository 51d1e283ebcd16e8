package registry

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// Scope is what a token may do.
type Scope string

// The scopes. A token without one may provision.
const (
	Provision Scope = "provision" // everything
	Read      Scope = "read"      // nothing that changes something
)

// Token is a minted token, without its secret, of which only the hash is kept.
type Token struct {
	ID      string // the first 16 digits of the hash
	Tenant  string
	Label   string // a note for the operator, at most 100 characters
	Scope   Scope
	Created time.Time
	Expires time.Time // zero for never
	// Used is when a request last bore it, to the minute; zero for never.
	Used time.Time
	// Addresses are those that requests with it may come from; empty for all.
	Addresses []netip.Prefix
	// Damaged is why the record cannot be read: only the ID is known then. Only
	// Tokens returns such. It is nobody's token, and can be revoked.
	Damaged error

	hash    string
	version uint64
}

// tokenBody is the stored form of a token.
type tokenBody struct {
	Hash      string         `json:"hash"`
	Tenant    string         `json:"tenant"`
	Label     string         `json:"label,omitempty"`
	Scope     Scope          `json:"scope,omitempty"`
	Expires   time.Time      `json:"expires,omitzero"`
	Used      time.Time      `json:"used,omitzero"`
	Addresses []netip.Prefix `json:"addresses,omitempty"`
}

const byTenant = "tenant"

// maxAddresses bounds a token's list of addresses.
const maxAddresses = 200

func readToken(r store.Record) (Token, error) {
	var b tokenBody
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return Token{}, fmt.Errorf("stored token %s is %w: %w", r.ID, ErrDamaged, err)
	}
	if b.Scope == "" {
		b.Scope = Provision
	}
	return Token{ID: r.ID, Tenant: b.Tenant, Label: b.Label, Scope: b.Scope, Created: r.Created, Expires: b.Expires, Used: b.Used,
		Addresses: b.Addresses, hash: b.Hash, version: r.Version}, nil
}

func (t Token) body() ([]byte, error) {
	return json.Marshal(tokenBody{t.hash, t.Tenant, t.Label, t.Scope, t.Expires, t.Used, t.Addresses})
}

// CheckToken refuses a token's record, of an import, that is not one of the tenant:
// it could be another's, and nobody would see it in the list of that one's tokens.
func CheckToken(tenant string, r store.Record) error {
	t, err := readToken(r)
	if err != nil {
		return errors.New("its body is damaged")
	}
	h, ok := token.ParseHash(t.hash)
	switch {
	case !ok || h.ID() != r.ID:
		return errors.New("its id is not that of its hash")
	case t.Tenant != tenant:
		return errors.New("it is a token of another tenant")
	case t.Scope != Provision && t.Scope != Read, len(t.Addresses) > maxAddresses, containsControl(t.Label):
		return errors.New("its scope, addresses or label are not ones that a token can have")
	}
	return nil
}

// Check refuses a token that cannot be minted.
func (t Token) Check() error {
	if err := CheckName(t.Tenant); err != nil {
		return err
	}
	switch {
	case utf8.RuneCountInString(t.Label) > 100 || !utf8.ValidString(t.Label) || containsControl(t.Label):
		return fmt.Errorf("%w: a label has at most 100 characters, and no control characters", ErrInvalid)
	case !t.Expires.IsZero() && !t.Expires.After(time.Now()):
		return fmt.Errorf("%w: expires has to be in the future", ErrInvalid)
	case t.Scope != Provision && t.Scope != Read:
		return fmt.Errorf("%w: scope %.50q: want provision or read", ErrInvalid, string(t.Scope))
	case len(t.Addresses) > maxAddresses:
		return fmt.Errorf("%w: a token has at most %d ranges of addresses", ErrInvalid, maxAddresses)
	}
	return nil
}

func containsControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return true
		}
	}
	return false
}

// Mint makes a token of t, whose ID and Created it sets, and returns the only
// copy of the secret. ErrInvalid where Check refuses.
func (r *Registry) Mint(ctx context.Context, t Token) (secret string, _ Token, _ error) {
	if t.Scope == "" {
		t.Scope = Provision
	}
	if err := t.Check(); err != nil {
		return "", t, err
	}
	secret = token.Mint()
	h := token.HashOf(secret)
	t.ID, t.hash, t.Created = h.ID(), h.String(), now()
	body, err := t.body()
	if err != nil {
		return "", t, err
	}
	b := &store.Batch{
		Time:  t.Created,
		Put:   []store.Put{{Record: store.Record{Kind: store.Token, ID: t.ID, Body: body}}},
		Index: []store.Entry{{Kind: store.Token, Key: store.Key{Index: byTenant, Value: t.Tenant}, ID: t.ID}},
	}
	res, err := r.store.Commit(ctx, store.SystemTenant, b)
	if err != nil {
		return "", t, err
	}
	t.version = res.Revision
	return secret, t, nil
}

// Token finds the token of a hash: by its public id, and then by the whole, in
// constant time.
func (r *Registry) Token(ctx context.Context, h token.Hash) (t Token, found bool, err error) {
	rs, err := r.store.Get(ctx, store.SystemTenant, store.Token, h.ID())
	if err != nil || len(rs) == 0 {
		return Token{}, false, err
	}
	if t, err = readToken(rs[0]); err != nil {
		return Token{}, false, err
	}
	kept, ok := token.ParseHash(t.hash)
	return t, ok && kept.Equal(h), nil
}

// Tokens calls f with each token of a tenant, or of all tenants where tenant is
// empty, by id.
func (r *Registry) Tokens(ctx context.Context, tenant string, f func(Token)) error {
	q := store.Query{Kind: store.Token, Limit: 1000}
	if tenant != "" {
		q.Key = &store.Key{Index: byTenant, Value: tenant}
	}
	for {
		p, err := r.store.Scan(ctx, store.SystemTenant, q)
		if err != nil {
			return err
		}
		for _, rec := range p.Records {
			t, err := readToken(rec)
			if err != nil { // one must not hide the others
				t = Token{ID: rec.ID, Damaged: err}
			}
			f(t)
		}
		if q.After = p.Next; q.After == "" {
			return nil
		}
	}
}

// TokenIDs calls f with the id of each token of all tenants.
func (r *Registry) TokenIDs(ctx context.Context, f func(id string)) error {
	q := store.Query{Kind: store.Token, Limit: 10_000, IDsOnly: true}
	for {
		p, err := r.store.Scan(ctx, store.SystemTenant, q)
		if err != nil {
			return err
		}
		for _, rec := range p.Records {
			f(rec.ID)
		}
		if q.After = p.Next; q.After == "" {
			return nil
		}
	}
}

// CountTokens returns how many tokens a tenant has.
func (r *Registry) CountTokens(ctx context.Context, tenant string) (int, error) {
	p, err := r.store.Scan(ctx, store.SystemTenant, store.Query{Kind: store.Token, Key: &store.Key{Index: byTenant, Value: tenant}})
	return p.Total, err
}

// Revoke removes a token of a tenant. Errors: ErrUnknownToken and the store's.
func (r *Registry) Revoke(ctx context.Context, tenant, id string) error {
	for {
		t, err := r.byID(ctx, id)
		if errors.Is(err, ErrDamaged) {
			t, err = Token{Tenant: tenant, version: store.Any}, nil
		}
		if err != nil {
			return err
		}
		if t.version == 0 || t.Tenant != tenant {
			return fmt.Errorf("%w %s", ErrUnknownToken, clip(id))
		}
		_, err = r.store.Commit(ctx, store.SystemTenant, &store.Batch{
			Time:    now(),
			Delete:  []store.Delete{{Kind: store.Token, ID: id, Expect: t.version}},
			Unindex: []store.Entry{{Kind: store.Token, Key: store.Key{Index: byTenant, Value: tenant}, ID: id}},
		})
		if !isConflict(err) {
			return err
		}
	}
}

// Touch notes that a token was used. One that is revoked meanwhile is left alone.
func (r *Registry) Touch(ctx context.Context, id string, at time.Time) error {
	for {
		t, err := r.byID(ctx, id)
		if err != nil || t.version == 0 || !at.After(t.Used) {
			return err
		}
		t.Used = at.UTC().Truncate(time.Second)
		body, err := t.body()
		if err != nil {
			return err
		}
		rec := store.Record{Kind: store.Token, ID: id, Created: t.Created, Body: body}
		_, err = r.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: now(), Put: []store.Put{{Record: rec, Expect: t.version}}})
		if !isConflict(err) {
			return err
		}
	}
}

// byID returns a token without a version where there is none of the id.
func (r *Registry) byID(ctx context.Context, id string) (Token, error) {
	if _, err := hex.DecodeString(id); err != nil || id == "" {
		return Token{}, nil // no token's id
	}
	rs, err := r.store.Get(ctx, store.SystemTenant, store.Token, id)
	if err != nil || len(rs) == 0 {
		return Token{}, err
	}
	return readToken(rs[0])
}
