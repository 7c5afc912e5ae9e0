# Makes directories deeper than a path can be long, with a disk image at the end.
# expect: graded
# log: deep

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'for (1..3000) { mkdir "d" or last; chdir "d" or last } print "deep\n"'
