# Dies with 100 MB of memory, for a core file.
# expect: graded
# log: Segmentation fault|Error 139|ls

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-perl -e '$$x = "x" x 100_000_000; kill SEGV => $$$$'
	ls; ls core* && exit 1 || true
