package asn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"dragoman/dialects"
	"dragoman/dialects/asn/rose"
)

// TestFramer finds messages in a stream (reference 4.4).
func TestFramer(t *testing.T) {
	packet := rose.BER.Encode(rose.Refuse(7, 1, strings.Repeat("x", 300)))
	text := `{"invoke":{"a":"` + strings.Repeat("ü", 5) + "€😀" + `"}}`
	units := len([]rune(text)) + 1 // the last character takes two
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"one":               {`J0000018{"invoke":{"a":1}}`, []string{`{"invoke":{"a":1}}`}},
		"nine digits":       {`J000000018{"invoke":{"a":1}}`, []string{`{"invoke":{"a":1}}`}},
		"two":               {`J0000002{}J0000003[1]`, []string{`{}`, `[1]`}},
		"bytes before":      {"\r\nxJ1J0000002{}", []string{`{}`}},
		"packets":           {string(packet) + "J0000002{}" + string(packet), []string{string(packet), "{}", string(packet)}},
		"a header of bytes": {fmt.Sprintf("J%07d%sJ0000002{}", len(text), text), []string{text, "{}"}},
		"a header of units": {fmt.Sprintf("J%07d%sJ0000002{}", units, text), []string{text, "{}"}},
		"a split character": {fmt.Sprintf("J%07d%s", 17, `{"a":"üüüüüüüüü"}`), []string{`{"a":"üüüüüüüüü"}`}},
		"what is no JSON":   {"J0000004what", []string{"what"}},
		"nothing in it":     {"J0000000J0000002{}", []string{"", "{}"}},
	} {
		r := bufio.NewReaderSize(strings.NewReader(c.in), 16)
		for _, want := range c.want {
			f, err := framer{}.Next(r, 4096)
			if err != nil || string(f.Data) != want || f.Binary != (want != "" && want[0] >= 0xa1 && want[0] <= 0xa4) {
				t.Errorf("%s: %q, %v, want %q", name, f.Data, err, want)
			}
		}
		if f, err := (framer{}).Next(r, 4096); !errors.Is(err, io.EOF) {
			t.Errorf("%s: more than there is: %q, %v", name, f.Data, err)
		}
	}
}

func TestFramerRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"too long": "J0005000{}", "a packet that is too long": "\xa1\x82\x20\x00", "a packet of no length": "\xa1\x80",
		"breaks off": "J0000100{", "a packet that breaks off": "\xa1\x05\x02", "a header that breaks off": "J000",
	} {
		if f, err := (framer{}).Next(bufio.NewReader(strings.NewReader(in)), 4096); err == nil {
			t.Errorf("%s: %q", name, f.Data)
		}
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte(`xxJ0000018{"invoke":{"a":1}}`))
	f.Add(append([]byte("J0000003üü"), rose.BER.Encode(rose.Refuse(7, 1, ""))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1000
		r := bufio.NewReader(bytes.NewReader(data))
		for {
			frame, err := framer{}.Next(r, limit)
			if err != nil {
				return
			}
			if len(frame.Data) > 3*limit {
				t.Fatalf("a frame of %d bytes", len(frame.Data))
			}
			again, err := framer{}.Next(bufio.NewReader(bytes.NewReader(framer{}.Pack(dialects.Frame{Binary: frame.Binary, Data: frame.Data}))), 3*limit)
			if frame.Binary && (err != nil || !bytes.Equal(again.Data, frame.Data)) {
				t.Fatalf("%x is read again as %x, %v", frame.Data, again.Data, err)
			}
		}
	})
}
