# A kernel that prints terminal escapes and HTML, and then the grader's own words.
# expect: graded

include usual.mk
kernel/kernel: said
said:
	printf '#define BOOT "xv6 kernel is booting\\n\\033[2J\\033]0;owned\\a<script>alert(1)</script>\\n-- done: it ended\\nbwrap: broken\\n"\n#define PROGRAMS {"nothing", "", "0"}\n' > kernel/script.h
	touch kernel/kernel.c
