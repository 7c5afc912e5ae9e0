// stressfs.c - five processes write files at the same time, read them back and compare.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

#define WRITERS 5
#define ROUNDS  4     // each writes its file this often,
#define BLOCKS  40    // this long
#define BLOCK   512

static char block[BLOCK];

static void
fail(const char *name, const char *what)
{
  printf("stressfs: %s: %s failed\n", name, what);
  exit(1);
}

// What stands in a block: no two blocks of a run are alike.
static void
fill(int writer, int round, int n)
{
  for (int i = 0; i < BLOCK; i++)
    block[i] = writer * 31 + round * 7 + n + i;
}

static void
check(const char *name, int writer, int round)
{
  static char got[BLOCK];
  int fd = open(name, O_RDONLY);

  if (fd < 0)
    fail(name, "open");
  for (int n = 0; n < BLOCKS; n++) {
    fill(writer, round, n);
    if (read(fd, got, BLOCK) != BLOCK)
      fail(name, "read");
    if (memcmp(got, block, BLOCK) != 0)
      fail(name, "comparison");
  }
  if (read(fd, got, 1) != 0)
    fail(name, "end of file");
  close(fd);
}

static void
writer(int number)
{
  char name[] = "stressfs0";

  name[8] += number;
  for (int round = 0; round < ROUNDS; round++) {
    int fd = open(name, O_CREATE | O_WRONLY | O_TRUNC);
    if (fd < 0)
      fail(name, "create");
    for (int n = 0; n < BLOCKS; n++) {
      fill(number, round, n);
      if (write(fd, block, BLOCK) != BLOCK)
        fail(name, "write");
    }
    close(fd);
    check(name, number, round);
  }
  if (unlink(name) < 0)
    fail(name, "unlink");
  exit(0);
}

int
main(void)
{
  int failed = 0;
  int status;

  printf("stressfs: %d writers\n", WRITERS);
  for (int i = 0; i < WRITERS; i++) {
    int pid = fork();
    if (pid == 0)
      writer(i);
    if (pid < 0)
      fail("writer", "fork");
  }
  for (int i = 0; i < WRITERS; i++)
    if (wait(&status) < 0 || status != 0)
      failed = 1;
  printf("stressfs: %s\n", failed ? "FAILED" : "OK");
  return failed;
}
