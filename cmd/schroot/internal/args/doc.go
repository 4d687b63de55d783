// Package args reads the command line of schroot 1.6, as that reads it. It is a
// plain function over words: it asks nothing and prints nothing.
//
// schroot's parser is none of Go's: options may follow the command's words unless
// "--" stands between them, long ones may be cut short as long as one alone is
// meant, "-cNAME" and "-qcNAME" are "-c NAME" and "-q -c NAME", "-c=NAME" means
// the name "=NAME", and an option that is no list is refused the second time.
// Scripts live on such things, so the tables of the tests hold what schroot
// 1.6.13 answered.
package args
