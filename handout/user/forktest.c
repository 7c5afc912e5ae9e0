// forktest.c - forks until that fails, and checks that every child can be waited for, and no more.
#include "kernel/types.h"
#include "kernel/param.h"
#include "user/user.h"

// Wait for n children that exit with status 0. Returns 0, or -1 with a message.
static int
collect(int n)
{
  int status;

  for (int i = 0; i < n; i++) {
    if (wait(&status) < 0) {
      printf("fork test FAILED: %d children, and wait found %d\n", n, i);
      return -1;
    }
    if (status != 0) {
      printf("fork test FAILED: a child's status is %d\n", status);
      return -1;
    }
  }
  if (wait(&status) != -1) {
    printf("fork test FAILED: wait found more than the %d children\n", n);
    return -1;
  }
  return 0;
}

int
main(void)
{
  int children = 0;
  int pid;

  printf("fork test\n");
  // Children that have exited keep their slot until they are waited for, so the table fills up.
  while ((pid = fork()) > 0 && children <= NPROC)
    children++;
  if (pid == 0)
    exit(0);
  if (pid > 0) {
    printf("fork test FAILED: more than %d processes\n", NPROC);
    return 1;
  }
  if (children == 0) {
    printf("fork test FAILED: the first fork failed\n");
    return 1;
  }
  if (collect(children) < 0)
    return 1;

  // The slots can be used again.
  pid = fork();
  if (pid == 0)
    exit(0);
  if (pid < 0 || collect(1) < 0) {
    printf("fork test FAILED: no fork after all children were waited for\n");
    return 1;
  }
  printf("fork test OK\n");
  return 0;
}
