# Prints NUL, invalid UTF-8 and terminal escapes, then a name for its output that is none.
# expect: graded
# log: <script>

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'print "\0\xff\xfe\x1b[2J\x1b]0;owned\x07\xc3\x28", "<script>alert(1)</script>\n"'
