package scimmodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// NewToken says what token to mint.
type NewToken struct {
	Label   string    // a note for the operator, at most 100 characters
	Expires time.Time // zero for never
	// CreateTenant makes the tenant if there is none of the name.
	CreateTenant bool
}

// Minted is a token that was just made. Secret is its only copy.
type Minted struct {
	Secret string
	Info   TokenInfo
}

// TokenInfo tells of a token without revealing it.
type TokenInfo struct {
	ID      string
	Tenant  string
	Label   string
	Created time.Time
	Expires time.Time // zero for never
}

// tokenBody is the stored form of a token.
type tokenBody struct {
	Hash    string    `json:"hash"`
	Tenant  string    `json:"tenant"`
	Label   string    `json:"label,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

const byTenant = "tenant"

// CreateToken mints a token for a tenant. Errors: ErrUnknownTenant, ErrInvalid
// and the store's.
func (s *Service) CreateToken(ctx context.Context, tenant string, t NewToken) (Minted, error) {
	if !ValidTenantName(tenant) {
		return Minted{}, fmt.Errorf("%w: %q cannot be a tenant's name: use 1 to 63 characters of a-z, 0-9 and -, beginning with a letter or digit", ErrInvalid, clip(tenant, 64))
	}
	if utf8.RuneCountInString(t.Label) > 100 || containsControl(t.Label) {
		return Minted{}, fmt.Errorf("%w: a label has at most 100 characters, and no control characters", ErrInvalid)
	}
	if !t.Expires.IsZero() && !t.Expires.After(time.Now()) {
		return Minted{}, fmt.Errorf("%w: the token would have expired already", ErrInvalid)
	}
	if t.CreateTenant {
		if err := s.createTenant(ctx, tenant); err != nil {
			return Minted{}, err
		}
	}
	if _, err := s.tenant(ctx, tenant); err != nil {
		return Minted{}, err
	}
	secret := token.Mint()
	h := token.HashOf(secret)
	body, err := json.Marshal(tokenBody{Hash: h.String(), Tenant: tenant, Label: t.Label, Expires: t.Expires})
	if err != nil {
		return Minted{}, err
	}
	b := &store.Batch{
		Time:  now(),
		Put:   []store.Put{{Record: store.Record{Kind: store.Token, ID: h.ID(), Body: body}}},
		Index: []store.Entry{{Kind: store.Token, Key: store.Key{Index: byTenant, Value: tenant}, ID: h.ID()}},
	}
	if _, err := s.store.Commit(ctx, store.SystemTenant, b); err != nil {
		return Minted{}, err
	}
	return Minted{Secret: secret, Info: TokenInfo{ID: h.ID(), Tenant: tenant, Label: t.Label, Created: b.Time, Expires: t.Expires}}, nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

func containsControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return true
		}
	}
	return false
}

// Tokens lists the minted tokens of a tenant, by id. Static ones are the
// configuration's and not listed.
func (s *Service) Tokens(ctx context.Context, tenant string) ([]TokenInfo, error) {
	if _, err := s.tenant(ctx, tenant); err != nil {
		return nil, err
	}
	var list []TokenInfo
	q := store.Query{Kind: store.Token, Key: &store.Key{Index: byTenant, Value: tenant}, Limit: 1000}
	for {
		p, err := s.store.Scan(ctx, store.SystemTenant, q)
		if err != nil {
			return nil, err
		}
		for _, r := range p.Records {
			b, err := readToken(r)
			if err != nil {
				return nil, err
			}
			list = append(list, TokenInfo{ID: r.ID, Tenant: b.Tenant, Label: b.Label, Created: r.Created, Expires: b.Expires})
		}
		if q.After = p.Next; q.After == "" {
			return list, nil
		}
	}
}

// RevokeToken ends a token: at once on this process, within the time that a
// verdict is remembered on others. Errors: ErrUnknownToken and the store's.
func (s *Service) RevokeToken(ctx context.Context, tenant, id string) error {
	for {
		rs, err := s.store.Get(ctx, store.SystemTenant, store.Token, id)
		if err != nil {
			return err
		}
		if len(rs) == 0 {
			return fmt.Errorf("%w %s", ErrUnknownToken, clip(id, 64))
		}
		b, err := readToken(rs[0])
		if err != nil {
			return err
		}
		if b.Tenant != tenant {
			return fmt.Errorf("%w %s", ErrUnknownToken, clip(id, 64))
		}
		_, err = s.store.Commit(ctx, store.SystemTenant, &store.Batch{
			Time:    now(),
			Delete:  []store.Delete{{Kind: store.Token, ID: id, Expect: rs[0].Version}},
			Unindex: []store.Entry{{Kind: store.Token, Key: store.Key{Index: byTenant, Value: tenant}, ID: id}},
		})
		var changed *store.ConflictError
		if errors.As(err, &changed) {
			continue
		}
		s.forgetVerdicts()
		return err
	}
}

func readToken(r store.Record) (tokenBody, error) {
	var b tokenBody
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return b, fmt.Errorf("stored token %s is damaged: %w", r.ID, err)
	}
	return b, nil
}
