package directory

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// storedLimits are for reading back what was written: it was bounded then.
var storedLimits = attr.Limits{Depth: 32, String: 64 << 20, Elements: 1 << 20}

// encode writes the body of a record: schemas and id, then the attributes.
func encode(v *schema.View, id string, o *attr.Members) []byte {
	b := append(make([]byte, 0, 512), `{"schemas":`...)
	b = attr.OfStrings(schemasOf(v, o)...).Append(b)
	b = append(b, `,"id":`...)
	b = attr.AppendString(b, id)
	if o.Len() > 0 {
		b = append(b, ',')
		n := len(b)
		b = o.Append(b)
		copy(b[n:], b[n+1:]) // without its opening brace
		b = b[:len(b)-1]
		return b
	}
	return append(b, '}')
}

// schemasOf lists the schemas of which a resource has attributes.
func schemasOf(v *schema.View, o *attr.Members) []string {
	urns := []string{v.Type.Schema.ID}
	for _, x := range v.Extensions {
		if _, ok := o.Get(x.Schema.ID); ok {
			urns = append(urns, x.Schema.ID)
		}
	}
	return urns
}

// loaded is a stored resource, decoded.
type loaded struct {
	store.Record
	attrs *attr.Members // without schemas and id, as the allow list of today has them
	keys  keySet        // as they are stored
}

// decodeStored returns the attributes of a record, as they are stored.
func decodeStored(r store.Record) (*attr.Members, error) {
	o, err := attr.DecodeObject(r.Body, nil, storedLimits)
	if err != nil {
		return nil, fmt.Errorf("stored %s %s is damaged: %s", r.Kind, r.ID, err.Error())
	}
	o.Delete("schemas")
	o.Delete("id")
	return o, nil
}

// load decodes a record.
func (d *Directory) load(r store.Record) (loaded, error) {
	o, err := decodeStored(r)
	if err != nil {
		return loaded{}, err
	}
	l := loaded{Record: r, attrs: o, keys: d.keysOf(r.Kind, o)}
	if r.Allow != d.set.Views.Fingerprint {
		d.View(viewKind(r.Kind)).Prune(o, nil)
	}
	return l, nil
}

// read is get and load.
func (d *Directory) read(ctx context.Context, k store.Kind, id string) (loaded, error) {
	r, err := d.get(ctx, k, id)
	if err != nil {
		return loaded{}, err
	}
	return d.load(r)
}

// record makes the record that holds the attributes.
func (d *Directory) record(k store.Kind, id string, o *attr.Members) store.Record {
	return store.Record{Kind: k, ID: id, Allow: d.set.Views.Fingerprint, Body: encode(d.View(viewKind(k)), id, o)}
}

// checkSize refuses a resource that would make pages of resources large.
func (d *Directory) checkSize(o *attr.Members) error {
	if len(o.Append(nil)) > d.set.MaxResource {
		return scimerr.New(413, scimerr.None, "The resource has more than the %d bytes that are kept of one.", d.set.MaxResource).At("resource_bytes")
	}
	return nil
}

// viewKind maps archived users to the view of users.
func viewKind(k store.Kind) store.Kind {
	if k == store.Archived {
		return store.User
	}
	return k
}

// refresh narrows a record that was written under another allow list.
func (d *Directory) refresh(r store.Record) (store.Record, error) {
	if r.Allow == d.set.Views.Fingerprint {
		return r, nil
	}
	l, err := d.load(r)
	if err != nil {
		return r, err
	}
	r.Body = encode(d.View(viewKind(r.Kind)), r.ID, l.attrs)
	r.Allow = d.set.Views.Fingerprint
	return r, nil
}

// prepare brings a resource that a client sent into the form in which it is
// kept. What it names as members is taken out and returned; nil where it does
// not name the attribute.
func (d *Directory) prepare(v *schema.View, c Call, o *attr.Members) (members []attr.Value, err error) {
	named, _ := o.Get("members")
	if err := v.ConformResource(o); err != nil {
		return nil, err
	}
	if v == d.set.Views.Group && !named.IsNull() {
		m, _ := o.Get("members")
		o.Delete("members")
		members = []attr.Value{}
		for _, e := range m.List() {
			if _, ok := readMember(e, c.Base); ok {
				members = append(members, e)
				continue
			}
			v.Drop(c.Tally, "members")
		}
		if len(members) == 0 && (named.Kind() != attr.Array || len(named.List()) > 0) {
			return nil, namesNobody()
		}
	}
	v.Prune(o, c.Tally)
	v.KeepAll(c.Tally, o)
	derive(v, c, o)
	if err := d.checkSize(o); err != nil {
		return nil, err
	}
	return members, checkNames(o)
}

// namesNobody is the error of a list of members of whom none can be read: nobody
// empties a group by naming members.
func namesNobody() error {
	return scimerr.BadRequest(scimerr.InvalidValue, "None of the given members has a value. Send an empty list to remove all members.")
}

// derive completes what the server derives from a resource.
func derive(v *schema.View, c Call, o *attr.Members) {
	r, ok := v.Resolve(schema.EnterpriseUserURN + ":manager")
	if !ok {
		return
	}
	m, ok := r.Get(o)
	if !ok {
		return
	}
	id := m.Object().Text("value")
	if id == "" {
		return
	}
	if r.Attr.Find("$ref") != nil && m.Object().Text("$ref") != c.Base+"/Users/"+id {
		// Relative, as in RFC 7643 §8.3, so that it holds at any address;
		// what a client says of it is kept only where it is this service's own.
		m.Object().Set("$ref", attr.Of("../Users/"+id))
	}
}

// checkNames refuses control characters in what identifies a resource: software
// that reads it may stop at them.
func checkNames(o *attr.Members) error {
	for _, name := range []string{"userName", "displayName", "externalId"} {
		if strings.ContainsFunc(o.Text(name), unicode.IsControl) {
			return scimerr.BadRequest(scimerr.InvalidValue, "The attribute %s must not contain control characters.", name)
		}
	}
	return nil
}

// isActive tells whether a user may use the service; absent means true.
func isActive(o *attr.Members) bool {
	v, ok := o.Get("active")
	return !ok || v.Bool()
}
