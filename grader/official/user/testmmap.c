// testmmap.c - shows what one process can do with mmap and munmap, and checks it.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS 0x20
#endif

#define FAILED  ((char *)-1)   // what mmap returns on failure
#define NAME    "testmmap.tmp"
#define RDWR    (PROT_READ | PROT_WRITE)

static char unsupported[] = "not supported (task 9)";

// Make a file of pages, of 'a', of 'b', and so on, and map it. Returns FAILED if that fails.
static char *
mapnew(int pages, int prot, int flags)
{
  static char page[PGSIZE];
  int fd = open(NAME, O_CREATE | O_TRUNC | O_RDWR);

  for (int i = 0; i < pages; i++) {
    memset(page, 'a' + i, PGSIZE);
    if (write(fd, page, PGSIZE) != PGSIZE)
      return FAILED;
  }
  char *p = mmap(0, pages * PGSIZE, prot, flags, fd, 0);
  close(fd);   // the mapping stays
  return p;
}

// The first byte of a page of the file, as read() gives it.
static char
filebyte(int pageno)
{
  static char page[PGSIZE];
  int fd = open(NAME, O_RDONLY);

  page[0] = 0;
  for (int i = 0; i <= pageno; i++)
    read(fd, page, PGSIZE);
  close(fd);
  return page[0];
}

// Can a system call read the byte at p?
static int
there(char *p)
{
  int fds[2];

  pipe(fds);
  int n = write(fds[1], p, 1);
  close(fds[0]);
  close(fds[1]);
  return n == 1;
}

// Each step returns 0 if all went well, or what did not.

static char *
readfile(void)
{
  char *p = mapnew(2, PROT_READ, MAP_PRIVATE);

  if (p == FAILED)
    return "mmap returned -1";
  printf("  the file is mapped at %p; there is '%c', and a page on '%c'\n", p, p[0], p[PGSIZE]);
  if (p[0] != 'a' || p[PGSIZE] != 'b' || p[2 * PGSIZE - 1] != 'b')
    return "the mapping differs from the file";
  if (munmap(p, 2 * PGSIZE) < 0)
    return "munmap returned -1";
  return there(p) ? "memory is there after munmap" : 0;
}

static char *
writefile(void)
{
  char *p = mapnew(2, RDWR, MAP_SHARED);

  if (p == FAILED)
    return "mmap returned -1";
  p[PGSIZE] = 'B';
  if (munmap(p, 2 * PGSIZE) < 0)
    return "munmap returned -1";
  printf("  after a store and munmap, the file's second page begins with '%c'\n", filebyte(1));
  return filebyte(0) == 'a' && filebyte(1) == 'B' ? 0 : "the store did not reach the file";
}

static char *
anonymous(void)
{
  char *p = mmap(0, 2 * PGSIZE, RDWR, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (p == FAILED)
    return unsupported;
  printf("  2 pages that belong to no file are at %p\n", p);
  for (int i = 0; i < 2 * PGSIZE; i++)
    if (p[i] != 0)
      return "the memory is not zero";
  p[0] = p[2 * PGSIZE - 1] = 'x';
  if (p[0] != 'x' || p[2 * PGSIZE - 1] != 'x')
    return "the memory does not keep what is stored";
  return munmap(p, 2 * PGSIZE) < 0 ? "munmap returned -1" : 0;
}

static char *
partial(void)
{
  char *p = mapnew(4, RDWR, MAP_SHARED);

  if (p == FAILED)
    return "mmap returned -1";
  for (int i = 0; i < 4; i++)
    p[i * PGSIZE] = 'A' + i;
  if (munmap(p, PGSIZE) < 0 || munmap(p + 3 * PGSIZE, PGSIZE) < 0)
    return "munmap of the head or the tail returned -1";
  printf("  page 0 and page 3 of 4 are unmapped; between them is '%c', and a page on '%c'\n", p[PGSIZE], p[2 * PGSIZE]);
  if (there(p) || there(p + 3 * PGSIZE))
    return "memory is there after munmap";
  if (p[PGSIZE] != 'B' || p[2 * PGSIZE] != 'C' || p[3 * PGSIZE - 1] != 'c')
    return "the pages that stay have changed";
  if (munmap(p, 4 * PGSIZE) < 0)   // it may have holes
    return "munmap of the rest returned -1";
  for (int i = 0; i < 4; i++)
    if (filebyte(i) != 'A' + i)
      return "a store did not reach the file";
  return 0;
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

  failed += show("map a file and read it", readfile);
  failed += show("map a file and write it", writefile);
  failed += show("anonymous memory", anonymous);
  failed += show("partial unmapping", partial);
  exit(failed ? 1 : 0);
}
