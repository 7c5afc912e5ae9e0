// init.c - the first process: opens the console and keeps a shell running.
#include "kernel/types.h"
#include "kernel/param.h"
#include "kernel/spinlock.h"
#include "kernel/sleeplock.h"
#include "kernel/fs.h"
#include "kernel/file.h"
#include "kernel/fcntl.h"
#include "user/user.h"

// Make the console standard input, output and error.
static void
openconsole(void)
{
  if (open("console", O_RDWR) < 0) {
    mknod("console", CONSOLE, 0);
    open("console", O_RDWR);
  }
  dup(0);
  dup(0);
}

static int
startshell(void)
{
  static char *argv[] = { "sh", 0 };

  printf("init: starting sh\n");
  int pid = fork();
  if (pid == 0) {
    exec(argv[0], argv);
    printf("init: exec sh failed\n");
    pause(50);   // before the next attempt
    exit(1);
  }
  if (pid < 0) {
    printf("init: cannot fork\n");
    pause(50);
  }
  return pid;
}

int
main(void)
{
  openconsole();
  for (;;) {
    int shell = startshell();
    // Orphans are init's children too, and end here. With no child left (fork failed), wait returns -1.
    for (int pid = 0; pid != shell && pid != -1; )
      pid = wait(0);
  }
}
