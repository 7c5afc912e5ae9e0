# Makes a FIFO where the disk image should be.
# expect: fs.img is a FIFO, not a file

include usual.mk
fs.img:
	mkfifo $@
