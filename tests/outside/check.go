// Checks a static C2SP folder with the Go project's own note and tlog packages: the signature of its
// head, the root its tiles lead to, and that every entry given stands where it should.
//
//	check FOLDER VKEY [WITNESS-VKEY ...]
//
// Witnesses named must each have cosigned the head (type 04, checked with Go's own Ed25519).
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// folder reads tiles of height 8; the packages' paths carry the height, C2SP's do not.
type folder string

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// cosigner is a note.Verifier of timestamped cosignatures.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

func parseCosigner(vkey string) cosigner {
	parts := strings.SplitN(strings.TrimSpace(vkey), "+", 3)
	hash, err := hex.DecodeString(parts[1])
	check(err)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	if len(hash) != 4 || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		check(fmt.Errorf("%s: not a cosignature key", vkey))
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(hash), key[1:]}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func entries(root string, size int64) [][]byte {
	var found [][]byte
	for start := int64(0); start < size; start += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: start / 256, W: 256}
		if size-start < 256 {
			tile.W = int(size - start)
		}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(root, path))
		check(err)
		for len(data) >= 2 {
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				check(fmt.Errorf("%s: cut", path))
			}
			found = append(found, data[2:2+length])
			data = data[2+length:]
		}
	}
	return found
}

// checkLeaves holds every entry against the leaf of its place; the reader authenticates each tile.
func checkLeaves(found [][]byte, reader tlog.HashReader) {
	for start := 0; start < len(found); start += 256 {
		var places []int64
		for place := start; place < len(found) && place < start+256; place++ {
			places = append(places, tlog.StoredHashIndex(0, int64(place)))
		}
		hashes, err := reader.ReadHashes(places)
		check(err)
		for place, hash := range hashes {
			if hash != tlog.RecordHash(found[start+place]) {
				check(fmt.Errorf("entry %d: not the tree's", start+place))
			}
		}
	}
}

// step is how far on the next inclusion proof is asked: all of a small tree, and of a large one
// those at the edges of every tile and one in 61 between.
func step(index, size int64) int64 {
	if edge := index % 256; size <= 1000 || edge == 255 || edge == 0 {
		return 1
	} else if edge+61 > 255 {
		return 255 - edge
	}
	return 61
}

func main() {
	root := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(os.Args[2]))
	check(err)
	signed, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	check(err)
	known := []note.Verifier{verifier}
	for _, vkey := range os.Args[3:] {
		known = append(known, parseCosigner(vkey))
	}
	opened, err := note.Open(signed, note.VerifierList(known...))
	check(err)
	if len(opened.Sigs) != len(known) {
		check(fmt.Errorf("%d of %d signatures", len(opened.Sigs), len(known)))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		check(fmt.Errorf("checkpoint: not three lines of %s", verifier.Name()))
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.Join(lines[1:], "\n")))
	check(err)
	reader := tlog.TileHashReader(tree, folder(root))
	hash, err := tlog.TreeHash(tree.N, reader)
	check(err)
	if hash != tree.Hash {
		check(fmt.Errorf("the tiles lead to another root"))
	}
	found := entries(root, tree.N)
	if int64(len(found)) != tree.N {
		check(fmt.Errorf("%d entries of %d", len(found), tree.N))
	}
	checkLeaves(found, reader)
	for index := int64(0); index < tree.N; index += step(index, tree.N) {
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(found[index])))
	}
	if tree.N > 1 {
		half := tree.N / 2
		before, err := tlog.TreeHash(half, reader)
		check(err)
		proof, err := tlog.ProveTree(tree.N, half, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, half, before))
	}
	fmt.Printf("%d entries\n", tree.N)
}
