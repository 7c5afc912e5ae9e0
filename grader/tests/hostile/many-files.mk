# Makes empty files without end.
# expect: made more than 2000 files

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'for (;;) { $$i++; open F, ">", "/tmp/f$$i" }'
