package bridgetest

import (
	"go/build"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Imports reads what each package at and below a folder imports outside its tests, by
// import path: "dragoman" and the folder's slash-separated path below the repository.
// A test that holds a dependency rule asks it rather than "go list": the go command
// remembers which files and folders a test itself has read, and so runs it again when
// one of them changes.
func Imports(t testing.TB, folder string) map[string][]string {
	t.Helper()
	root := repository(t)
	found := map[string][]string{}
	err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(folder)), func(dir string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if name := e.Name(); name == "testdata" || name == "node_modules" || name == "bin" || strings.HasPrefix(name, ".") {
			return fs.SkipDir
		}
		pkg, err := build.ImportDir(dir, 0)
		if err != nil {
			return nil // no Go here, or for tests only
		}
		below, err := filepath.Rel(root, dir)
		found[path.Join("dragoman", filepath.ToSlash(below))] = pkg.Imports
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("the packages of %q: %d, %v", folder, len(found), err)
	}
	return found
}

// repository finds the folder with go.mod, at or above the package whose test runs.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for above := ""; dir != above; above, dir = dir, filepath.Dir(dir) {
		if ok, _ := filepath.Glob(filepath.Join(dir, "go.mod")); ok != nil {
			return dir
		}
	}
	t.Fatal("there is no go.mod here or above")
	return ""
}
