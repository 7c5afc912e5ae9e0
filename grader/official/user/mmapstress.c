// mmapstress.c - many processes map, unmap, fork, load, store, read and write the same files; then all must add up.
//
//   mmapstress [ROUNDS]
//
// Byte b of a file belongs to process b % NPROCESS, which alone changes it and knows what it must be. So there
// is no race in what a process looks at, whatever the others do to the same pages meanwhile.
#include "user/extlib.h"

#define NPROCESS 8
#define NFILES   3
#define NPAGE    4                    // of a file
#define SIZE     (NPAGE * PGSIZE)
#define MINE     (SIZE / NPROCESS)    // bytes of a file that a process has

#define EMPTIED  "stress.cut"         // a file that any process may make empty

static char *names[NFILES] = { "stress0", "stress1", "stress2" };
static uchar mine[NFILES][MINE];      // what this process's bytes must be
static int me;
static uint64 state;

static uint
rnd(uint n)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 20) % n;
}

static void
must(int ok, char *what)
{
  if (ok)
    return;
  printf("mmapstress failure: %s, process %d, pid=%d\n", what, me, getpid());
  exit(1);
}

static uchar *
map(int f, int flags)
{
  int fd = open(names[f], O_RDWR);
  must(fd >= 0, "open");
  uchar *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
  must(p != (void *)-1, "mmap");
  close(fd);
  return p;
}

// ---- what a process does in a round

// Store to some bytes of a shared mapping, look at others, unmap it in pieces.
static void
shared(int f)
{
  uchar *p = map(f, MAP_SHARED);

  for (int i = 0; i < 20; i++) {
    uint k = rnd(MINE);
    must(p[k * NPROCESS + me] == mine[f][k], "a byte of a shared mapping is not what was stored last");
    p[k * NPROCESS + me] = ++mine[f][k];
  }
  uint cut = rnd(NPAGE);
  must(munmap(p + cut * PGSIZE, PGSIZE) == 0, "munmap of a page");
  must(munmap(p, SIZE) == 0, "munmap of the rest");
}

// What read says must be what was stored, and what is written seen in a mapping.
static void
transfer(int f)
{
  static uchar buf[SIZE];
  uint k = rnd(MINE), off = k * NPROCESS + me;
  uchar *p = rnd(2) ? map(f, MAP_SHARED) : 0;
  int fd = open(names[f], O_RDWR);

  must(fd >= 0, "open");
  must(off == 0 || read(fd, buf, off) == (int)off, "read");
  for (uint i = 0; i < k; i++)
    must(buf[i * NPROCESS + me] == mine[f][i], "read gives a byte that is not what was stored last");
  mine[f][k]++;
  must(write(fd, &mine[f][k], 1) == 1, "write");
  close(fd);
  if (p) {
    must(p[off] == mine[f][k], "a mapping does not show what was written");
    must(munmap(p, SIZE) == 0, "munmap");
  }
}

// A private mapping keeps what was stored in it, and nobody else sees it.
static void
private(int f)
{
  uchar *p = map(f, MAP_PRIVATE);
  uint k = rnd(MINE), off = k * NPROCESS + me;

  must(p[off] == mine[f][k], "a private mapping begins with something else");
  p[off]--;
  if (rnd(2) && fork() == 0) {
    p[off]--;
    exit(p[off] == (uchar)(mine[f][k] - 2) ? 0 : 1);
  }
  int status = 0;
  wait(&status);
  must(status == 0 && p[off] == (uchar)(mine[f][k] - 1), "a private page is shared with a child");
  must(munmap(p, SIZE) == 0, "munmap");
}

// A child stores to what it inherited, and ends, or is killed, with the mapping live.
static void
forked(int f)
{
  uchar *p = map(f, MAP_SHARED);
  uint k = rnd(MINE), off = k * NPROCESS + me;
  int status, die = rnd(3) == 0;

  int pid = fork();
  if (pid == 0) {
    p[off] = mine[f][k] + 1;
    if (die)
      *(volatile int *)0x30000000 = 1;
    exit(0);
  }
  if (pid > 0) {
    must(wait(&status) == pid && status == (die ? -1 : 0), "a child did not end as it should");
    mine[f][k]++;
  }
  must(p[off] == mine[f][k], "what a child stored is not seen");
  must(munmap(p, SIZE) == 0, "munmap");
}

// What a page holds outlives a time when nothing may be stored there, and is in the file after msync.
static void
protects(int f)
{
  uchar *p = map(f, MAP_SHARED);
  uint k = rnd(MINE), off = k * NPROCESS + me;
  uchar *page = p + off / PGSIZE * PGSIZE;

  p[off] = ++mine[f][k];
  must(mprotect(page, PGSIZE, rnd(2) ? PROT_READ : PROT_NONE) == 0, "mprotect");
  must(mprotect(page, PGSIZE, RW) == 0, "mprotect back");
  must(p[off] == mine[f][k], "a page has lost what it held under mprotect");
  p[off] = ++mine[f][k];
  must(msync(p, SIZE) == 0, "msync");
  p[off] = ++mine[f][k];
  must(munmap(p, SIZE) == 0, "munmap");
}

// A process and its child count in memory that they share, turn by turn.
static void
counts(int unused)
{
  int *p = mmap(0, NPAGE * PGSIZE, RW, ANONS, -1, 0), i = rnd(SIZE / sizeof(int)), status;

  must(p != (int *)-1, "mmap of shared memory");
  for (int n = 1; n <= 3; n++) {
    int pid = fork();
    if (pid == 0) {
      p[i]++;
      exit(0);
    }
    must(pid > 0 && wait(&status) == pid && status == 0 && p[i] == n, "shared memory has another count");
  }
  must(munmap(p, SIZE) == 0, "munmap");
}

// What byte i of EMPTIED is, unless it is 0: whoever writes to the file or stores to it, does so.
static uchar
content(uint i)
{
  return i % 251 + 1;
}

static void
empties(int unused)
{
  static uchar all[SIZE];
  int fd = open(EMPTIED, O_RDWR | (rnd(3) == 0 ? O_TRUNC : 0));

  must(fd >= 0, "open");
  uchar *p = mmap(0, SIZE, RW, rnd(3) ? MAP_SHARED : MAP_PRIVATE, fd, 0);
  must(p != (void *)-1, "mmap");
  for (uint i = 0; i < SIZE; i++)
    all[i] = content(i);
  for (int n = 0; n < 20; n++) {
    uint i = rnd(SIZE);
    must(p[i] == 0 || p[i] == content(i), "a byte of a file that is emptied is one that nobody stored");
    p[i] = content(i);
  }
  if (rnd(2))
    write(fd, all, rnd(SIZE));   // fails where another process empties the file meanwhile
  close(fd);
  must(munmap(p, SIZE) == 0, "munmap");
}

static void
work(int who, int rounds)
{
  me = who;
  state = (who + 1) * 0x9E3779B97F4A7C15UL;
  for (int i = 0; i < rounds; i++) {
    void (*what[])(int) = { shared, transfer, private, forked, protects, counts, empties };
    what[rnd(sizeof(what) / sizeof(what[0]))](rnd(NFILES));
  }
  for (int f = 0; f < NFILES; f++) {   // what the first process expects at the end
    uchar *p = map(f, MAP_SHARED);
    for (uint k = 0; k < MINE; k++)
      p[k * NPROCESS + me] = 16 * f + me;
  }
  exit(0);
}

// ---- what must be as before

static void
make(int f)
{
  static char zeroes[SIZE];
  int fd = open(names[f], O_CREATE | O_RDWR | O_TRUNC);

  must(fd >= 0 && write(fd, zeroes, SIZE) == SIZE, "making a file");
  close(fd);
}

static void
compare(int f)
{
  static uchar buf[SIZE + 1];
  int fd = open(names[f], O_RDONLY);

  must(read(fd, buf, SIZE + 1) == SIZE, "a file has another size");
  for (int i = 0; i < SIZE; i++)
    must(buf[i] == 16 * f + i % NPROCESS, "a file does not have what was stored last");
  close(fd);
}

static void
compareemptied(void)
{
  static uchar buf[SIZE + 1];
  int fd = open(EMPTIED, O_RDONLY), n = read(fd, buf, SIZE + 1);

  must(n >= 0 && n <= SIZE, "the file that is emptied is larger than anybody made it");
  for (int i = 0; i < n; i++)
    must(buf[i] == 0 || buf[i] == content(i), "the file that is emptied has bytes that nobody stored");
  close(fd);
}

int
main(int argc, char *argv[])
{
  int rounds = argc > 1 ? atoi(argv[1]) : 100, status;

  for (int f = 0; f < NFILES; f++)
    make(f);
  close(open(EMPTIED, O_CREATE | O_RDWR));
  int pages = freepages(), files = freefiles(names[0]);
  for (int i = 0; i < NPROCESS; i++) {
    int pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0)
      work(i, rounds);
  }
  for (int i = 0; i < NPROCESS; i++)
    must(wait(&status) > 0 && status == 0, "a process failed");
  for (int f = 0; f < NFILES; f++)
    compare(f);
  compareemptied();
  printf("pages %d, then %d; files %d, then %d\n", pages, freepages(), files, freefiles(names[0]));
  must(freepages() == pages, "pages were lost");
  must(freefiles(names[0]) == files, "open files were lost");
  for (int f = 0; f < NFILES; f++)
    unlink(names[f]);
  unlink(EMPTIED);
  printf("test mmapstress: OK\n");
  exit(0);
}
