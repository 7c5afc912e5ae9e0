# Makes a directory where the kernel should be.
# expect: kernel/kernel is a directory, not a file

include usual.mk
kernel/kernel:
	mkdir $@ && echo x > $@/x
