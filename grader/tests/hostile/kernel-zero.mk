# Makes a link to a device where the kernel should be.
# expect: kernel/kernel is a symbolic link, not a file

include usual.mk
kernel/kernel:
	ln -s /dev/zero $@
