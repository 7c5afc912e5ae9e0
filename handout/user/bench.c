// bench.c - does one operation N times and prints what the clock says before and after: `bench NAME N TICKS TICKS`.
//
// Two runs with different N give the cost of one operation. Under QEMU's -icount shift=0 the clock counts
// instructions, 100 to a tick.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/syscall.h"
#include "user/user.h"

#define PAGE     4096
#define PIECE    32     // pages that are touched at a time: their blocks fit in the buffer cache
#define FILESIZE 64     // pages of a large file; it could have 67
#define LAST     4      // pages at the end of a file
#define MANY     1000   // pages of what is large

static uint64 begin, end;   // what the clock said
static uint64 started;      // what it said at start()

static void
check(int ok, const char *what)
{
  if (!ok) {
    printf("bench: %s failed\n", what);
    exit(1);
  }
}

// The null system call.
static void
null(int n)
{
  while (n-- > 0)
    getpid();
}

static void
forkexitwait(int n)
{
  while (n-- > 0) {
    int pid = fork();
    if (pid == 0)
      exit(0);
    check(pid > 0 && wait(0) == pid, "fork");
  }
}

static uint64
now(void)
{
  uint64 ticks;
  asm volatile("rdtime %0" : "=r"(ticks));
  return ticks;
}

// The digits of n; the buffer must have room for 20, and a zero behind them.
static char *
decimal(uint64 n, char *buffer)
{
  char *first = buffer + 20;
  *first = 0;
  do {
    *--first = '0' + n % 10;
  } while ((n /= 10) > 0);
  return first;
}

// This program executes itself: n times, counting down in its argument, with the time of the start behind it.
static void
execself(int n)
{
  char left[21], began[21];
  char *argv[] = { "bench", "exec", decimal(n - 1, left), decimal(begin, began), 0 };

  if (n == 0)
    return;
  exec(argv[0], argv);
  check(0, "exec");
}

// Touch n pages of lazily allocated memory, 256 at a time.
static void
lazyfault(int n)
{
  while (n > 0) {
    int pages = n < 256 ? n : 256;
    char *p = sbrklazy(pages * PAGE);
    check(p != SBRK_ERROR, "sbrklazy");
    for (int i = 0; i < pages; i++)
      p[i * PAGE] = 1;
    sbrk(-pages * PAGE);
    n -= pages;
  }
}

// A file of n pages, for the operations that map one.
static int
makefile(int pages)
{
  static char page[PAGE];
  int fd = open("bench.tmp", O_CREATE | O_RDWR | O_TRUNC);

  check(fd >= 0, "create");
  for (int i = 0; i < pages; i++)
    check(write(fd, page, PAGE) == PAGE, "write");
  return fd;
}

// From the first start() on, only the time between a start() and its stop() counts.
static void
start(void)
{
  started = now();
}

static void
stop(void)
{
  end += now() - started;
  begin = 0;
}

// Touch a page each: a store if prot says that it may be stored to.
static void
touch(char *p, int pages, int prot)
{
  for (int i = 0; i < pages; i++) {
    if (prot & PROT_WRITE)
      p[i * PAGE] = 1;
    else
      *(volatile char *)(p + i * PAGE);
  }
}

// Map pages from the page with number first on.
static char *
mapfrom(int first, int pages, int prot, int flags, int fd)
{
  char *p = mmap(0, pages * PAGE, prot, flags, fd, first * PAGE);
  check(p != (char *)-1, "mmap");
  return p;
}

static char *
map(int pages, int prot, int flags, int fd)
{
  return mapfrom(0, pages, prot, flags, fd);
}

// n faults, in new mappings.
static void
faults(int n, int prot, int flags, int fd)
{
  while (n > 0) {
    int pages = n < PIECE ? n : PIECE;
    char *p = map(pages, prot, flags, fd);
    start();
    touch(p, pages, prot);
    stop();
    check(munmap(p, pages * PAGE) == 0, "munmap");
    n -= pages;
  }
}

static void
privatefault(int n)
{
  faults(n, PROT_READ, MAP_PRIVATE, makefile(PIECE));
}

static void
sharedfault(int n)
{
  faults(n, PROT_READ, MAP_SHARED, makefile(PIECE));
}

// n faults in the last pages of a file of so many.
static void
lastfaults(int n, int filesize)
{
  int fd = makefile(filesize);

  while (n > 0) {
    int pages = n < LAST ? n : LAST;
    char *p = mapfrom(filesize - pages, pages, PROT_READ, MAP_SHARED, fd);
    start();
    touch(p, pages, PROT_READ);
    stop();
    check(munmap(p, pages * PAGE) == 0, "munmap");
    n -= pages;
  }
}

static void
smallfault(int n)
{
  lastfaults(n, 2 * LAST);
}

static void
largefault(int n)
{
  lastfaults(n, FILESIZE);
}

// Store to n pages that a child has too.
static void
cowfault(int n)
{
  char *p = sbrk(PIECE * PAGE), c;
  int hold[2];

  while (n > 0) {
    check(pipe(hold) == 0, "pipe");
    int pages = n < PIECE ? n : PIECE, pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) {
      close(hold[1]);
      read(hold[0], &c, 1);   // ends when the parent closes its end
      exit(0);
    }
    start();
    touch(p, pages, PROT_WRITE);
    stop();
    close(hold[0]);
    close(hold[1]);
    wait(0);
    n -= pages;
  }
}

// fork + exit + wait of a process with MANY pages more.
static void
forkmany(int n)
{
  check(sbrk(MANY * PAGE) != SBRK_ERROR, "sbrk");
  start();
  forkexitwait(n);
  stop();
}

// munmap of MANY pages, all touched, of several mappings of a file that follow each other.
static void
unmapmany(int n, int prot)
{
  int fd = makefile(FILESIZE);

  while (n-- > 0) {
    char *first = 0;
    for (int left = MANY; left > 0; left -= FILESIZE) {
      int pages = left < FILESIZE ? left : FILESIZE;
      char *p = map(pages, prot, MAP_SHARED, fd);
      touch(p, pages, prot);
      first = first ? first : p;
    }
    start();
    check(munmap(first, MANY * PAGE) == 0, "munmap");
    stop();
  }
}

static void
unmapclean(int n)
{
  unmapmany(n, PROT_READ);
}

static void
unmapdirty(int n)
{
  unmapmany(n, PROT_READ | PROT_WRITE);
}

#ifdef SYS_mprotect
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void
anonfault(int n)
{
  faults(n, RW, ANON, -1);
}

// The same with 127 other mappings, no two alike beside each other.
static void
crowdfault(int n)
{
  for (int i = 0; i < 127; i++)
    map(1, i % 2 ? RW : PROT_READ, ANON, -1);
  faults(n, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, -1);
}

// mprotect of MANY pages that are there, n times.
static void
protectmany(int n)
{
  char *p = map(MANY, RW, ANON, -1);

  touch(p, MANY, PROT_WRITE);
  start();
  while (n-- > 0)
    check(mprotect(p, MANY * PAGE, n % 2 ? PROT_READ : RW) == 0, "mprotect");
  stop();
}
#endif

// mmap and munmap without touching the page.
static void
mapunmap(int n)
{
  int fd = makefile(1);

  begin = now();
  while (n-- > 0) {
    char *p = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(p != (char *)-1 && munmap(p, PAGE) == 0, "mmap");
  }
  end = now();
}

// 1 MB: four files of 256 KB, since a file can't be larger than 268 KB.
static void
write1m(int n)
{
  static char data[8192];
  char name[] = "bench0.tmp";

  while (n-- > 0) {
    for (name[5] = '0'; name[5] < '4'; name[5]++) {
      int fd = open(name, O_CREATE | O_WRONLY | O_TRUNC);
      check(fd >= 0, "create");
      for (int i = 0; i < 256 * 1024 / sizeof(data); i++)
        check(write(fd, data, sizeof(data)) == sizeof(data), "write");
      close(fd);
    }
  }
  for (name[5] = '0'; name[5] < '4'; name[5]++)
    unlink(name);
}

// A byte to a child and back.
static void
pipetrip(int n)
{
  int there[2], back[2];
  char c = 'x';

  check(pipe(there) == 0 && pipe(back) == 0, "pipe");
  int pid = fork();
  check(pid >= 0, "fork");
  if (pid == 0) {
    close(there[1]);
    while (read(there[0], &c, 1) == 1)
      write(back[1], &c, 1);
    exit(0);
  }
  while (n-- > 0)
    check(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1, "round trip");
  close(there[1]);
  wait(0);
}

static const struct {
  const char *name;
  void (*run)(int n);
} operations[] = {
  { "null", null },
  { "fork", forkexitwait },
  { "exec", execself },
  { "lazyfault", lazyfault },
  { "privatefault", privatefault },
  { "sharedfault", sharedfault },
  { "smallfault", smallfault },
  { "largefault", largefault },
  { "cowfault", cowfault },
  { "forkmany", forkmany },
  { "unmapclean", unmapclean },
  { "unmapdirty", unmapdirty },
#ifdef SYS_mprotect
  { "anonfault", anonfault },
  { "crowdfault", crowdfault },
  { "protectmany", protectmany },
#endif
  { "mmap", mapunmap },
  { "write1m", write1m },
  { "pipe", pipetrip },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static uint64
number(const char *digits)
{
  uint64 n = 0;
  while (*digits >= '0' && *digits <= '9')
    n = n * 10 + *digits++ - '0';
  return n;
}

int
main(int argc, char *argv[])
{
  for (int i = 0; argc >= 3 && i < OPERATIONS; i++) {
    if (strcmp(argv[1], operations[i].name) == 0) {
      begin = argc > 3 ? number(argv[3]) : now();
      operations[i].run(atoi(argv[2]));
      printf("bench %s %s %lu %lu\n", argv[1], argv[2], begin, end ? end : now());
      unlink("bench.tmp");
      return 0;
    }
  }
  fprintf(2, "usage: bench NAME N, where NAME is one of");
  for (int i = 0; i < OPERATIONS; i++)
    fprintf(2, " %s", operations[i].name);
  fprintf(2, "\n");
  return 1;
}
