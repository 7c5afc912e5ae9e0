// dorphan.c - stays in a directory that has no name any more, until the machine is killed; the next boot must free it.
#include "kernel/types.h"
#include "user/user.h"

int
main(void)
{
  if (mkdir("orphandir") < 0 || chdir("orphandir") < 0 || unlink("../orphandir") < 0) {
    printf("dorphan: cannot make a directory without a name\n");
    return 1;
  }
  if (mkdir("inside") == 0) {
    printf("dorphan: the removed directory took a new entry\n");
    return 1;
  }
  printf("wait for kill and reclaim\n");
  for (;;)
    pause(1000);
}
