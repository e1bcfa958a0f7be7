package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCluster(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	const shared = "store: {url: 'postgres://u@db/d', key: 0123456789abcdef}\n"
	for text, want := range map[string]string{
		"": "",
		shared + "cluster: {seeds: [node.example], key_file: " + keys + "}":                                       "",
		shared + "cluster: {seeds: ['127.0.0.1:7946'], bind: '127.0.0.1:7946', link: {listen: '127.0.0.1:7947'}}": "",
		shared + "cluster: {seeds: [a]}":                                             "cluster.key_file: is missing",
		"cluster: {key_file: " + keys + "}":                                          "store.url: is missing",
		"store: {url: 'sqlite:/d'}\ndata_dir: /d\ncluster: {key_file: " + keys + "}": "store.key: is missing",
		shared + "cluster: {key_file: k, bind: nowhere}":                             "cluster.bind: ",
		shared + "cluster: {key_file: k, node: 'a b'}":                               "cluster.node: a node's name is",
		shared + "cluster: {key_file: k, link: {cert_file: c}}":                      "cluster.link: needs cert_file, private_key_file and ca_file",
		shared + "cluster: {key_file: k}\nrelay: {max_speakers: -1}":                 "relay.max_speakers: -1 is less than none",
		shared + "cluster: {key_files: k}":                                           "did you mean \"key_file\"?",
	} {
		_, err := Load(Options{File: file(t, text), Sections: sections()})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, flag := range []string{"--cluster-bind=:7946", "--cluster-link-listen=:7947"} {
		t.Setenv("DRAGOMAN_CLUSTER_SEEDS", "127.0.0.1")
		if _, err := Load(Options{Flags: flags(t, flag), Sections: sections()}); err == nil || !strings.Contains(err.Error(), "is not loopback") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
