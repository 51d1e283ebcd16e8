// Package memstore keeps a directory in memory: for tests, for trying things
// out, and as the model that storetest compares the other stores with. It must
// not grow clever: where a faster structure would need a second look, the plain
// one stays.
package memstore
