# Forks up to what the kernel allows, in sleeping children, before anyone looks; then says how many came.
# expect: ran more than 40 processes

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e '$$n = 0; while (defined($$pid = fork)) { $$pid or sleep 1000; $$n++ } print "$$n came\n"; sleep 1000'
