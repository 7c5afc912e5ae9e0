// status.c - lets a process tell its parent how it ended in a way that the kernel can't make up.
//
// exit() gives the kernel a number made from the status, the process and a key of this build; wait() finds the status again.
// Linked with --wrap, so programs call them by their usual names. The shell has them too, for the test programs are its children.
#include "kernel/types.h"
#include "user/user.h"
#include "runkey.h"

#define KILLED (-1)
#define LIE    (-1000)          // what wait() tells of a process whose status the kernel made up
#define MOST   255              // exit statuses are from 0 to this, or -1

int __real_exit(int status) __attribute__((noreturn));
int __real_wait(int *status);

static int
coded(int pid, int status)
{
  uint64 code = (RUNKEY1 ^ (uint64)pid << 32 ^ (uint)status) * 0x9e3779b97f4a7c15UL;

  code = (code ^ code >> 31 ^ RUNKEY0) * 0xd6e8feb86659fd93UL;
  return code >> 33;
}

static int
decoded(int pid, int code)
{
  if (code == KILLED)
    return KILLED;
  for (int status = -1; status <= MOST; status++)
    if (coded(pid, status) == code)
      return status;
  printf("wait: pid %d did not end with the status that the kernel tells\n", pid);
  return LIE;
}

int
__wrap_exit(int status)
{
  __real_exit(coded(getpid(), status));
}

int
__wrap_wait(int *status)
{
  int pid = __real_wait(status);

  if (pid > 0 && status)
    *status = decoded(pid, *status);
  return pid;
}
