# Deletes whatever can be deleted.
# expect: not graded

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-chmod -R u+rwX @VICTIM@ @RESULTS@ @HOME@ @CACHE@
	-rm -rf @VICTIM@ @RESULTS@ @HOME@ @CACHE@ ~ 2>&1 | tail -3
	-rm -rf --no-preserve-root / 2>&1 | tail -3
