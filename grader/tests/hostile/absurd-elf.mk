# Makes a kernel whose headers say 2^63 bytes and 65535 sections.
# expect: graded

include usual.mk
kernel/kernel:
	perl -e 'print "\x7fELF\2\1\1", "\0" x 9, pack("vvVQQQVvvvvvv", 2, 243, 1, 0x80000000, 64, 1 << 63, 0, 64, 56, 65535, 64, 65535, 65534), pack("VVQQQQQQ", 1, 7, 0, 0x80000000, 0x80000000, 1 << 62, 1 << 63, 1) x 100' > $@
