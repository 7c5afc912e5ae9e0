// forphan.c - holds a file open that has no name any more, until the machine is killed; the next boot must free it.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

int
main(void)
{
  static char data[3000];
  int fd = open("orphan", O_CREATE | O_WRONLY);

  if (fd < 0 || write(fd, data, sizeof(data)) != sizeof(data) || unlink("orphan") < 0) {
    printf("forphan: cannot make a file without a name\n");
    return 1;
  }
  if (open("orphan", O_RDONLY) >= 0) {
    printf("forphan: the name is still there\n");
    return 1;
  }
  printf("wait for kill and reclaim\n");
  for (;;)
    pause(1000);
}
