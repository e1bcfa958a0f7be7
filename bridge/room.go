package bridge

type room struct{}
type member struct{}
