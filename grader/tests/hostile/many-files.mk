# Makes ten times as many files as it may.
# expect: made more than 2000 files

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'for $$i (1..20000) { open F, ">", "/tmp/f$$i" } sleep 1000'
