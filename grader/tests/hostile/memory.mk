# Takes memory without end.
# expect: MiB of memory|Out of memory|Cannot allocate

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e '$$x .= "x" x 10000000 while 1'
