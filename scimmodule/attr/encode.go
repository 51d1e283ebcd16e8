package attr

// Append appends the value as compact JSON (RFC 8259) and returns the extended
// buffer.
func (v Value) Append(dst []byte) []byte {
	switch v.kind {
	case Bool:
		if v.flag {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case Number, Raw:
		return append(dst, v.text...)
	case String:
		return AppendString(dst, v.text)
	case Array:
		dst = append(dst, '[')
		for i, e := range v.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.Append(dst)
		}
		return append(dst, ']')
	case Object:
		return v.obj.Append(dst)
	}
	return append(dst, "null"...)
}

// Append appends the object as compact JSON and returns the extended buffer.
func (m *Members) Append(dst []byte) []byte {
	dst = append(dst, '{')
	first := true
	for name, v := range m.All() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, name)
		dst = append(dst, ':')
		dst = v.Append(dst)
	}
	return append(dst, '}')
}
