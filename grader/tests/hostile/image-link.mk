# Makes the disk image a second name of the kernel.
# expect: fs.img is a hard link, not a file|no disk image

include usual.mk
fs.img: kernel/kernel
	ln kernel/kernel $@
