// mmapoom.c - has the first allocation fail, then the second, ...; after each, nothing may be lost and all must work.
//
// Needs a kernel that was made with FAILALLOC=1.
#include "user/extlib.h"
#include "user/wmap.h"
#include "kernel/param.h"
#include "kernel/spinlock.h"
#include "kernel/sleeplock.h"
#include "kernel/fs.h"
#include "kernel/file.h"

#define FILENAME "oom"
#define NPAGE    4                       // of the file, and of most mappings
#define LARGE    (SUREPAGES + NPAGE)     // pages of one whose last ones have no copy promised at fork

// How a process ends in which an allocation failed; or it is killed.
enum { DONE, GAVEUP, WRONG };

static int device;                       // FAIL
static int file;
static char *shared, *private, *memory, *large;
static char data[NPAGE * PGSIZE];

static void
must(int ok, char *what, int n)
{
  if (ok)
    return;
  printf("mmapoom failure: %s, at allocation %d, pid=%d\n", what, n, getpid());
  exit(1);
}

// ---- the device

// The n-th allocation from now on is to fail; 0: none.
static void
arm(int n)
{
  must(write(device, &n, sizeof(n)) == sizeof(n), "write to the device", n);
}

// What the device knows: the allocations that are left until one fails, and the free pages that nobody was promised.
static int
ask(int which)
{
  int known[2];

  must(read(device, known, sizeof(known)) == sizeof(known), "read from the device", 0);
  return known[which];
}

// ---- the process in which an allocation fails

// What a call gives that may fail.
static void
may(int ok)
{
  if (!ok)
    exit(GAVEUP);
}

// What must be right, whatever has failed.
static void
right(int ok)
{
  if (!ok)
    exit(WRONG);
}

static void
maps(void)
{
  file = open(FILENAME, O_RDWR);
  may(file >= 0);
  shared = mmap(0, NPAGE * PGSIZE, RW, MAP_SHARED, file, 0);
  private = mmap(0, NPAGE * PGSIZE, RW, MAP_PRIVATE, file, 0);
  memory = mmap(0, NPAGE * PGSIZE, RW, ANONS, -1, 0);
  large = mmap(0, LARGE * PGSIZE, RW, ANON, -1, 0);
  may(shared != BAD && private != BAD && memory != BAD && large != BAD);
}

static void
touches(void)
{
  for (int i = 0; i < NPAGE; i++) {
    int at = i * PGSIZE;
    right(private[at] == 'f' && large[at] == 0 && memory[at] == 0);
    private[at] = 'p';
    right(shared[at] == 'f');
    shared[at + 1] = 's';
    memory[at] = 'm';
    large[at] = large[at + SUREPAGES * PGSIZE] = 'l';
    data[at] = 'd';
  }
}

// What the parent has, and the child begins with.
static void
compare(void)
{
  for (int i = 0; i < NPAGE; i++) {
    int at = i * PGSIZE;
    right(private[at] == 'p' && shared[at] == 'f' && shared[at + 1] == 's' && data[at] == 'd');
    right(large[at] == 'l' && large[at + SUREPAGES * PGSIZE] == 'l');
  }
}

// The child stores to pages of each kind, itself and through the kernel.
static void
child(int out)
{
  struct wmapinfo *info = (struct wmapinfo *)large;

  compare();
  for (int i = 0; i < NPAGE; i++) {
    int at = i * PGSIZE;
    private[at]++;
    large[at + SUREPAGES * PGSIZE]++;
    memory[at] = 'c';
    shared[at + 2] = 's';
  }
  may(getwmapinfo(info) == 0);
  right(info->total_mmaps == 4 && (char *)(uint64)info->addr[0] == shared);
  may(write(out, data, 1) == 1 && pipe((int *)(private + PGSIZE)) == 0);
  exit(DONE);
}

// fork, a pipe between the two, and a wait, of a process whose pages are shared until a store.
static void
forks(void)
{
  int *ends = (int *)(private + 8), *status = (int *)(large + 8);

  may(pipe(ends) == 0);
  int pid = fork();
  if (pid == 0)
    child(ends[1]);
  close(ends[1]);
  if (pid > 0) {
    int n = read(ends[0], &data[8], 1);
    right(n < 1 || data[8] == 'd');
    may(wait(status) == pid);
    right(*status != WRONG);
    right(*status != DONE || (n == 1 && memory[0] == 'c' && shared[2] == 's'));
  }
  close(ends[0]);
  compare();
}

// A new program, while pages that were stored to are mapped.
static void
executes(void)
{
  char *argv[] = { "mmapoom", "nothing", 0 };
  int status = 0, pid = fork();

  if (pid == 0) {
    shared[3] = 's';
    exec(argv[0], argv);
    compare();
    exit(GAVEUP);
  }
  may(pid > 0 && wait(&status) == pid);
  right(status != WRONG);
  compare();
}

// Mappings are split, replaced, and taken away in parts.
static void
changes(void)
{
  char *middle = large + PGSIZE;

  may(mprotect(middle, PGSIZE, PROT_READ) == 0 && mprotect(shared, PGSIZE, PROT_READ) == 0);
  right(*middle == 'l' && *shared == 'f');
  may(mprotect(middle, PGSIZE, RW) == 0);
  *middle = 'l';
  compare();
  may(mmap(middle + PGSIZE, PGSIZE, RW, MAP_SHARED | MAP_FIXED, file, 0) == middle + PGSIZE);
  right(middle[PGSIZE] == 'f' && middle[2 * PGSIZE] == 'l');
  may(mmap(memory, PGSIZE, RW, ANONS | MAP_FIXED, -1, 0) == memory);
  right(memory[0] == 0);
  may(munmap(shared + PGSIZE, PGSIZE) == 0 && msync(shared, PGSIZE) == 0);
}

// The kernel's own use of pages that are not there, and the heap.
static void
transfers(void)
{
  char *more = sbrk(3 * PGSIZE), *lazy = sbrklazy(2 * PGSIZE);

  may(munmap(private, NPAGE * PGSIZE) == 0);
  private = mmap(0, NPAGE * PGSIZE, RW, MAP_PRIVATE, file, 0);
  may(private != BAD && more != SBRK_ERROR && lazy != SBRK_ERROR);
  may(read(file, private + 100, PGSIZE) == PGSIZE);
  right(private[100] == 'f' && private[101] == 's' && private[99] == 'f');
  may(read(file, lazy + 100, PGSIZE) == PGSIZE);
  right(lazy[100] == 'f' && lazy[99] == 0);
  may(write(file, large + 10 * PGSIZE, PGSIZE) == PGSIZE);
}

static void
work(void)
{
  maps();
  touches();
  forks();
  executes();
  changes();
  transfers();
  exit(DONE);
}

// ---- the process that looks what became of it

static void
makefile(void)
{
  memset(data, 'f', sizeof(data));
  int fd = open(FILENAME, O_CREATE | O_RDWR | O_TRUNC);
  must(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data), "making a file", 0);
  close(fd);
}

// Have the n-th allocation fail. Returns whether there were so many.
static int
attempt(int n)
{
  int status = 0;

  makefile();
  int pages = ask(1), pid = fork();
  must(pid >= 0, "fork", n);
  if (pid == 0) {
    arm(n);
    work();
  }
  must(wait(&status) == pid, "wait", n);
  int fell = ask(0) == 0;
  arm(0);
  must(status != WRONG, "memory or a file does not hold what it must", n);
  must(ask(1) == pages, "pages were lost", n);
  must(fell || status == DONE, "the process fails though no allocation did", n);
  return fell;
}

int
main(int argc, char *argv[])
{
  if (argc > 1)
    exit(0);   // the new program of executes()
  mknod("fail", FAIL, 0);
  device = open("fail", O_RDWR);
  must(device >= 0, "there is no device, so the kernel was not made with FAILALLOC=1", 0);
  arm(0);
  makefile();
  int pages = freepages(), files = freefiles(FILENAME), n = 1;
  while (attempt(n))
    n++;
  must(freepages() == pages, "pages were lost", 0);
  must(freefiles(FILENAME) == files, "open files were lost", 0);
  unlink(FILENAME);
  printf("%d allocations failed, one in each run\ntest mmapoom: OK\n", n - 1);
  exit(0);
}
