// testmmfork.c - shows what becomes of mappings when a process forks, and checks it.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS 0x20
#endif

#define FAILED  ((char *)-1)   // what mmap returns on failure
#define NAME    "testmmfork.tmp"
#define RDWR    (PROT_READ | PROT_WRITE)

static char unsupported[] = "not supported (task 9)";

// Map a new file of one page of 'f'. Returns FAILED if that fails.
static char *
mapnew(int flags)
{
  static char page[PGSIZE];
  int fd = open(NAME, O_CREATE | O_TRUNC | O_RDWR);

  memset(page, 'f', PGSIZE);
  if (write(fd, page, PGSIZE) != PGSIZE)
    return FAILED;
  char *p = mmap(0, PGSIZE, RDWR, flags, fd, 0);
  close(fd);
  return p;
}

// Wait for the child. Returns 1 if all went well there.
static int
childwell(void)
{
  int status = 1;

  wait(&status);
  return status == 0;
}

// Each step returns 0 if all went well, or what did not.

static char *
inherit(void)
{
  char *p = mapnew(MAP_PRIVATE);

  if (p == FAILED)
    return "mmap returned -1";
  if (fork() == 0)
    exit(p[0] == 'f' && p[PGSIZE - 1] == 'f' ? 0 : 1);
  if (!childwell())
    return "the child does not see the file in its parent's mapping";
  return munmap(p, PGSIZE) < 0 ? "munmap returned -1" : 0;
}

static char *
private(void)
{
  char *p = mapnew(MAP_PRIVATE);

  if (p == FAILED)
    return "mmap returned -1";
  p[0] = 'P';
  if (fork() == 0) {
    int seen = p[0] == 'P' && p[1] == 'f';
    p[1] = 'C';
    exit(seen ? 0 : 1);
  }
  if (!childwell())
    return "the child does not see what its parent stored";
  printf("  the parent sees '%c' where it stored, and '%c' where the child did\n", p[0], p[1]);
  if (p[0] != 'P' || p[1] != 'f')
    return "the parent sees what the child stored";
  return munmap(p, PGSIZE) < 0 ? "munmap returned -1" : 0;
}

static char *
childunmaps(void)
{
  char *p = mapnew(MAP_SHARED);

  if (p == FAILED)
    return "mmap returned -1";
  p[0] = 'P';
  if (fork() == 0)
    exit(munmap(p, PGSIZE) == 0 ? 0 : 1);
  if (!childwell())
    return "munmap returned -1 in the child";
  if (p[0] != 'P' || p[1] != 'f')
    return "the parent's page has changed";
  return munmap(p, PGSIZE) < 0 ? "munmap returned -1" : 0;
}

// p is shared memory: the child stores, the parent looks.
static char *
storeinchild(char *p)
{
  p[0] = 'P';
  if (fork() == 0) {
    int seen = p[0] == 'P';
    p[1] = 'C';
    exit(seen ? 0 : 1);
  }
  if (!childwell())
    return "the child does not see what its parent stored (task 8)";
  printf("  the parent sees '%c' where the child stored\n", p[1]);
  if (p[1] != 'C')
    return "the parent does not see what the child stored (task 8)";
  return munmap(p, PGSIZE) < 0 ? "munmap returned -1" : 0;
}

static char *
shared(void)
{
  char *p = mapnew(MAP_SHARED);

  return p == FAILED ? "mmap returned -1" : storeinchild(p);
}

static char *
anonymous(void)
{
  char *p = mmap(0, PGSIZE, RDWR, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  return p == FAILED ? unsupported : storeinchild(p);
}

// Run a step. Returns 1 if it failed.
static int
show(char *name, char *(*step)(void))
{
  char *why = step();

  if (why == 0)
    printf("%s: ok\n", name);
  else if (why == unsupported)
    printf("%s: %s\n", name, why);
  else
    printf("%s: FAILED: %s\n", name, why);
  unlink(NAME);
  return why != 0 && why != unsupported;
}

int
main(int argc, char *argv[])
{
  int failed = 0;

  failed += show("a child has its parent's mappings", inherit);
  failed += show("private pages are copied", private);
  failed += show("a child's munmap leaves the parent's mapping alone", childunmaps);
  failed += show("shared pages are one page", shared);
  failed += show("shared anonymous memory", anonymous);
  exit(failed ? 1 : 0);
}
