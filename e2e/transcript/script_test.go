package transcript

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadRefuses(t *testing.T) {
	const dial = `{"who":"a","do":"dial","path":"/"}`
	for _, c := range []struct{ text, want string }{
		{"", "there is no header"},
		{"\n\n", "there is no header"},
		{`{"dialect":"x"}`, "line 1: header: transcript version 0"},
		{`{"transcript":2}`, "line 1: header: transcript version 2, want 1"},
		{`{"transcript":1,"extra":1}`, `unknown field "extra"`},
		{head + `{`, "line 2: unexpected EOF"},
		{head + dial + `{}`, "line 2: text after the value"},
		{head + "\n" + `{"who":"a","do":"fly"}`, `line 3: no such step: do "fly"`},
		{head + `{"who":"a","do":"send","dir":">"}`, "no such step"},
		{head + `{"who":"a","do":"hear","msg":1}`, "no such step"},
		{head + `{"do":"dial","path":"/"}`, `dial without "who"`},
		{head + `{"who":"a","do":"dial","path":"/","code":1}`, `dial cannot have "code"`},
		{head + `{"who":"a","dir":">","msg":1,"within":"1s"}`, `send cannot have "within"`},
		{head + `{"who":"a","dir":">"}`, "a frame has one payload, this one has 0"},
		{head + `{"who":"a","dir":"<","msg":1,"text":"x"}`, "a frame has one payload, this one has 2"},
		{head + `{"who":"","dir":"<","msg":1}`, `hear without "who"`},
		{head + `{"do":"wait","for":"0s"}`, `wait without "for"`},
		{head + `{"who":"a","dir":"<","any_order":[]}`, "this one has 0"},
		{head + `{"do":"wait","for":"soon"}`, "line 2: time: invalid duration"},
		{head + `{"do":"wait","for":"-1s"}`, "negative duration"},
		{head + `{"who":"a","dir":"<","msg":{"a":{"$what":1}}}`, "a: no such matcher: $what"},
		{head + `{"who":"a","dir":"<","any_order":[{"$re":"("}]}`, "$re: error parsing regexp"},
		{head + `{"who":"a","dir":"<","msg":{"$num":[1]}}`, "$num: $num wants [lowest, highest]"},
		{head + `{"who":"a","dir":"<","msg":{"$num":["a",1]}}`, "$num wants numbers"},
		{head + `{"who":"a","dir":"<","msg":{"$time":"x"}}`, "$time: time: invalid duration"},
		{head + `{"who":"a","dir":"<","msg":{"$time":5}}`, "$time: want a duration"},
		{head + `{"who":"a","dir":"<","msg":{"$any":false}}`, "$any: want true"},
		{head + `{"who":"a","dir":"<","msg":{"$cap":""}}`, "$cap: want a name"},
		{head + `{"who":"a","dir":"<","msg":{"$sdp":"offer"}}`, "$sdp: want an object"},
		{head + `{"who":"a","dir":"<","msg":{"$unordered":{}}}`, "$unordered: want an array"},
		{head + `{"who":"a","dir":"<","msg":{"$any":true,"$rest":true}}`, "$rest beside a matcher"},
		{head + `{"who":"a","dir":"<","msg":{"a":1,"$rest":false}}`, "$rest can only be true"},
		{head + `{"who":"a","dir":"<","msg":[{"$json":{"x":{"$re":1}}}]}`, "want a regular expression"},
		{head + `{"who":"a","dir":">","msg":{"x":{"$any":true}}}`, "x: $any cannot be sent"},
		{head + `{"who":"a","dir":">","msg":[{"$fill":-1}]}`, "$fill wants 0 to"},
		{head + `{"who":"a","dir":">","msg":{"$fill":"x"}}`, "$fill wants a number"},
		{head + `{"who":"a","dir":">","msg":{"$sdp":{"type":"hint"}}}`, `$sdp: type is "offer" or "answer"`},
		{head + `{"who":"a","dir":">","msg":{"$sdp":{"type":"offer","audio":"both"}}}`, `no such direction: "both"`},
		{head + `{"who":"a","dir":">","msg":{"$sdp":{"type":"offer","application":"sendrecv"}}}`, "application is"},
		{head + `{"who":"a","dir":">","msg":{"$sdp":{"typ":"offer"}}}`, "unknown field"},
		{head + `{"who":"a","dir":">","msg":{"$json":{"$any":true}}}`, "$any cannot be sent"},
		{head + `{"do":"http","path":"/","body":{"$cap":"x"}}`, "$cap cannot be sent"},
		{head + `{"do":"http","path":"/","expect":{"headers":{"X":{"$no":1}}}}`, "no such matcher: $no"},
		{head + `{"do":"http","path":"/","expect":{"code":1}}`, `unknown field "code"`},
		{head + strings.Repeat(dial+"\n", MaxSteps+1), fmt.Sprintf("line %d: more than %d steps", MaxSteps+2, MaxSteps)},
		{head + `{"note":"` + strings.Repeat("x", MaxLine) + `"}`, "line 2: bufio.Scanner: token too long"},
	} {
		if _, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100s: got %v, want %s", c.text, err, c.want)
		}
	}
}

// What is not ours may be sent, even if it looks like a matcher.
func TestForeignDollars(t *testing.T) {
	if _, err := Read(strings.NewReader(head + `{"who":"a","dir":">","msg":{"$type":1,"x":{"$any":true,"y":2}}}`)); err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	names, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		s, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := s.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range again.Steps {
			again.Steps[i].Line = s.Steps[i].Line
		}
		if !reflect.DeepEqual(s, again) {
			t.Errorf("%s changes when it is written", name)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load("testdata/none.jsonl"); err == nil {
		t.Error("a file that does not exist was read")
	}
	name := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v", err)
	}
}

func TestTypes(t *testing.T) {
	key := func(f Spoken) string {
		if f.HTTP != nil {
			return f.HTTP.Method
		}
		m, _ := f.Msg.(map[string]any)
		for _, k := range []string{"do", "n", "joined", "came"} {
			if v, ok := m[k].(string); ok {
				return v
			}
			if m[k] != nil {
				return k
			}
		}
		return ""
	}
	sent, heard, err := Types("testdata", key)
	if err != nil {
		t.Fatal(err)
	}
	if sent["join"] != 4 || sent["POST"] != 3 || heard["b"] != 1 || heard["n"] != 1 || heard["join"] != 0 || heard["joined"] != 2 {
		t.Errorf("sent %v, heard %v", sent, heard)
	}
	if got := Missing(sent, "join", "leave", "kick", "destroy"); fmt.Sprint(got) != "[destroy leave]" {
		t.Errorf("missing %v", got)
	}
	if _, _, err := Types(t.TempDir(), key); err == nil {
		t.Error("an empty directory has types")
	}
}

func FuzzRead(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.jsonl")
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := s.Write(&b); err != nil {
			t.Fatalf("write what was read: %v", err)
		}
		if _, err := Read(&b); err != nil {
			t.Fatalf("read what was written: %v", err)
		}
	})
}
