package directory

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// timeFormat is xsd:dateTime with milliseconds (RFC 7643 §2.3.5).
const timeFormat = "2006-01-02T15:04:05.000Z"

// AppendMeta appends the meta object of a record (RFC 7643 §3.1) under the
// public address of the endpoint, and returns the extended buffer.
func (d *Directory) AppendMeta(b []byte, r store.Record, base string) []byte {
	t := d.View(viewKind(r.Kind)).Type
	b = append(b, `{"resourceType":"`...)
	b = append(b, t.Name...)
	b = append(b, `","created":"`...)
	b = r.Created.UTC().AppendFormat(b, timeFormat)
	b = append(b, `","lastModified":"`...)
	b = r.Modified.UTC().AppendFormat(b, timeFormat)
	b = append(b, `","version":`...)
	b = attr.AppendString(b, store.FormatVersion(r.Version))
	b = append(b, `,"location":`...)
	b = attr.AppendString(b, Location(d, r, base))
	return append(b, '}')
}

// Location is the address of a record.
func Location(d *Directory, r store.Record, base string) string {
	return base + d.View(viewKind(r.Kind)).Type.Endpoint + "/" + r.ID
}

// Meta is AppendMeta as a value.
func (d *Directory) Meta(r store.Record, base string) attr.Value {
	return attr.OfObject(attr.NewObject(
		attr.Member{Name: "resourceType", Value: attr.Of(d.View(viewKind(r.Kind)).Type.Name)},
		attr.Member{Name: "created", Value: attr.Of(r.Created.UTC().Format(timeFormat))},
		attr.Member{Name: "lastModified", Value: attr.Of(r.Modified.UTC().Format(timeFormat))},
		attr.Member{Name: "version", Value: attr.Of(store.FormatVersion(r.Version))},
		attr.Member{Name: "location", Value: attr.Of(Location(d, r, base))},
	))
}
