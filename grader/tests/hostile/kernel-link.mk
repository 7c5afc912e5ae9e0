# Makes a link to someone's file where the kernel should be.
# expect: kernel/kernel is a symbolic link, not a file

include usual.mk
kernel/kernel:
	ln -s @VICTIM@/canary.c $@
fs.img: kernel/kernel
