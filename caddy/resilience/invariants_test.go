package resilience

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

// openStore opens what a Caddy that has ended left behind: the bolt file, or
// Redis where there is one.
func openStore(t *testing.T, boltFile string, r *e2e.Redis) store.Store {
	t.Helper()
	var s store.Store
	var err error
	if r != nil {
		s, err = redisstore.New(redisstore.Options{Addresses: []string{r.Addr()}, ReadTimeout: time.Minute})
	} else {
		s, err = boltstore.Open(t.Context(), boltstore.Options{Path: boltFile})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkStore walks a tenant's store and reports every record, key, edge and log
// entry that does not agree with the others.
func checkStore(t *testing.T, boltFile string, r *e2e.Redis, tenant string) {
	t.Helper()
	s := openStore(t, boltFile, r)
	err := storetest.CheckInvariants(t.Context(), s, tenant, storetest.Options{Logged: true, Keys: expectedKeys})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Errorf("the store of tenant %s: %v", tenant, err)
	}
}

// expectedKeys says under which keys a record must be found, from its body alone.
func expectedKeys(r store.Record) (unique, index []store.Key) {
	var body struct {
		UserName, DisplayName, ExternalID string
		Emails                            []struct{ Value string }
	}
	if len(r.Body) == 0 || r.Kind != store.User && r.Kind != store.Group && r.Kind != store.Archived {
		return nil, nil
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return []store.Key{{Index: "damaged." + string(r.Kind)}}, nil
	}
	key := func(name, value string) []store.Key {
		if value == "" {
			return nil
		}
		return []store.Key{{Index: name, Value: value}}
	}
	index = key("externalId", body.ExternalID)
	switch r.Kind {
	case store.User:
		unique = key("userName", attr.Fold(body.UserName))
		for _, e := range body.Emails {
			index = append(index, key("emails", attr.Fold(e.Value))...)
		}
	case store.Group:
		unique = key("displayName", attr.Fold(body.DisplayName))
		index = append(index, unique...)
	case store.Archived:
		index = append(index, key("userName", attr.Fold(body.UserName))...)
	}
	return unique, index
}
