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
# TODO(task 1): mmap and munmap. See docs/task1.md.
