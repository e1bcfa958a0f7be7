package config

import (
	"reflect"

	"github.com/spf13/pflag"
)

// AddFlags adds a flag for every key that one line can say. Secrets have none:
// the arguments of a process can be read by others; their files have.
func AddFlags(to *pflag.FlagSet, sections []Section) {
	docs := reference()
	add := func(one leaf) {
		name, usage := FlagName(one.path), docs[docKey(one.path)].short()
		switch {
		case isSections(one.value.Type()):
		case one.value.Type() == secretType:
			to.String(name+"-file", "", usage+" (a file)")
		case one.value.Kind() == reflect.Bool:
			to.Bool(name, one.value.Bool(), usage)
		default:
			to.String(name, "", usage)
		}
	}
	c := Development()
	for _, one := range leaves(reflect.ValueOf(&c).Elem(), "") {
		add(one)
	}
	for _, s := range sections {
		path := join("dialects", s.Name)
		for _, one := range leaves(reflect.ValueOf(&Dialect{}).Elem(), path) {
			if one.path != path+".name" {
				add(one)
			}
		}
		if own := s.own(); own.IsValid() {
			for _, one := range leaves(own, path) {
				add(one)
			}
		}
	}
}
