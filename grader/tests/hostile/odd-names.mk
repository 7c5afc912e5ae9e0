# Names files so that a tool may take them for options, lines or other places.
# expect: graded
# log: named

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	touch -- '-rf' '--checkpoint-action=exec=sh' "user/_$$(printf 'a\nb')" 'user/_<b>' 'user/_a b'
	ln -sf @VICTIM@/canary.c user/_canary
	echo named
