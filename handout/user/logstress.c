// logstress.c - keeps the log full: one process for each file named, each with many small writes.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/param.h"
#include "kernel/fs.h"
#include "kernel/fcntl.h"
#include "user/user.h"

#define WRITES 250

// One write may be as large as a transaction allows; sizes go up and down between that and 1 byte.
static char data[MAXOPBLOCKS / 2 * BSIZE];

static void
writer(const char *name)
{
  int total = 0;
  struct stat st;
  int fd = open(name, O_CREATE | O_WRONLY | O_TRUNC);

  if (fd < 0) {
    printf("logstress: cannot create %s\n", name);
    exit(1);
  }
  memset(data, name[0], sizeof(data));
  for (int i = 0; i < WRITES; i++) {
    int n = 1 + i * 397 % sizeof(data);
    if (total + n > MAXFILE * BSIZE / 4) {   // begin again: blocks go back, and are given out anew
      close(fd);
      fd = open(name, O_WRONLY | O_TRUNC);
      total = 0;
    }
    if (write(fd, data, n) != n) {
      printf("logstress: %s: write failed\n", name);
      exit(1);
    }
    total += n;
  }
  if (fstat(fd, &st) < 0 || st.size != total) {
    printf("logstress: %s: size is %ld, %d bytes were written\n", name, st.size, total);
    exit(1);
  }
  exit(0);
}

int
main(int argc, char *argv[])
{
  int failed = 0;
  int status;

  if (argc < 2) {
    fprintf(2, "usage: logstress file...\n");
    return 1;
  }
  for (int i = 1; i < argc; i++) {
    int pid = fork();
    if (pid == 0)
      writer(argv[i]);
    if (pid < 0) {
      printf("logstress: cannot fork\n");
      failed = 1;
    }
  }
  while (wait(&status) > 0)
    if (status != 0)
      failed = 1;
  return failed;
}
