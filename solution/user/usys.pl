#!/usr/bin/perl -w
# usys.pl - prints usys.S: for each system call, the function that makes it.
use strict;

print qq{#include "kernel/syscall.h"\n};

# One function: the number of the call goes into a7, where the kernel looks for it.
# A second argument gives the number's name, where that differs.
sub entry {
  my ($function, $number) = (@_, @_);
  print <<"END";

.global $function
$function:
  li a7, SYS_$number
  ecall
  ret
END
}

entry("fork");
entry("exit");
entry("wait");
entry("exec");
entry("kill");
entry("getpid");
entry("pause");
entry("uptime");

entry("open");
entry("close");
entry("read");
entry("write");
entry("dup");
entry("pipe");
entry("fstat");
entry("link");
entry("unlink");
entry("mkdir");
entry("chdir");
entry("mknod");

entry("sys_sbrk", "sbrk");
#if LAB_TASK >= 1
entry("mmap");
entry("munmap");
#else
# TODO(task 1): mmap and munmap. See docs/task1.md.
#endif
#if LAB_TASK >= 11
entry("mprotect");
#else
# TODO(task 11): mprotect. See docs/task11.md.
#endif
#if LAB_TASK >= 12
entry("getwmapinfo");
entry("numvp");
entry("numpp");
entry("getptsize");
entry("va2pa");
#else
# TODO(task 12): getwmapinfo, numvp, numpp, getptsize and va2pa. See docs/task12.md.
#endif
#if LAB_TASK >= 13
entry("cfork");
#else
# TODO(task 13): cfork. See docs/task13.md.
#endif
#if LAB_TASK >= 14
entry("msync");
#else
# TODO(task 14): msync. See docs/task14.md.
#endif
