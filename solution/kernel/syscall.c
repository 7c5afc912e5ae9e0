// syscall.c - from a system call's number to its function, and the fetching of its arguments.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "proc.h"
#include "syscall.h"
#include "defs.h"

// Argument n of the system call, as the user left it in register a<n>.
static uint64
argraw(int n)
{
  struct trapframe *tf = myproc()->trapframe;

  return (&tf->a0)[n];   // a0 to a7 lie one after another
}

// Argument n as an int.
void
argint(int n, int *ip)
{
  *ip = argraw(n);
}

// Argument n as an address, which is checked when it is used.
void
argaddr(int n, uint64 *ap)
{
  *ap = argraw(n);
}

// The string that argument n points to, into buf with its end mark.
// Returns its length, or -1 if it has max bytes or more, or can't be read.
int
argstr(int n, char *buf, int max)
{
  return fetchstr(argraw(n), buf, max);
}

// The 8 bytes at user address addr. Returns 0, or -1 if they can't be read.
int
fetchaddr(uint64 addr, uint64 *ip)
{
  return copyin(myproc()->pagetable, (char *)ip, addr, sizeof(*ip));
}

// The string at user address addr, as argstr.
int
fetchstr(uint64 addr, char *buf, int max)
{
  if (copyinstr(myproc()->pagetable, buf, addr, max) < 0)
    return -1;
  return strlen(buf);
}

uint64 sys_chdir(void), sys_close(void), sys_dup(void), sys_exec(void), sys_exit(void), sys_fork(void),
       sys_fstat(void), sys_getpid(void), sys_kill(void), sys_link(void), sys_mkdir(void), sys_mknod(void),
       sys_open(void), sys_pause(void), sys_pipe(void), sys_read(void), sys_sbrk(void), sys_unlink(void),
       sys_uptime(void), sys_wait(void), sys_write(void);
#if LAB_TASK >= 1
uint64 sys_mmap(void), sys_munmap(void);
#endif
#if LAB_TASK >= 11
uint64 sys_mprotect(void);
#endif
#if LAB_TASK >= 12
uint64 sys_getwmapinfo(void), sys_numvp(void), sys_numpp(void), sys_getptsize(void), sys_va2pa(void);
#endif
#if LAB_TASK >= 13
uint64 sys_cfork(void);
#endif
#if LAB_TASK >= 14
uint64 sys_msync(void);
#endif

static uint64 (*const calls[])(void) = {
  [SYS_chdir]  = sys_chdir,
  [SYS_close]  = sys_close,
  [SYS_dup]    = sys_dup,
  [SYS_exec]   = sys_exec,
  [SYS_exit]   = sys_exit,
  [SYS_fork]   = sys_fork,
  [SYS_fstat]  = sys_fstat,
  [SYS_getpid] = sys_getpid,
  [SYS_kill]   = sys_kill,
  [SYS_link]   = sys_link,
  [SYS_mkdir]  = sys_mkdir,
  [SYS_mknod]  = sys_mknod,
#if LAB_TASK >= 1
  [SYS_mmap]   = sys_mmap,
  [SYS_munmap] = sys_munmap,
#else
  // TODO(task 1): mmap and munmap. See docs/task1.md.
#endif
  [SYS_open]   = sys_open,
  [SYS_pause]  = sys_pause,
  [SYS_pipe]   = sys_pipe,
  [SYS_read]   = sys_read,
  [SYS_sbrk]   = sys_sbrk,
  [SYS_unlink] = sys_unlink,
  [SYS_uptime] = sys_uptime,
  [SYS_wait]   = sys_wait,
  [SYS_write]  = sys_write,
#if LAB_TASK >= 11
  [SYS_mprotect] = sys_mprotect,
#else
  // TODO(task 11): mprotect. See docs/task11.md.
#endif
#if LAB_TASK >= 12
  [SYS_getwmapinfo] = sys_getwmapinfo,
  [SYS_numvp]       = sys_numvp,
  [SYS_numpp]       = sys_numpp,
  [SYS_getptsize]   = sys_getptsize,
  [SYS_va2pa]       = sys_va2pa,
#else
  // TODO(task 12): getwmapinfo, numvp, numpp, getptsize and va2pa. See docs/task12.md.
#endif
#if LAB_TASK >= 13
  [SYS_cfork] = sys_cfork,
#else
  // TODO(task 13): cfork. See docs/task13.md.
#endif
#if LAB_TASK >= 14
  [SYS_msync] = sys_msync,
#else
  // TODO(task 14): msync. See docs/task14.md.
#endif
};

// Serve the system call of the current process: its number is in a7, the result goes to a0.
void
syscall(void)
{
  struct proc *p = myproc();
  uint64 num = p->trapframe->a7;

  if (num < NELEM(calls) && calls[num]) {
    p->trapframe->a0 = calls[num]();
  } else {
    printf("%d %s: unknown sys call %d\n", p->pid, p->name, (int)num);
    p->trapframe->a0 = -1;
  }
}
