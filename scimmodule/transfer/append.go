package transfer

import "strconv"

// Lines are written by hand: a body must be passed on byte for byte, and ids,
// names and fingerprints need no escapes.

func appendHeader(b []byte, h *headerLine) []byte {
	b = append(b, `{"export":{"format":`...)
	b = strconv.AppendInt(b, int64(h.Format), 10)
	if h.ID != "" {
		b = append(append(append(b, `,"id":"`...), h.ID...), '"')
	}
	b = appendTime(b, "time", h.Time)
	return append(b, "}}\n"...)
}

func appendTenant(b []byte, t *tenantLine) []byte {
	b = append(append(append(b, `{"tenant":{"name":"`...), t.Name...), '"')
	if t.Revision > 0 {
		b = strconv.AppendUint(append(b, `,"revision":`...), t.Revision, 10)
	}
	if t.Record != nil {
		b = appendRecord(append(b, `,"record":`...), t.Record)
	}
	return append(b, "}}\n"...)
}

// appendRecord appends a record's object, without a line feed. A version of 0 is
// left out.
func appendRecord(b []byte, r *recordLine) []byte {
	b = append(append(b, `{"kind":"`...), r.Kind...)
	b = append(append(append(b, `","id":"`...), r.ID...), '"')
	b = appendTime(b, "created", r.Created)
	b = appendTime(b, "modified", r.Modified)
	if r.Allow != "" {
		b = append(append(append(b, `,"allow":"`...), r.Allow...), '"')
	}
	if r.Provisional {
		b = append(b, `,"provisional":true`...)
	}
	b = appendTime(b, "archived_at", r.ArchivedAt)
	if r.Version > 0 {
		b = strconv.AppendUint(append(b, `,"version":`...), r.Version, 10)
	}
	if len(r.Body) > 0 {
		b = append(append(b, `,"body":`...), r.Body...)
	}
	return append(b, '}')
}

// appendTime appends a member; nothing for the zero time.
func appendTime(b []byte, name string, m moment) []byte {
	if m.IsZero() {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(m.UTC().AppendFormat(b, timeForm), '"')
}

func appendMembers(b []byte, m *membersLine) []byte {
	b = append(append(append(b, `{"members":{"group":"`...), m.Group...), `","add":[`...)
	for i, x := range m.Add {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"id":"`...), x.ID...)
		b = append(append(append(b, `","kind":"`...), x.Kind...), `"}`...)
	}
	return append(b, "]}}\n"...)
}

func appendClose(b []byte, c *closeLine) []byte {
	b = append(append(append(b, `{"tenant_end":{"name":"`...), c.Name...), `","counts":{`...)
	for i, x := range []struct {
		name string
		n    int
	}{
		{"users", c.Counts.Users}, {"groups", c.Counts.Groups}, {"members", c.Counts.Members}, {"archived", c.Counts.Archived},
		{"tombstones", c.Counts.Tombstones}, {"reports", c.Counts.Reports}, {"tokens", c.Counts.Tokens},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(append(append(b, '"'), x.name...), `":`...), int64(x.n), 10)
	}
	b = append(b, '}')
	if c.Changed {
		b = append(b, `,"changed":true`...)
	}
	return append(b, "}}\n"...)
}

func appendEnd(b []byte, e *endLine) []byte {
	return append(strconv.AppendInt(append(b, `{"end":{"lines":`...), int64(e.Lines), 10), "}}\n"...)
}
