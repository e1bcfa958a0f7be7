package cluster_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dragoman/bridge"
	"dragoman/cluster"
)

func longest() cluster.Node {
	return cluster.Node{
		Link: strings.Repeat("l", 128), Media: strings.Repeat("m", 128), Version: strings.Repeat("v", 64),
		Proto: cluster.Proto, State: cluster.Draining, Load: 255,
	}
}

func TestMeta(t *testing.T) {
	for _, n := range []cluster.Node{
		{}, longest(), {Link: "[::1]:7947", Version: "v1.2.3-4-gabcdef", Proto: 1, Load: 3},
	} {
		b, err := cluster.AppendMeta(nil, n)
		if err != nil || len(b) > cluster.MaxMeta {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		var back cluster.Node
		if err := cluster.ParseMeta(append(b, "of a later version"...), &back); err != nil || back != n {
			t.Errorf("have %+v, %v, want %+v", back, err, n)
		}
		for i := range b {
			if cluster.ParseMeta(b[:i], &back) == nil {
				t.Errorf("%q was understood", b[:i])
			}
		}
		b[0]++
		if bridge.CodeOf(cluster.ParseMeta(b, &back)) != bridge.NotSupported {
			t.Error("another version was understood")
		}
	}
	if _, err := cluster.AppendMeta(nil, cluster.Node{Link: strings.Repeat("l", 129)}); err == nil {
		t.Error("a text that is too long was taken")
	}
}

func FuzzParseMeta(f *testing.F) {
	for _, n := range []cluster.Node{{}, longest()} {
		b, _ := cluster.AppendMeta(nil, n)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var n, again cluster.Node
		if cluster.ParseMeta(b, &n) != nil {
			return
		}
		out, err := cluster.AppendMeta(nil, n)
		if err != nil {
			return // texts may be longer than ours ever are
		}
		if err := cluster.ParseMeta(out, &again); err != nil || again != n {
			t.Errorf("have %+v, %v, want %+v", again, err, n)
		}
	})
}

func TestNames(t *testing.T) {
	for id, want := range map[bridge.NodeID]string{"a-1": "a", "a-b-c": "a-b", "a": "a", "": ""} {
		if got := cluster.NameOf(id); got != want {
			t.Errorf("%q is of %q, want %q", id, got, want)
		}
	}
	if cluster.Up.String() == cluster.Draining.String() {
		t.Error("two states have one name")
	}
}

func TestKeys(t *testing.T) {
	line := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("# of us\n\n"+line(32)+"\n "+line(16)+" \n"+line(24)), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := cluster.ReadKeys(path)
	if err != nil || len(keys) != 3 || len(keys[0]) != 32 || len(keys[1]) != 16 || len(keys[2]) != 24 {
		t.Fatalf("have %d keys, %v", len(keys), err)
	}
	if _, err := cluster.ReadKeys(path + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
	for _, text := range []string{"", "# nothing\n", "no base64!", line(15), strings.Repeat(line(16)+"\n", 9)} {
		if _, err := cluster.ParseKeys([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	key := cluster.Key("a secret of this test, and no more")
	text, _ := key.MarshalText()
	for _, s := range []string{fmt.Sprint(key), fmt.Sprintf("%#v", key), fmt.Sprintf("%v", []cluster.Key{key}), key.LogValue().String(), string(text)} {
		if strings.Contains(s, "secret") {
			t.Errorf("the key prints as %q", s)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("# keys\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := cluster.ParseKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
}
