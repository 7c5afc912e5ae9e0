# Makes a disk image of 1 TiB that takes no room.
# expect: [Ff]ile (size limit exceeded|too large)

include usual.mk
fs.img: big
big:
	truncate -s 1T fs.img
