// mmapfuzz.c - does the same random things with memory and files on this kernel and on Linux, and prints what it sees.
//
//   mmapfuzz SEED OPS [RUNS]      what it prints must be the same on both, line for line
//
// RUNS: this seed and the next ones. `make fuzz` compares.
//
// A model of the window of addresses that is used, one entry for each page, says what may be expected: it predicts
// which accesses fault (those are done in a child), and leaves out what the two systems do differently on purpose:
// docs/task14.md lists that. user/linux.h has what Linux calls otherwise.
#ifdef __linux__
#include "linux.h"
#else
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"

#define WINDOW 0x40000000UL   // where this kernel places mappings
#define RETURN "\x82\x80"     // the instruction that a function ends with

// Machine code was stored at p.
static void
newcode(char *p)
{
  asm volatile("fence.i" : : : "memory");
}

static void *
mapat(void *hint, size_t len, int prot, int flags, int fd, off_t off, void *expected)
{
  return mmap(hint, len, prot, flags, fd, off);
}
#endif

#define NPAGE   48            // of the window
#define NFILES  3
#define MAXSIZE (12 * PGSIZE) // of a file
#define HUGE    (1L << 62)    // bytes that nobody can map
#define NOWHERE 0x30000000UL  // nothing is mapped here

enum kind { NOTHING, ANON, FILEPAGE };

// A page of the window.
struct page {
  char kind;
  char prot;
  char shared;
  char file;
  char readonly;      // it was mapped from a file that is open for reading only
  short fpage;        // page of the file
  int  age;           // how often the file had been truncated when it was mapped
};

// What the processes tell each other with the turn.
struct turn {
  uint size[NFILES];  // of the files
  int  age[NFILES];   // how often each was truncated
  uint op;            // operations done
};

static struct page page[NPAGE];
static struct turn now;
static uint64 state;          // of the random numbers; each process has its own
static int depth;             // 0 in the first process of a run
static int pairs;             // of processes that take turns, and this process is one of
static char buf[MAXSIZE];
static int held[NFILES];      // each file, open all the time: mappings of one open merge
static char *names[NFILES] = { "fuzz0", "fuzz1", "fuzz2" };

// A random number below n.
static uint
rnd(uint n)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 20) % n;
}

static void
die(char *what)
{
  printf("mmapfuzz: %s\n", what);
  exit(1);
}

static char *
address(int i)
{
  return (char *)WINDOW + (uint64)i * PGSIZE;
}

// ---- the model

// Does p lie behind the end of its file, or is it MAP_PRIVATE and was its file truncated since? Then nobody looks.
static int
vague(struct page *p)
{
  if (p->kind != FILEPAGE)
    return 0;
  return (uint)p->fpage * PGSIZE >= now.size[(int)p->file] || (!p->shared && p->age != now.age[(int)p->file]);
}

// Is the access to page i to be tried, and does it succeed?
enum access { SKIP, FAULTS, WORKS };

static enum access
predict(int i, int store)
{
  struct page *p = &page[i];

  if (p->kind == NOTHING || p->prot == PROT_NONE || (store && !(p->prot & PROT_WRITE)))
    return FAULTS;
  return vague(p) ? SKIP : WORKS;
}

// How many bytes of page i are the file's, from its start; all of an anonymous page.
static uint
within(int i)
{
  struct page *p = &page[i];

  if (p->kind != FILEPAGE)
    return PGSIZE;
  uint left = now.size[(int)p->file] - p->fpage * PGSIZE;
  return left < PGSIZE ? left : PGSIZE;
}

// Can all of [at, at+n) be read, or written? Bytes behind the end of a file are left alone: Linux forgets
// them whenever it likes.
static int
usable(uint at, uint n, int store)
{
  for (uint i = at / PGSIZE, left; i * PGSIZE < at + n; i++) {
    left = at + n - i * PGSIZE;
    if (predict(i, store) != WORKS || (left < PGSIZE ? left : PGSIZE) > within(i))
      return 0;
  }
  return 1;
}

// Where n pages fit, lowest first; -1 if nowhere.
static int
firstfit(int n)
{
  for (int i = 0, run = 0; i < NPAGE; i++) {
    run = page[i].kind == NOTHING ? run + 1 : 0;
    if (run == n)
      return i - n + 1;
  }
  return -1;
}

static int
isfree(int i, int n)
{
  for (int k = i; k < i + n; k++)
    if (page[k].kind != NOTHING)
      return 0;
  return 1;
}

// ---- what is seen

static uint
hash(uint h, char *p, uint n)
{
  for (uint i = 0; i < n; i++)
    h = (h ^ (uchar)p[i]) * 16777619;
  return h;
}

static uint
hashpage(int i)
{
  return predict(i, 0) == WORKS ? hash(i, address(i), within(i)) : 0;
}

static uint
hashfile(int f)
{
  uint h = f;
  int fd = open(names[f], O_RDONLY), n;

  if (fd < 0)
    die("a file is gone");
  while ((n = read(fd, buf, 3000)) > 0)
    h = hash(h, buf, n);
  close(fd);
  return h;
}

// The line of an operation: what it was, its result, and a look at a page and a file; at all of them now and then.
static void
report(char *what, long a, long b, long result)
{
  uint h;

  if (rnd(25) == 0) {
    h = 1;
    for (int i = 0; i < NPAGE; i++)
      h = h * 31 + hashpage(i);
    for (int f = 0; f < NFILES; f++)
      h = h * 31 + hashfile(f);
  } else {
    h = hashpage(rnd(NPAGE)) * 31;
    h += hashfile(rnd(NFILES));
  }
  printf("%d.%d %s %lx %lx = %lx, %x\n", now.op, depth, what, a, b, result, h);
}

// ---- the operations

static struct page *last;     // of what was mapped last from a file that is held open

// Have a mapping of n pages that begins with m go on behind the last one, or nearly so: at another page of the file, or
// with other rights. Returns its place, or -1.
static int
follow(struct page *m, int n)
{
  if (last == 0 || last + n >= &page[NPAGE] || last->kind != FILEPAGE || rnd(4) == 0)
    return -1;
  *m = *last;
  m->fpage += 1 + (rnd(3) == 0);
  m->shared ^= rnd(3) == 0;
  if (rnd(4) == 0)
    m->prot ^= PROT_WRITE;
  m->age = now.age[(int)m->file];
  return last + 1 - page;
}

// n pages were mapped, the first is m.
static void
record(int at, int n, struct page m)
{
  for (int i = at; i < at + n; i++, m.fpage++)
    page[i] = m;
}

// mmap with an argument that is bad (0 to 4; more: none).
static char *
trymap(char *hint, long len, struct page *m, int flags, int fd, int bad, char *expected)
{
  long off = (long)m->fpage * PGSIZE + (bad == 1 && m->kind == FILEPAGE ? 512 : 0);

  if (bad == 0 || bad == 3)
    len = bad == 0 ? 0 : HUGE - rnd(3) * PGSIZE;
  if (bad != 2)
    flags |= m->shared ? MAP_SHARED : MAP_PRIVATE;
  return mapat(hint, len, m->prot, flags | (m->kind == ANON ? MAP_ANONYMOUS : 0), fd, off, expected);
}

static void
domap(void)
{
  static int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_WRITE, PROT_NONE, PROT_READ | PROT_EXEC };
  int prot = prots[rnd(6)], shared = rnd(2), kind = rnd(3) ? FILEPAGE : ANON, file = rnd(NFILES), fpage = rnd(6);
  int n = 1 + rnd(8), mode = rnd(4) ? O_RDWR : rnd(3) ? O_RDONLY : O_WRONLY, bad = rnd(20);
  int want = rnd(NPAGE - n), fixed = rnd(4) == 0, hinted = rnd(2), at = firstfit(n), next = -1;
  int keep = kind == FILEPAGE && mode == O_RDWR && bad != 4 && rnd(4);
  long len = (long)n * PGSIZE - (rnd(3) ? 0 : rnd(PGSIZE));

  struct page m = { .kind = kind, .prot = prot, .shared = shared, .file = file, .readonly = kind == FILEPAGE && mode == O_RDONLY,
                    .fpage = fpage, .age = now.age[file] };

  if (keep)
    next = follow(&m, n);
  if (next >= 0) {
    want = next;
    hinted = 1;
  }
  if (fixed || (hinted && isfree(want, n)))
    at = want;
  if (at < 0)
    return;
  char *hint = fixed || hinted ? address(want) : 0;
  if (hint && rnd(5) == 0)
    hint -= 1 + rnd(PGSIZE - 1);   // a hint is rounded up, an order refused
  int fd = m.kind == ANON ? -1 : keep ? held[(int)m.file] : bad == 4 ? open(".", O_RDONLY) : open(names[(int)m.file], mode);
  char *got = trymap(hint, len, &m, fixed ? MAP_FIXED : 0, fd, bad, address(at));
  if (fd >= 0 && !keep)
    close(fd);
  if (got == address(at)) {
    record(at, n, m);
    if (keep)
      last = &page[at + n - 1];
  }
  report(m.kind == ANON ? "map anonymous" : "map file", hinted | fixed << 1 | m.shared << 2 | mode << 3 | m.prot << 5, len, (long)got);
}

static void
dounmap(void)
{
  int at = rnd(NPAGE), n = 1 + rnd(NPAGE - at < 12 ? NPAGE - at : 12), bad = rnd(16);
  long len = (long)n * PGSIZE - (rnd(3) ? 0 : rnd(PGSIZE));

  if (bad == 1 || bad == 2)
    len = bad == 1 ? 0 : HUGE;
  int r = munmap(address(at) + (bad == 0 ? 8 : 0), len);
  if (r == 0)
    for (int i = at; i < at + n; i++)
      page[i] = (struct page){ .kind = NOTHING };
  report("unmap", at, len, r);
}

// Changing a range that can't be changed as a whole is left out, unless its first page is why: Linux changes a part.
static void
doprotect(void)
{
  static int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE, PROT_READ | PROT_EXEC };
  int prot = prots[rnd(4)], at = rnd(NPAGE), n = 1 + rnd(NPAGE - at < 6 ? NPAGE - at : 6), fits = 0, bad = rnd(20);

  while (fits < n && page[at + fits].kind != NOTHING &&
         !((prot & PROT_WRITE) && page[at + fits].shared && page[at + fits].readonly))
    fits++;
  if (fits > 0 && fits < n)
    n = fits;
  if (bad == 0)
    n = 0;
  int r = mprotect(address(at) + (bad == 1 ? 8 : 0), (long)n * PGSIZE - (rnd(3) || !n ? 0 : rnd(PGSIZE)), prot);
  if (r == 0)
    for (int i = at; i < at + n; i++)
      page[i].prot = prot;
  report("protect", at, n << 4 | prot, r);
}

// Load from a byte of page i, or store v there. Returns what was loaded; -1 if it faults.
static int
touch(int i, uint byte, int store, char v)
{
  volatile char *p = address(i) + byte;
  int status;

  if (predict(i, store) == WORKS) {
    if (store)
      *p = v;
    return (uchar)*p;
  }
  if (fork() == 0) {
    if (store)
      *p = v;
    else
      v = *p;
    exit(0);
  }
  wait(&status);
  return status;
}

static void
dotouch(int store)
{
  int i = rnd(NPAGE), byte = rnd(PGSIZE), v = rnd(256);

  if (predict(i, store) == FAULTS && rnd(3))   // a process for each is slow
    i = rnd(NPAGE);
  if (predict(i, store) == SKIP)
    return;
  if (predict(i, store) == WORKS && (uint)byte >= within(i))
    byte = rnd(within(i));
  report(store ? "store" : "load", i, byte, touch(i, byte, store, v));
}

// Call what lies in page i, in a child. That faults, unless the page may be executed; then the child makes it a
// function first, if the page is the process's own, and may take the right away afterwards, and call again.
static void
docall(void)
{
  int i = rnd(NPAGE), again = rnd(2), status;
  char *p = address(i);

  if (predict(i, 0) == SKIP || ((page[i].prot & PROT_EXEC) && (page[i].shared || predict(i, 0) == FAULTS)))
    return;
  if (fork() == 0) {
    if (page[i].prot & PROT_EXEC) {
      mprotect(p, PGSIZE, PROT_READ | PROT_WRITE);
      memmove(p, RETURN, sizeof(RETURN) - 1);
      mprotect(p, PGSIZE, PROT_READ | PROT_EXEC);
      newcode(p);
    }
    ((void (*)(void))p)();
    if (again) {
      mprotect(p, PGSIZE, PROT_READ);
      ((void (*)(void))p)();
    }
    exit(0);
  }
  wait(&status);
  report("call", i, again, status);
}

// Does [at, at+n) of the window show a page of [off, off+n) of file f? Then the order of bytes would matter.
static int
shows(uint at, uint n, int f, uint off)
{
  for (uint i = at / PGSIZE; i <= (at + n - 1) / PGSIZE; i++)
    if (page[i].kind == FILEPAGE && page[i].file == f && (uint)page[i].fpage >= off / PGSIZE &&
        (uint)page[i].fpage <= (off + n - 1) / PGSIZE)
      return 1;
  return 0;
}

// Read from or write to a file, at an offset, between it and mapped memory or a buffer; or memory that can't be accessed.
static void
dotransfer(int write_)
{
  int f = rnd(NFILES);
  uint at = rnd(NPAGE * PGSIZE), n = 1 + rnd(rnd(4) ? 5000 : 300), off = now.size[f] ? rnd(now.size[f] + 1) : 0;
  int mapped = at + n <= NPAGE * PGSIZE && usable(at, n, !write_) && !shows(at, n, f, off), done = 0;
  int bad = predict(at / PGSIZE, !write_) == FAULTS && rnd(3) == 0;

  int fd = open(names[f], O_RDWR);
  while ((uint)done < off) {
    int k = read(fd, buf, off - done);
    if (k <= 0)
      die("read to get to an offset failed");
    done += k;
  }
  if (off + n > MAXSIZE)
    n = MAXSIZE - off;
  if (n == 0) {
    close(fd);
    return;
  }
  for (uint i = 0; i < n; i++)
    buf[i] = write_ ? rnd(256) : 0;
  char *mem = mapped || bad ? (char *)WINDOW + at : buf;
  int r = write_ ? write(fd, mem, n) : read(fd, mem, n);
  close(fd);
  if (write_ && r > 0 && off + r > now.size[f])
    now.size[f] = off + r;
  report(write_ ? "write" : "read", f << 1 | mapped, off, (long)r << 32 | (mapped ? 0 : hash(0, buf, n)));
}

static void
dotruncate(void)
{
  int f = rnd(NFILES), fd = open(names[f], O_RDWR | O_TRUNC);

  close(fd);
  now.size[f] = 0;
  now.age[f]++;
  report("truncate", f, 0, fd >= 0);
}

static void
dosync(void)
{
  int at = rnd(NPAGE), most = rnd(3) ? 3 : 9;   // a long range has a hole most often

  for (int i = 0; i < 3 && page[at].kind != FILEPAGE; i++)
    at = rnd(NPAGE);
  int n = rnd(NPAGE - at < most ? NPAGE - at : most), odd = rnd(10) ? 0 : 8;

  report("sync", at, n << 4 | odd, msync(address(at) + odd, (long)n * PGSIZE));
}

static void
operation(void)
{
  int which = rnd(100);

  now.op++;
  if (which < 18)
    domap();
  else if (which < 26)
    dounmap();
  else if (which < 36)
    doprotect();
  else if (which < 54)
    dotouch(0);
  else if (which < 76)
    dotouch(1);
  else if (which < 85)
    dotransfer(0);
  else if (which < 94)
    dotransfer(1);
  else if (which < 96)
    dotruncate();
  else if (which < 97)
    docall();
  else
    dosync();
}

// ---- processes

static void dofork(void);

// An operation; or, now and then, two processes.
static void
step(void)
{
  if (pairs < 2 && rnd(40) == 0)
    dofork();
  else
    operation();
}

// End, in one of the ways to leave mappings behind.
static void
leave(void)
{
  char *argv[] = { "echo", "executed", 0 };
  int how = rnd(3);

  if (how == 0)
    *(volatile char *)NOWHERE = 1;
  if (how == 1) {
    exec(argv[0], argv);
    die("exec failed");
  }
  exit(0);
}

// Go on as two processes for a while, turn by turn; then the child ends with all that it has mapped.
static void
dofork(void)
{
  int down[2], up[2], rounds = 2 + rnd(30), status;

  pairs++;

  if (pipe(down) < 0 || pipe(up) < 0)
    die("pipe failed");
  int pid = fork();
  if (pid < 0)
    die("fork failed");
  if (pid == 0) {
    depth++;
    state = state * 2654435761 + 1;
    for (int i = 0; i < rounds; i++) {
      if (read(down[0], &now, sizeof(now)) != sizeof(now))
        die("the parent is gone");
      step();
      if (write(up[1], &now, sizeof(now)) != sizeof(now))
        die("the parent is gone");
    }
    leave();
  }
  for (int i = 0; i < rounds; i++) {
    step();
    if (write(down[1], &now, sizeof(now)) != sizeof(now) || read(up[0], &now, sizeof(now)) != sizeof(now))
      die("the child is gone");
  }
  for (int i = 0; i < 2; i++) {
    close(down[i]);
    close(up[i]);
  }
  wait(&status);
  pairs--;
  report("child ended", rounds, 0, status);
}

static void
makefiles(void)
{
  for (int f = 0; f < NFILES; f++) {
    int fd = open(names[f], O_CREATE | O_RDWR | O_TRUNC), n = (f + 1) * 6000;
    for (int i = 0; i < n; i++)
      buf[i] = rnd(256);
    if (fd < 0 || write(fd, buf, n) != n)
      die("can't make a file");
    held[f] = fd;
    now.size[f] = n;
  }
}

static void
run(uint seed, uint ops)
{
  printf("seed %d\n", seed);
  state = seed * 0x9E3779B97F4A7C15UL;
  makefiles();
  while (now.op < ops)
    step();
  for (int f = 0; f < NFILES; f++)
    printf("file %d: %d bytes, %x\n", f, now.size[f], hashfile(f));
  exit(0);
}

int
main(int argc, char *argv[])
{
  int seed = argc > 1 ? atoi(argv[1]) : 0, ops = argc > 2 ? atoi(argv[2]) : 0, runs = argc > 3 ? atoi(argv[3]) : 1;

  if (seed <= 0 || ops <= 0 || runs <= 0 || argc > 4) {
    printf("usage: mmapfuzz SEED OPS [RUNS]\n");
    exit(1);
  }
  for (int i = 0; i < runs; i++) {
    int status, pid = fork();
    if (pid == 0)
      run(seed + i, ops);
    if (pid < 0 || wait(&status) != pid || status != 0)
      die("a run did not reach its end");
  }
  for (int f = 0; f < NFILES; f++)
    unlink(names[f]);
  exit(0);
}
