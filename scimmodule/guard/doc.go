// Package guard keeps clients from asking for more than their share: requests
// per second of a tenant, and failed authentication per client address. It must
// not do anything but count, in this process's memory: it answers nobody, reads
// no clock, and knows neither requests nor tokens.
package guard
