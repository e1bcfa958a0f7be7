package media

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Media stands on bridge and Pion, and on nothing else of ours. Package forward
// does not even know Pion, so that something faster can be put below it.
func TestImports(t *testing.T) {
	allowed := []string{"dragoman/bridge", "dragoman/media", "github.com/pion/", "golang.org/x/"}
	pure := []string{"dragoman/bridge"}
	rules := map[string][]string{"forward": {}, "srtp": {}, "level": pure, "sdp": pure, "layer": pure, "estimate": {}, "pages": {"golang.org/x/sys/"}}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || strings.Contains(path, "testdata") {
			return err
		}
		p, err := build.ImportDir(path, 0)
		if err != nil {
			return nil //nolint:nilerr // a folder without Go files
		}
		list, strict := rules[path]
		if !strict {
			list = allowed
		}
		for _, imported := range p.Imports {
			if !strings.Contains(strings.Split(imported, "/")[0], ".") && !strings.HasPrefix(imported, "dragoman") {
				continue // standard library
			}
			fits := false
			for _, prefix := range list {
				fits = fits || strings.HasPrefix(imported, prefix)
			}
			if !fits {
				t.Errorf("%s imports %s", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
