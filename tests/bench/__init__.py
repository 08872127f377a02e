"""What a question costs, both ends' checks included, against a bare relay of the same bytes.

* One run, one machine: relay and Cloison take turns in short rounds; medians are compared. Trust
  the ratios within one table.
* The same processes on both sides: one program, its own body's node, one holder; mutual TLS with
  certificates of one authority on both hops.
* Nothing is switched off and nothing is prepared before the clock starts but opened cases: signing,
  receipt check and opening count.
* A question that is not answered with data ends the run: a fast refusal is no result.
"""
