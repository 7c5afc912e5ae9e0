# stubs.S - the system calls for the hidden tests, by the submission's numbers: its own stubs are not taken.
#include "kernel/syscall.h"

.macro stub function, number
.global \function
.type \function, @function
\function:
  li a7, \number
  ecall
  ret
.size \function, . - \function
.endm

stub fork, SYS_fork
stub exit, SYS_exit
stub wait, SYS_wait
stub pipe, SYS_pipe
stub read, SYS_read
stub kill, SYS_kill
stub exec, SYS_exec
stub fstat, SYS_fstat
stub chdir, SYS_chdir
stub dup, SYS_dup
stub getpid, SYS_getpid
stub sys_sbrk, SYS_sbrk
stub pause, SYS_pause
stub uptime, SYS_uptime
stub open, SYS_open
stub write, SYS_write
stub mknod, SYS_mknod
stub unlink, SYS_unlink
stub link, SYS_link
stub mkdir, SYS_mkdir
stub close, SYS_close
stub mmap, SYS_mmap
stub munmap, SYS_munmap
stub mprotect, SYS_mprotect
stub getwmapinfo, SYS_getwmapinfo
stub numvp, SYS_numvp
stub numpp, SYS_numpp
stub getptsize, SYS_getptsize
stub cfork, SYS_cfork
stub msync, SYS_msync
stub va2pa, SYS_va2pa
