package nkmedia_test

import (
	_ "embed"
	"sync"

	"dragoman/dialects/schematest"
)

//go:embed schema/server.json
var schemaText []byte

var schema = sync.OnceValues(func() (*schematest.Schema, error) { return schematest.Parse(schemaText) })

func checkSchema(frame []byte) error {
	s, err := schema()
	if err != nil {
		return err
	}
	return s.Check(frame)
}
