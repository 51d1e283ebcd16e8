package redisstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// keyspace names the keys of one tenant. Its start ends behind the hash tag,
// so that all of them are in one slot of a cluster.
type keyspace struct{ start string }

// families maps a kind to the name of the sorted set that lists its ids.
var families = map[store.Kind]string{
	store.User:      "users",
	store.Group:     "groups",
	store.Archived:  "archived",
	store.Tombstone: "tombstones",
	store.Token:     "tokens",
	store.Tenant:    "tenants",
	store.Sweep:     "sweeps",
	store.Report:    "reports",
	store.Lease:     "leases",
	store.Import:    "imports",
}

var (
	errBadID  = errors.New("redisstore: an id is not one that a record can have")
	errTenant = errors.New("redisstore: a tenant's name must not be empty or contain braces")
	errQuery  = errors.New("redisstore: bad query")
)

func (s *Store) keyspace(tenant string) (keyspace, error) {
	if tenant == "" || strings.ContainsAny(tenant, "{}") {
		return keyspace{}, errTenant
	}
	return keyspace{s.opt.Prefix + ":{" + tenant + "}:"}, nil
}

func checkKind(kind store.Kind) error {
	if families[kind] == "" {
		return fmt.Errorf("redisstore: unknown kind %q", string(kind))
	}
	return nil
}

// part writes an id as one part of a key. Ids may contain colons and can be
// chosen by a client, so without this the user "by:userName:x" would be a
// unique key's namesake. A percent sign is not in the alphabet of ids.
func part(id string) string { return strings.ReplaceAll(id, ":", "%3A") }

func (k keyspace) revision() string { return k.start + "rev" }
func (k keyspace) changes() string  { return k.start + "changes" }
func (k keyspace) logged() string   { return k.start + "changes:records" }
func (k keyspace) floor() string    { return k.start + "changes:floor" }
func (k keyspace) layout() string   { return k.start + "layout" }

func (k keyspace) record(kind store.Kind, id string) string {
	return k.start + string(kind) + ":" + part(id)
}

func (k keyspace) list(kind store.Kind) string { return k.start + families[kind] }

func (k keyspace) unique(kind store.Kind, key store.Key) string {
	return k.start + string(kind) + ":by:" + key.Index + ":" + key.Value
}

func (k keyspace) entries(kind store.Kind, key store.Key) string {
	return k.start + string(kind) + ":idx:" + key.Index + ":" + key.Value
}

// members is the set of a group's users, or of the groups nested in it.
func (k keyspace) members(group string, kind store.Kind) string {
	if kind == store.User {
		return k.record(store.Group, group) + ":members"
	}
	return k.record(store.Group, group) + ":subgroups"
}

// groups is the set of the groups that a user or a group is a member of.
func (k keyspace) groups(kind store.Kind, id string) string { return k.record(kind, id) + ":groups" }

func validID(id string) bool {
	if id == "" || len(id) > 128 || strings.IndexByte("._~@+:-", id[0]) >= 0 {
		return false
	}
	return only(id, "._~@+:-")
}

// only tells whether s has only ASCII letters, digits and the bytes in more.
func only(s, more string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(more, c) >= 0:
		default:
			return false
		}
	}
	return true
}

func checkKey(key store.Key) error {
	if key.Index == "" || !only(key.Index, ".") || len(key.Value) > store.MaxKeyValue {
		return fmt.Errorf("redisstore: bad key of index %q", key.Index)
	}
	return nil
}
