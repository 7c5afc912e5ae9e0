// nap.c - says that it naps, and does so until it is killed.
#include "kernel/types.h"
#include "user/user.h"

int
main(void)
{
  printf("napping\n");
  for (;;)
    pause(1000);
}
