// hidden2table.c - task 2: every process has a table of its own, and starts with an empty one. Nothing is touched.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

#define ROUNDS  80   // more than there are slots for processes
#define FULL    16   // mappings that a process must be able to have

static int file;

// Map FILE1 as often as a process must be able to. The process ends with that: there may be no munmap yet.
static void
filltable(void)
{
  for (int i = 0; i < FULL; i++)
    map("a new process can't have 16 mappings", file, 0, PGSIZE, PROT_READ, MAP_PRIVATE);
}

// A slot for a process is used again: by one that must not have the last owner's mappings.
static void
again(void)
{
  newfile(1, PGSIZE);
  file = opened(FILE1, O_RDONLY);
  for (int i = 0; i < ROUNDS; i++)
    alone(filltable, 0, "a child with 16 mappings did not end well");
  close(file);
}

// Several at a time.
static void
together(void)
{
  int fds[2], status;
  char c;

  newfile(2, PGSIZE);
  file = opened(FILE1, O_RDONLY);
  check(pipe(fds) == 0, "pipe");
  for (int i = 0; i < 5; i++)
    if (fork() == 0) {
      filltable();
      close(fds[1]);
      read(fds[0], &c, 1);   // until all are here
      exit(0);
    }
  close(fds[0]);
  close(fds[1]);
  for (int i = 0; i < 5; i++) {
    check(wait(&status) > 0, "wait");
    if (status != 0)
      exit(1);
  }
  close(file);
}

static struct section all[] = {
  { "slots",    "tables of new processes",     again },
  { "together", "tables of several processes", together },
};

int
main(int argc, char *argv[])
{
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
