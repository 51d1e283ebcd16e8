package scimmodule

import (
	"net/http"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func object(ms ...attr.Member) attr.Value { return attr.OfObject(attr.NewObject(ms...)) }

func member(name string, v attr.Value) attr.Member { return attr.Member{Name: name, Value: v} }

// meta is the meta object of a discovery resource.
func (x *exchange) meta(resourceType, path string) attr.Member {
	return member("meta", object(
		member("resourceType", attr.Of(resourceType)),
		member("location", attr.Of(x.base+path)),
	))
}

// serviceProviderConfig answers with what this service can do (RFC 7643 §5, RFC
// 9865 §4).
func (x *exchange) serviceProviderConfig() error {
	number := func(n int64) attr.Value { return attr.OfNumber(itoa(int(n))) }
	supported := func(yes bool, more ...attr.Member) attr.Value {
		return object(append([]attr.Member{member("supported", attr.OfBool(yes))}, more...)...)
	}
	x.sendValue(object(
		member("schemas", attr.OfStrings(schema.ServiceProviderConfigURN)),
		member("patch", supported(true)),
		member("bulk", supported(true,
			member("maxOperations", number(int64(x.limits.BulkOperations))),
			member("maxPayloadSize", number(x.limits.Body)))),
		member("filter", supported(true, member("maxResults", number(int64(x.limits.Page))))),
		member("changePassword", supported(false)),
		member("sort", supported(true)),
		member("etag", supported(true)),
		member("authenticationSchemes", attr.OfList(object(
			member("type", attr.Of("oauthbearertoken")),
			member("name", attr.Of("OAuth Bearer Token")),
			member("description", attr.Of("The secret token, sent in the Authorization header as a bearer token.")),
			member("specUri", attr.Of("https://www.rfc-editor.org/info/rfc6750")),
			member("primary", attr.OfBool(true))))),
		member("pagination", object(
			member("cursor", attr.OfBool(true)),
			member("index", attr.OfBool(true)),
			member("defaultPaginationMethod", attr.Of("index")),
			member("defaultPageSize", number(int64(min(x.limits.DefaultPage, x.limits.Page)))),
			member("maxPageSize", number(int64(x.limits.Page))))),
		x.meta("ServiceProviderConfig", "/ServiceProviderConfig"),
	))
	return nil
}

// resourceTypes answers with the types of resources (RFC 7643 §6).
func (x *exchange) resourceTypes(path []string) error {
	var list []attr.Value
	for _, k := range []store.Kind{store.User, store.Group} {
		v := x.dir.View(k)
		o := attr.NewObject(
			member("schemas", attr.OfStrings(schema.ResourceTypeURN)),
			member("id", attr.Of(v.Type.Name)),
			member("name", attr.Of(v.Type.Name)),
			member("endpoint", attr.Of(v.Type.Endpoint)),
			member("description", attr.Of(v.Type.Description)),
			member("schema", attr.Of(v.Type.Schema.ID)),
		)
		var extensions []attr.Value
		for _, e := range v.Extensions {
			extensions = append(extensions, object(member("schema", attr.Of(e.Schema.ID)), member("required", attr.OfBool(e.Required))))
		}
		if len(extensions) > 0 {
			o.Set("schemaExtensions", attr.OfList(extensions...))
		}
		m := x.meta("ResourceType", "/ResourceTypes/"+v.Type.Name)
		o.Set(m.Name, m.Value)
		if len(path) == 1 && strings.EqualFold(path[0], v.Type.Name) {
			x.sendValue(attr.OfObject(o))
			return nil
		}
		list = append(list, attr.OfObject(o))
	}
	if len(path) == 1 {
		return scimerr.New(http.StatusNotFound, scimerr.None, "There is no resource type of this name. The types are User and Group.")
	}
	x.sendList(list)
	return nil
}

// schemas answers with the schemas (RFC 7643 §7), those of resources as this
// tenant's allow list narrows them.
func (x *exchange) schemas(path []string) error {
	all := append(x.dir.View(store.User).Published(), x.dir.View(store.Group).Published()...)
	all = append(all, x.catalog.Service...)
	var list []attr.Value
	for _, s := range all {
		o := s.Object()
		m := x.meta("Schema", "/Schemas/"+s.ID)
		o.Set(m.Name, m.Value)
		if len(path) == 1 && strings.EqualFold(path[0], s.ID) {
			x.sendValue(attr.OfObject(o))
			return nil
		}
		list = append(list, attr.OfObject(o))
	}
	if len(path) == 1 {
		return scimerr.New(http.StatusNotFound, scimerr.None, "This service keeps nothing of a schema with this URN. /Schemas lists those that it has.")
	}
	x.sendList(list)
	return nil
}

func (x *exchange) sendValue(v attr.Value) { x.send(http.StatusOK, v.Append(nil)) }

func (x *exchange) sendList(list []attr.Value) {
	n := attr.OfNumber(itoa(len(list)))
	x.sendValue(object(
		member("schemas", attr.OfStrings(listResponseURN)),
		member("totalResults", n),
		member("startIndex", attr.OfNumber("1")),
		member("itemsPerPage", n),
		member("Resources", attr.OfList(list...)),
	))
}
