# Takes all rights from its files.
# expect: not graded

include usual.mk
fs.img: locked
locked: kernel/kernel
	-chown -R 0:0 . ; date -s 2001-01-01
	cp disk.bin fs.img; chmod 000 kernel/kernel fs.img; chmod 000 kernel user .
