package redisstore

import "encoding/binary"

// packer writes the part of MessagePack that a batch needs; Redis has a fast
// reader of it built in, which keeps any bytes as they are.
type packer struct{ buf []byte }

func (p *packer) int(n int) {
	switch {
	case n < 0x80:
		p.buf = append(p.buf, byte(n))
	case n <= 0xffff:
		p.buf = binary.BigEndian.AppendUint16(append(p.buf, 0xcd), uint16(n))
	default:
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, 0xce), uint32(n))
	}
}

func (p *packer) length(n, few int, short, b16, b32 byte) {
	switch {
	case n < few:
		p.buf = append(p.buf, short|byte(n))
	case n <= 0xffff:
		p.buf = binary.BigEndian.AppendUint16(append(p.buf, b16), uint16(n))
	default:
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, b32), uint32(n))
	}
}

func (p *packer) array(n int)  { p.length(n, 16, 0x90, 0xdc, 0xdd) }
func (p *packer) object(n int) { p.length(n, 16, 0x80, 0xde, 0xdf) }

func (p *packer) string(s string) {
	p.length(len(s), 32, 0xa0, 0xda, 0xdb)
	p.buf = append(p.buf, s...)
}

// value writes an int, a string, bytes, or a list of such.
func (p *packer) value(v any) {
	switch v := v.(type) {
	case int:
		p.int(v)
	case string:
		p.string(v)
	case []byte:
		p.length(len(v), 32, 0xa0, 0xda, 0xdb)
		p.buf = append(p.buf, v...)
	case []int:
		p.array(len(v))
		for _, n := range v {
			p.int(n)
		}
	case []string:
		p.array(len(v))
		for _, s := range v {
			p.string(s)
		}
	case []any:
		p.array(len(v))
		for _, e := range v {
			p.value(e)
		}
	default:
		panic("redisstore: cannot pack a value of this type")
	}
}
