package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"dragoman/cluster"
)

// checkCluster looks whether the node would find the others.
func checkCluster(ctx context.Context, p *patient) []finding {
	s := p.cfg.Cluster
	if !s.Enabled() {
		return nil
	}
	found := checkKeys(s)
	for _, a := range []struct{ key, address string }{{"cluster.advertise", s.Advertise}, {"cluster.link.advertise", s.Link.Advertise}} {
		if a.address != "" {
			found = append(found, checkName(ctx, a.key, a.address))
		}
	}
	return append(found, checkSeeds(ctx, s)...)
}

func checkKeys(s cluster.Settings) []finding {
	const what = "cluster.key_file"
	if s.KeyFile == "" {
		return []finding{{what, "ok", "none: nodes of this machine only", ""}}
	}
	keys, err := cluster.ReadKeys(s.KeyFile)
	if err != nil {
		return []finding{{what, "fail", cause(err), "\"openssl rand -base64 32\" makes a key; the file is the same on all nodes, and the user that runs the node reads it"}}
	}
	if info, err := os.Stat(s.KeyFile); err == nil && info.Mode().Perm()&0o077 != 0 {
		return []finding{{what, "warn", "others on this machine can read it, and be a node", "chmod 600 " + s.KeyFile}}
	}
	return []finding{{what, "ok", fmt.Sprintf("can be read; keys: %d", len(keys)), ""}}
}

// checkName looks whether others can find out what an address means.
func checkName(ctx context.Context, key, address string) finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupHost(ctx, host)
	}
	if err != nil {
		return finding{key, "fail", address + ": " + err.Error(), "it has to be host:port, and the other nodes have to find the host"}
	}
	return finding{key, "ok", "others are told " + address, ""}
}

// checkSeeds asks the seeds, with the key.
func checkSeeds(ctx context.Context, s cluster.Settings) []finding {
	const what = "cluster.seeds"
	if len(s.Seeds) == 0 {
		return []finding{{what, "warn", "none: this node waits for others to name it", "unless it is the first one, set it to some nodes, or a DNS name of all"}}
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var found []finding
	for _, seed := range s.Seeds {
		if others, err := cluster.Probe(ctx, s, seed); err != nil {
			found = append(found, finding{
				what, "warn", seed + ": " + cause(err),
				"if a node runs there: the key has to be one of its keys, cluster.name the same, and the port open for TCP and UDP",
			})
		} else {
			found = append(found, finding{what, "ok", fmt.Sprintf("%s answers, and knows %d nodes", seed, others), ""})
		}
	}
	return found
}
