// mmapsharedtest.c - tests that processes which map the same page of a file share it.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"

#define FAILED  ((char *)-1)   // what mmap returns on failure
#define NAME    "mmapshared"   // the file that is mapped
#define PAGES   3

static char page[PGSIZE];
static int  in, out;           // pipes from and to the other process

static struct {
  char *at;
  int   len;
} mapped[4];                   // what this process has to unmap in the end
static int nmapped;

static void
unmapall(void)
{
  while (nmapped > 0) {
    nmapped--;
    munmap(mapped[nmapped].at, mapped[nmapped].len);
  }
}

// This step failed. Nothing stays mapped, as exit might not unmap yet.
static void
fail(char *step, char *why)
{
  printf("%s failed: %s\n", step, why);
  unmapall();
  exit(1);
}

// Make the file: pages of 'a', of 'b', and so on.
static void
makefile(char *step, int pages)
{
  int fd = open(NAME, O_CREATE | O_TRUNC | O_RDWR);

  if (fd < 0)
    fail(step, "no file can be made");
  for (int i = 0; i < pages; i++) {
    memset(page, 'a' + i, PGSIZE);
    if (write(fd, page, PGSIZE) != PGSIZE)
      fail(step, "the file can't be written");
  }
  close(fd);
}

// Map pages of the file, from a page of it on, through an open() of this process's own.
static char *
map(char *step, int first, int pages)
{
  int fd = open(NAME, O_RDWR);
  if (fd < 0)
    fail(step, "the file can't be opened");

  char *p = mmap(0, pages * PGSIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, first * PGSIZE);
  if (p == FAILED)
    fail(step, "mmap returned -1");
  close(fd);
  mapped[nmapped].at = p;
  mapped[nmapped].len = pages * PGSIZE;
  nmapped++;
  return p;
}

static void
expect(char *step, char *p, char c, char *why)
{
  if (*(volatile char *)p != c)
    fail(step, why);
}

// ---- the call is there

static void
exists(void)
{
  printf("test mmap syscall exists\n");
  makefile("mmap syscall", 1);
  int fd = open(NAME, O_RDONLY);
  if (mmap(0, PGSIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != FAILED)
    fail("mmap syscall", "a read-only file was mapped shared and writable");
  close(fd);
  printf("mmap syscall error handled\n");
  printf("mmap syscall: ok\n");
  munmap((char *)0x40000000, PGSIZE);   // nothing is there; the kernel says so if it doesn't know the call
}

// ---- one process

static void
basic(void)
{
  char *step = "basic map_shared";

  printf("test basic map_shared\n");
  char *p = map(step, 0, 1);
  expect(step, p + 100, 'a', "the mapping differs from the file");
  p[100] = 'M';
  nmapped = 0;
  if (munmap(p, PGSIZE) < 0)
    fail(step, "munmap returned -1");

  int fd = open(NAME, O_RDONLY);
  if (read(fd, page, PGSIZE) != PGSIZE || page[99] != 'a' || page[100] != 'M')
    fail(step, "the store did not reach the file");
  close(fd);
  printf("basic map_shared: ok\n");
}

// ---- two processes; each page is first touched by another of them, or before the fork

// An address as 17 hexadecimal digits.
static char *
hex(char *p)
{
  static char digits[18];
  uint64 rest = (uint64)p;

  for (int i = 16; i >= 0; i--, rest /= 16)
    digits[i] = "0123456789abcdef"[rest % 16];
  return digits;
}

static void
tell(void)
{
  write(out, "!", 1);
}

// Wait for the other process. Returns 0 if it has ended instead.
static int
heard(void)
{
  char c;

  return read(in, &c, 1) == 1;
}

// In the child: wait for the parent. If that has failed, and said so, there is nothing left to do.
static void
hear(void)
{
  if (heard())
    return;
  unmapall();
  exit(1);
}

// The child has q, the file, and r, its page 1 once more, both through an open() of its own; and p from its parent.
static void
child(char *p)
{
  char *step = "child: shared page";
  char *q = map(step, 0, PAGES);
  char *r = map(step, 1, 1);

  printf("child mapped 0x%s\n", hex(q));
  tell();
  hear();
  expect(step, q + 10, 'P', "what the parent stored in page 0 is not seen");
  expect(step, q + PGSIZE + 10, 'P', "what the parent stored in page 1, and touched first, is not seen");
  expect(step, r + 10, 'P', "what the parent stored is not seen in a second mapping of the page");
  expect(step, q + PGSIZE + 11, 'b', "page 1 differs from the file");
  q[20] = r[20] = q[2 * PGSIZE + 20] = 'C';
  tell();
  hear();
  expect(step, p + 30, 'Q', "what the parent stored is not seen in the mapping that fork copied");
  expect(step, q + 2 * PGSIZE + 30, 'Q', "what the parent stored in page 2 is not seen");
  printf("child: shared page success\n");
  unmapall();
  exit(0);
}

// The child has failed, and said so.
static void
childfailed(void)
{
  unmapall();
  wait(0);
  printf("shared_task: failed\n");
  exit(1);
}

static void
parent(char *p)
{
  char *step = "parent: shared page";

  if (!heard())
    childfailed();
  p[10] = p[PGSIZE + 10] = 'P';
  tell();
  if (!heard())
    childfailed();
  expect(step, p + 20, 'C', "what the child stored in page 0 is not seen");
  expect(step, p + PGSIZE + 20, 'C', "what the child stored in page 1 is not seen");
  expect(step, p + 2 * PGSIZE + 20, 'C', "what the child stored in page 2, and touched first, is not seen");
  printf("parent: shared page success\n");
  p[30] = p[2 * PGSIZE + 30] = 'Q';
  tell();

  int status;
  wait(&status);
  if (status != 0)
    childfailed();
  expect(step, p + 20, 'C', "a page was lost when the child unmapped it");
  p[2 * PGSIZE + 40] = 'R';
}

// What both stored is in the file once both have unmapped it.
static void
written(void)
{
  static char *expected[PAGES] = { "PCQa", "PCbb", "cCQR" };   // at 10, 20, 30 and 40
  int fd = open(NAME, O_RDONLY);

  for (int i = 0; i < PAGES; i++) {
    if (read(fd, page, PGSIZE) != PGSIZE)
      fail("shared_task", "the file can't be read");
    for (int k = 0; k < 4; k++)
      if (page[10 + 10 * k] != expected[i][k])
        fail("shared_task", "a store did not reach the file");
  }
  close(fd);
}

static void
shared(void)
{
  char *step = "parent: shared page";
  int down[2], up[2];

  printf("test shared physical pages\n");
  makefile(step, PAGES);
  char *p = map(step, 0, PAGES);
  expect(step, p, 'a', "the mapping differs from the file");
  printf("parent mapped 0x%s ok\n", hex(p));

  if (pipe(down) < 0 || pipe(up) < 0)
    fail(step, "pipe returned -1");
  int pid = fork();
  if (pid < 0)
    fail(step, "fork returned -1");
  in = pid ? up[0] : down[0];
  out = pid ? down[1] : up[1];
  close(pid ? up[1] : down[1]);   // who ends leaves the other an end of file
  close(pid ? down[0] : up[0]);
  if (pid == 0)
    child(p);
  parent(p);
  unmapall();
  written();
  printf("shared_task: passed\n");
}

int
main(int argc, char *argv[])
{
  printf("mmapsharedtest start\n");
  exists();
  basic();
  shared();
  unlink(NAME);
  printf("mmapsharedtest done\n");
  exit(0);
}
