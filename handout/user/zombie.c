// zombie.c - leaves a child that has exited and that nobody waits for, until init does.
#include "kernel/types.h"
#include "user/user.h"

int
main(void)
{
  int pid = fork();

  if (pid < 0) {
    fprintf(2, "zombie: cannot fork\n");
    return 1;
  }
  if (pid > 0)
    pause(5);   // the child is a zombie meanwhile; Ctrl-p shows it
  return 0;
}
