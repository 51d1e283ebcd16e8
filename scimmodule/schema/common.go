package schema

// The common attributes of RFC 7643 §3.1, which no schema lists.
var (
	externalID = &Attribute{Name: "externalId", Type: String, CaseExact: true, Mutability: ReadWrite, Returned: Default, Uniqueness: NotUnique,
		Description: "The client's own identifier."}
	idAttribute = &Attribute{Name: "id", Type: String, CaseExact: true, Mutability: ReadOnly, Returned: Always, Uniqueness: ServerUnique,
		Description: "The identifier that this service gave the resource."}
	schemasAttribute = &Attribute{Name: "schemas", Type: Reference, MultiValued: true, CaseExact: true, Mutability: ReadOnly, Returned: Always, Uniqueness: NotUnique,
		Description: "The URIs of the resource's schemas."}
	metaAttribute = &Attribute{Name: "meta", Type: Complex, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique,
		Description: "What this service knows about the resource.",
		Sub: []*Attribute{
			{Name: "resourceType", Type: String, CaseExact: true, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique},
			{Name: "created", Type: DateTime, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique},
			{Name: "lastModified", Type: DateTime, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique},
			{Name: "location", Type: Reference, CaseExact: true, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique},
			{Name: "version", Type: String, CaseExact: true, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique},
		}}
)
