// hidden4fault.c - task 4: page faults, by processes and by system calls; protection; and no memory for a page.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// exit and munmap may not be there yet, or be wrong. So no child has pages of a mapping when it ends; and what touches some is
// the process that runs the sections, which unmaps nothing before it has printed its last line. It has NMAP mappings then.

// ---- protection: what prot does not allow kills, at the first touch, and so does what is outside

static void
jump(char *p)
{
  ((void (*)(void))p)();
}

// The children map for themselves: fork may not copy mappings yet.
static void
storeshared(void)
{
  store(mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED), 'X');
}

static void
storeprivate(void)
{
  store(mapfile(FILE1, PGSIZE, PROT_READ, MAP_PRIVATE) + PGSIZE - 1, 'X');
}

static void
jumpdata(void)
{
  uint ret = 0x00008067;   // comes back if it is executed

  save(FILE2, (char *)&ret, sizeof(ret));
  jump(mapfile(FILE2, PGSIZE, RDWR, MAP_PRIVATE));
}

static void
loadbehind(void)
{
  load(mapfile(FILE1, PGSIZE, PROT_READ, MAP_PRIVATE) + PGSIZE);
}

static void
loadbehindodd(void)
{
  load(mapfile(FILE1, PGSIZE + 100, PROT_READ, MAP_PRIVATE) + 2 * PGSIZE);
}

static void
loadbefore(void)
{
  mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED);
  load((char *)LOW - 2 * PGSIZE);
}

static void
loadnone(void)
{
  load(mapfile(FILE1, PGSIZE, PROT_NONE, MAP_PRIVATE));
}

static void
storenone(void)
{
  store(mapfile(FILE1, PGSIZE, PROT_NONE, MAP_SHARED), 'X');
}

static void
jumpnone(void)
{
  jump(mapfile(FILE1, PGSIZE, PROT_NONE, MAP_PRIVATE));
}

// A page that may be executed alone: whether it can be read is the kernel's choice, but it must decide.
static void
loadexecutable(void)
{
  int status;

  if (child() == 0) {
    load(mapfile(FILE1, PGSIZE, PROT_EXEC, MAP_PRIVATE));
    exit(0);
  }
  check(wait(&status) > 0 && (status == 0 || status == -1), "a load from a page with PROT_EXEC alone");
  close(in);
  close(out);
}

static void
protection(void)
{
  newfile(1, 2 * PGSIZE);
  killed(loadnone, "a page with PROT_NONE can be read");
  killed(storenone, "a page with PROT_NONE can be written");
  killed(jumpnone, "a page with PROT_NONE can be executed");
  killed(storeshared, "a read-only shared page can be written");
  killed(storeprivate, "a read-only private page can be written");
  killed(jumpdata, "a page without PROT_EXEC can be executed");
  killed(loadbehind, "the byte behind a mapping can be read");
  killed(loadbehindodd, "the byte behind a mapping of an odd length can be read");
  killed(loadbefore, "memory before all mappings can be read");
  loadexecutable();
  holds(FILE1, want, 2 * PGSIZE, "a store to a read-only page has reached the file");
}

// ---- memory: with none left, the process is killed or its call fails; nothing is lost, and nobody else notices

static void
storewithout(void)
{
  char *p = mapfile(FILE1, PGSIZE, RDWR, MAP_PRIVATE);

  takeall();
  store(p, 'X');
}

static void
loadwithout(void)
{
  char *p = mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED);

  takeall();
  load(p + 100);
}

// Faults for which there is one page, where a page and tables are needed.
static void
halfway(void)
{
  int fds[2];
  char *p = mapfile(FILE1, 200 << 20, PROT_READ, MAP_PRIVATE);

  check(pipe(fds) == 0, "pipe");
  takeall();
  for (int i = 0; i < 60; i++) {
    sbrk(-PGSIZE);
    check(write(fds[1], p + i * (2 << 20), 1) != 1, "a page was mapped without memory for it");
    sbrk(PGSIZE);
  }
}

static void
memory(void)
{
  shrink();
  newfile(2, PGSIZE);
  killed(storewithout, "a store without memory for its page is not what kills");
  int before = freepages();
  killed(storewithout, "a store without memory for its page is not what kills");
  killed(loadwithout, "a load without memory for its page is not what kills");
  alone(halfway, 0, "a child with no memory for its mapping did not end well");
  check(freepages() > before - 20, "faults that fail half-way lose pages");
  holds(FILE1, want, PGSIZE, "a fault that failed has changed the file");
}

// ---- calls: system calls that store to, or take strings from, pages never touched, whose blocks have to come from the disk

// Have the kernel forget what it has of other files. It can't keep more than it has buffers for.
static void
forget(void)
{
  int fd = opened(FILE2, O_CREATE | O_TRUNC | O_RDWR);

  while (write(fd, want, sizeof(want)) == sizeof(want))
    ;
  close(fd);
  unlink(FILE2);
}

static void
calls(void)
{
  char *name = want + 5 * PGSIZE - 2;               // lies in two pages
  int fds[2], more[2], status;

  newfile(4, 7 * PGSIZE);
  memmove(name, FILE2, sizeof(FILE2));
  save(FILE1, want, 7 * PGSIZE);
  check(pipe(fds) == 0 && write(fds[1], "1234567890", 10) == 10, "pipe");
  int pid = fork();
  if (pid == 0)
    exit(7);
  char *p = mapfile(FILE1, 7 * PGSIZE, RDWR, MAP_PRIVATE);
  forget();
  check(read(fds[0], p + 90, 10) == 10, "read() from a pipe to a page that is on the disk");
  forget();
  check(wait((int *)(p + PGSIZE + 8)) == pid, "wait() with its result in a page that is on the disk");
  forget();
  check(write(fds[1], p + 3 * PGSIZE - 5, 10) == 10, "write() to a pipe of pages that are on the disk");
  int fd = open(p + 5 * PGSIZE - 2, O_CREATE | O_RDWR);
  check(fd >= 0, "open() of a name in pages never touched");
  close(fd);
  check(unlink(FILE2) == 0, "open() of a name in pages never touched made another file");
  check(pipe((int *)(p + 6 * PGSIZE + 80)) == 0, "pipe() with its result in a page never touched");

  memmove(&status, p + PGSIZE + 8, sizeof(status));
  memmove(more, p + 6 * PGSIZE + 80, sizeof(more));
  check(status == 7, "wait() stored something else in a page that is on the disk");
  check(write(more[1], "x", 1) == 1, "pipe() stored something else in a page never touched");
  memmove(want + 90, "1234567890", 10);
  memmove(want + PGSIZE + 8, &status, sizeof(status));
  memmove(want + 6 * PGSIZE + 80, more, sizeof(more));
  same(p, want, 7 * PGSIZE, "a page is wrong after a system call stored into it");
  for (int i = 0; i < 2; i++) {
    close(fds[i]);
    close(more[i]);
  }
}

// ---- execute: code in a mapping runs, and its first touch is the fetch

// PROT_EXEC alone suffices to execute.
static void
execute(void)
{
  static uint code[] = { 0x00150513, 0x00008067 };   // addi a0, a0, 1; ret
  static int prot[] = { PROT_READ | PROT_EXEC, PROT_EXEC };

  save(FILE1, (char *)code, sizeof(code));
  for (int i = 0; i < 2; i++) {
    char *p = mapfile(FILE1, PGSIZE, prot[i], MAP_PRIVATE);
    __asm__ volatile("fence.i");
    check(((int (*)(int))p)(41) == 42, "code in a mapping with PROT_EXEC does something else");
  }
}

// ---- far: offsets that don't fit in 32 bits are not those below; where the file ends is seen at the first touch

// A page that the file ended in, and one behind its end, are mapped; then the file grows.
static void
grown(void)
{
  newfile(6, 100);
  char *last = mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED), *next = mapfile(FILE1, 2 * PGSIZE, PROT_READ, MAP_PRIVATE) + PGSIZE;
  int fd = opened(FILE1, O_RDWR);
  fill(want, 6, 2 * PGSIZE);
  for (int half = 0; half < 2; half++)
    check(write(fd, want + half * PGSIZE, PGSIZE) == PGSIZE, "write");
  close(fd);
  same(last, want, PGSIZE, "a page that was touched after the file had grown differs from it");
  same(next, want + PGSIZE, PGSIZE, "a page behind the end of the file that was touched after the file had grown differs from it");
}

static void
far(void)
{
  static long offset[] = { 1L << 20, 1L << 31, 1L << 32 };

  grown();
  newfile(3, 2 * PGSIZE);
  int fd = opened(FILE1, O_RDONLY);
  for (int i = 0; i < sizeof(offset) / sizeof(offset[0]); i++) {
    char *p = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, offset[i]);
    check(p != FAILED || i > 0, "mmap far behind the end of the file");
    if (p != FAILED)                                 // else: farther than a file can reach
      blank(p, PGSIZE, "a page far behind the end of the file is not zero");
  }
  close(fd);
}

static struct section all[] = {
  { "protection", "protection of pages",      protection },
  { "memory",     "faults without memory",    memory },
  { "calls",      "system calls that fault",  calls },
  { "execute",    "code in a mapping",        execute },
  { "far",        "far offsets",              far },
};

int
main(int argc, char *argv[])
{
  int status = sections(argc, argv, all, sizeof(all) / sizeof(all[0]));

  munmap((char *)LOW, HIGH - LOW);
  exit(status);
}
