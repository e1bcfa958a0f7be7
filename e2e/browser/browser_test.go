package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A machine without Chromium is told what it lacks, and the test fails.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, f := range []func() error{
		func() error { _, err := Find(); return err },
		func() error { _, err := Start(t.Context(), "nobody"); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "chromium is missing") {
			t.Errorf("got %v", err)
		}
	}
}

func TestBrowser(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>t</title><script>
			console.log("hello", 7);
			setTimeout(() => { window.late = true }, 300);
			setTimeout(() => { throw new Error("thrown") }, 0);
		</script>`))
	}))
	defer page.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := Start(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Open(ctx, page.URL); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(ctx, "window.late"); err != nil {
		t.Fatal(err)
	}
	if n, err := Eval[int](ctx, b, "Promise.resolve(41).then(n => n + 1)"); n != 42 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := Eval[int](ctx, b, "nothing.at.all"); err == nil || !strings.Contains(err.Error(), "nothing is not defined") {
		t.Errorf("got %v", err)
	}
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if err := b.Wait(short, "window.never"); err == nil || !strings.Contains(err.Error(), "window.never") {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{`console log: "hello" 7`, "exception: Uncaught Error: thrown"} {
		if !strings.Contains(b.Console(), want) {
			t.Errorf("no %q in\n%s", want, b.Console())
		}
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := b.Save(ctx, dir, "end"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b-end.log", "b-end.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
