package schema

import (
	"embed"
	"fmt"
	"strings"
)

// The URNs of the schemas that RFC 7643 defines.
const (
	UserURN                  = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN                 = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseUserURN        = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	ServiceProviderConfigURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	ResourceTypeURN          = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	SchemaURN                = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

//go:embed core/*.json
var coreFiles embed.FS

// ResourceType is a type of resource with its schemas (RFC 7643 §6).
type ResourceType struct {
	Name        string // "User" or "Group"
	Endpoint    string // "/Users" or "/Groups"
	Description string
	Schema      *Schema
	Extensions  []Extension
}

// Extension is a schema that extends a resource type.
type Extension struct {
	Schema   *Schema
	Required bool // whether each resource must have it
}

// Catalog is every schema that the server knows: those of RFC 7643 and the
// operator's extensions. It is immutable.
type Catalog struct {
	User, Group *ResourceType
	// Service are the schemas of the discovery resources (RFC 7643 §5 to §7).
	Service []*Schema
}

// NewCatalog returns the RFC's schemas with additional extensions of users and
// of groups. An extension whose URN is known already is refused.
func NewCatalog(users, groups []Extension) (*Catalog, error) {
	c := &Catalog{
		User: &ResourceType{Name: "User", Endpoint: "/Users", Description: "User accounts", Schema: mustCore("user"),
			Extensions: []Extension{{Schema: mustCore("enterprise_user")}}},
		Group:   &ResourceType{Name: "Group", Endpoint: "/Groups", Description: "Groups of users", Schema: mustCore("group")},
		Service: []*Schema{mustCore("service_provider_config"), mustCore("resource_type"), mustCore("schema")},
	}
	for _, e := range users {
		if err := c.extend(c.User, e); err != nil {
			return nil, err
		}
	}
	for _, e := range groups {
		if err := c.extend(c.Group, e); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Catalog) extend(t *ResourceType, e Extension) error {
	known := append([]*Schema{c.User.Schema, c.Group.Schema}, c.Service...)
	for _, r := range []*ResourceType{c.User, c.Group} {
		for _, x := range r.Extensions {
			known = append(known, x.Schema)
		}
	}
	for _, s := range known {
		a, b := strings.ToLower(s.ID)+":", strings.ToLower(e.Schema.ID)+":"
		if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
			return fmt.Errorf("extension schema %s clashes with schema %s", e.Schema.ID, s.ID)
		}
	}
	t.Extensions = append(t.Extensions, e)
	return nil
}

// mustCore loads a schema that is compiled in; a test loads them all.
func mustCore(name string) *Schema {
	text, err := coreFiles.ReadFile("core/" + name + ".json")
	if err != nil {
		panic(err)
	}
	s, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}
