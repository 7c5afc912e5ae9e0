// hidden14truth.c - task 14: mappings, read and write agree in every direction, at odd places, at the file's end, and in a crowd.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// Write n bytes to byte at of FILE1. There is no seek: what lies before is read.
static void
writeat(int at, char *bytes, int n)
{
  static char skipped[PGSIZE];
  int fd = opened(FILE1, O_RDWR);

  for (int step; at > 0; at -= step) {
    step = at < PGSIZE ? at : PGSIZE;
    check(read(fd, skipped, step) == step, "read");
  }
  check(write(fd, bytes, n) == n, "write");
  close(fd);
}

// What read gives of FILE1 is what it should be, all of it, and so is the mapping at p.
static void
agree(char *p, int n, char *what)
{
  if (p)
    same(p, want, n, what);
  holds(FILE1, want, n, what);
}

// ---- stores: read gives them, however the file is read, and nothing behind its end

static void
stores(void)
{
  static int at[] = { 0, 1, 511, 512, 1023, 1024, 2047, 4095, 4096, 5000, 8191, 8192, 9000, 9999 };
  int size = 10000;

  newfile(1, size);
  char *p = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_SHARED);
  for (int i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
    store(p + at[i], want[at[i]] = 'A' + i);
    agree(p, size, "read does not give what was stored to a mapping");
  }
  store(p + size, 'x');
  store(p + size + 100, 'x');
  struct stat st;
  check(stat(FILE1, &st) == 0 && st.size == size, "a store behind the end of the file made it longer");
  agree(p, size, "read does not give what was stored, after a store behind the end");

  int fd = opened(FILE1, O_RDONLY);   // in odd pieces
  static char piece[777];
  for (int got = 0, n; got < size; got += n) {
    n = read(fd, piece, sizeof(piece));
    check(n == sizeof(piece) || got + n == size, "read of a mapped file gives less than there is");
    same(piece, want + got, n, "read in pieces does not give what was stored to a mapping");
  }
  check(read(fd, piece, 10) == 0, "read gives what lies behind the end of a mapped file");
  close(fd);

  fd = opened(FILE1, O_RDONLY);   // a descriptor that is at its place already
  check(read(fd, piece, 100) == 100, "read");
  store(p + 100, want[100] = '!');
  check(read(fd, piece, 1) == 1 && piece[0] == '!', "read does not give what was stored since the read before it");
  close(fd);
  unmap(p, 3 * PGSIZE);
  agree(0, size, "after munmap, the file");
}

// ---- writes: each mapping shows them, of whichever process, and just them

static void
writes(void)
{
  static char bytes[9000];

  newfile(2, 5 * PGSIZE);
  char *p = mapfile(FILE1, 5 * PGSIZE, RDWR, MAP_SHARED);
  int fd = opened(FILE1, O_RDONLY);
  char *q = map("mmap", fd, PGSIZE, 4 * PGSIZE, PROT_READ, MAP_SHARED);
  close(fd);
  for (int i = 0; i < 5; i++)
    load(p + i * PGSIZE);
  store(p + 2 * PGSIZE, want[2 * PGSIZE] = 'S');
  load(q);
  if (child() == 0) {
    hear();
    fill(want + 100, 50, 8500);
    same(p, want, 5 * PGSIZE, "child: a mapping does not show what its parent wrote");
    writeat(3 * PGSIZE - 5, "from a child", 12);
    exit(0);
  }
  fill(bytes, 50, 8500);
  writeat(100, bytes, 8500);
  memmove(want + 100, bytes, 8500);
  agree(p, 5 * PGSIZE, "a mapping does not show what was written");
  same(q, want + PGSIZE, 4 * PGSIZE, "a second mapping does not show what was written");
  tell();
  join(0, "a child that reads and writes a mapped file did not end well");
  memmove(want + 3 * PGSIZE - 5, "from a child", 12);
  agree(p, 5 * PGSIZE, "a mapping does not show what a child wrote");
  for (int i = 1; i < 20; i++) {   // bytes of a store, and of a write, beside each other
    store(p + 1000 * i, want[1000 * i] = 's');
    writeat(1000 * i + 1, "w", 1);
    store(p + 1000 * i + 2, want[1000 * i + 2] = 's');
    want[1000 * i + 1] = 'w';
  }
  agree(p, 5 * PGSIZE, "stores and writes to the same pages are not all there");
  unmap(q, 4 * PGSIZE);
  unmap(p, 5 * PGSIZE);
  agree(0, 5 * PGSIZE, "after munmap, stores and writes to the same pages are not all there");
}

// ---- late: what is mapped, or touched, after others have stored and written shows that

static void
late(void)
{
  newfile(3, 4 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED), *untouched = mapfile(FILE1, 4 * PGSIZE, PROT_READ, MAP_SHARED);
  char *private = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_PRIVATE);
  if (child() == 0) {
    store(p, 'c');
    writeat(PGSIZE, "wc", 2);
    tell();
    hear();
    check(load(p + 2 * PGSIZE) == 'p' && load(p + 3 * PGSIZE) == 'p', "child: what its parent stored and wrote is not in pages touched late");
    exit(0);
  }
  hear();
  want[0] = 'c';
  memmove(want + PGSIZE, "wc", 2);
  agree(untouched, 4 * PGSIZE, "a mapping that is touched late does not show what a child stored and wrote");
  char *q = mapfile(FILE1, 4 * PGSIZE, PROT_READ, MAP_SHARED);
  same(q, want, 4 * PGSIZE, "a new mapping does not show what a child stored and wrote");
  same(private, want, 4 * PGSIZE, "a private mapping that is touched late does not show what a child stored and wrote");
  store(p + 2 * PGSIZE, want[2 * PGSIZE] = 'p');
  writeat(3 * PGSIZE, "p", 1);
  want[3 * PGSIZE] = 'p';
  tell();
  join(0, "a child with a mapped file did not end well");
  agree(q, 4 * PGSIZE, "a mapping does not show all that was stored and written");
  unmap(p, 4 * PGSIZE);
  unmap(q, 4 * PGSIZE);
  unmap(untouched, 4 * PGSIZE);
  unmap(private, 4 * PGSIZE);
  p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED);   // nobody has it any more: it comes from the disk
  agree(p, 4 * PGSIZE, "a mapping of a file that nobody had mapped does not show what was stored");
  unmap(p, 4 * PGSIZE);
}

// ---- private: pages follow the file until the first store, and then are the process's own, whatever becomes of the file

static void
private(void)
{
  newfile(4, 4 * PGSIZE);
  char *s = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED), *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_PRIVATE);
  char *r = mapfile(FILE1, 4 * PGSIZE, PROT_READ, MAP_PRIVATE), old = want[PGSIZE];

  for (int i = 0; i < 4; i++) {
    load(p + i * PGSIZE);
    load(r + i * PGSIZE);
  }
  store(p + PGSIZE + 1, 'P');   // page 1 is its own
  store(s + PGSIZE, want[PGSIZE] = 'S');
  writeat(2 * PGSIZE, "W", 1);
  want[2 * PGSIZE] = 'W';
  check(load(p + PGSIZE) == old && load(p + PGSIZE + 1) == 'P', "a private page that was stored to changes with the file");
  check(load(p + 2 * PGSIZE) == 'W' && load(r + PGSIZE) == 'S' && load(r + 2 * PGSIZE) == 'W', "a private page that nobody stored to does not follow the file");
  agree(s, 4 * PGSIZE, "a store to a private page is in the file");
  if (child() == 0) {
    check(load(p + PGSIZE) == old && load(p + PGSIZE + 1) == 'P', "child: a private page is not as its parent stored it");
    store(p + 3 * PGSIZE, 'c');
    store(p + PGSIZE + 1, 'c');
    writeat(0, "C", 1);
    check(load(p) == 'C' && load(s) == 'C', "child: a page does not show what it wrote");
    exit(0);
  }
  join(0, "a child with private pages did not end well");
  want[0] = 'C';
  agree(s, 4 * PGSIZE, "a child's store to a private page is in the file, or its write is not");
  check(load(p) == 'C' && load(p + PGSIZE + 1) == 'P' && load(p + 3 * PGSIZE) == want[3 * PGSIZE], "a child's store to a private page is seen, or its write is not");
  close(opened(FILE1, O_RDWR | O_TRUNC));
  check(load(p + PGSIZE + 1) == 'P' && load(p + PGSIZE) == old, "a private page that was stored to is lost with truncation");
  unmap(s, 4 * PGSIZE);
  unmap(r, 4 * PGSIZE);
  store(p + PGSIZE + 2, 'Q');
  check(load(p + PGSIZE + 1) == 'P', "a private page is lost when the shared ones are unmapped");
  unmap(p, 4 * PGSIZE);
  holds(FILE1, want, 0, "a private mapping made a truncated file longer");
}

// ---- end: truncation and growth while mapped, in two processes

static void
end(void)
{
  newfile(5, 3 * PGSIZE);
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED);
  for (int i = 0; i < 4; i++)
    store(p + i * PGSIZE + 7, 'o');
  if (child() == 0) {
    load(p);
    close(opened(FILE1, O_RDWR | O_TRUNC));
    blank(p, 4 * PGSIZE, "child: a truncated file's pages are not zero");
    store(p + 50, 'x');   // behind the end
    store(p + PGSIZE, 'x');
    tell();
    hear();
    memset(want, 0, sizeof(want));
    memmove(want, "0123456789", 10);
    same(p, want, 10, "child: what was written to a truncated file");
    exit(0);
  }
  hear();
  blank(p, 50, "a truncated file's pages are not zero, for another process");
  blank(p + 2 * PGSIZE, 2 * PGSIZE, "a truncated file's pages are not zero, for another process");
  holds(FILE1, want, 0, "a store behind the end of a truncated file made it longer");
  writeat(0, "0123456789", 10);
  tell();
  join(0, "a child that truncates a mapped file did not end well");
  memset(want, 0, sizeof(want));
  memmove(want, "0123456789", 10);
  agree(p, 10, "what was written to a truncated file");
  fill(want + 10, 6, 2 * PGSIZE);   // it grows over pages that are mapped, and were stored to
  writeat(10, want + 10, 2 * PGSIZE);
  agree(p, 2 * PGSIZE + 10, "what a mapped file grew by");
  store(p + 2 * PGSIZE + 9, want[2 * PGSIZE + 9] = 'e');
  store(p + 2 * PGSIZE + 10, 'x');
  unmap(p, 4 * PGSIZE);
  agree(0, 2 * PGSIZE + 10, "after munmap, a file that was truncated and grew");
  p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED);
  blank(p + 2 * PGSIZE + 10, PGSIZE, "what was stored behind the end of a file is there in a new mapping");
  unmap(p, 4 * PGSIZE);
}

// ---- itself: between a file and its mapping; a write that can't take all of its bytes

static void
itself(void)
{
  newfile(6, 6 * PGSIZE);
  char *p = mapfile(FILE1, 6 * PGSIZE, RDWR, MAP_SHARED);
  int fd = opened(FILE1, O_RDWR);
  check(read(fd, p + 3 * PGSIZE + 100, 2 * PGSIZE) == 2 * PGSIZE, "read of a file into its own mapping");
  memmove(want + 3 * PGSIZE + 100, want, 2 * PGSIZE);
  agree(p, 6 * PGSIZE, "after a read of a file into its own mapping");
  check(write(fd, p + 4 * PGSIZE, PGSIZE) == PGSIZE, "write to a file from its own mapping");
  memmove(want + 2 * PGSIZE, want + 4 * PGSIZE, PGSIZE);
  agree(p, 6 * PGSIZE, "after a write to a file from its own mapping");
  close(fd);

  char *from = mapanon(20 * PGSIZE, RDWR, ANON);   // 8 pages, and none behind
  memset(from, 'n', 8 * PGSIZE);
  unmap(from + 8 * PGSIZE, 12 * PGSIZE);
  fd = opened(FILE1, O_RDWR);
  write(fd, from + 7 * PGSIZE, 3 * PGSIZE);        // may do what it likes
  write(fd, (char *)0x30000000, PGSIZE);
  close(fd);
  static char block[1024];
  fd = opened(FILE1, O_RDONLY);
  for (int at = 0; at < 6 * PGSIZE; at += sizeof(block)) {
    check(read(fd, block, sizeof(block)) == sizeof(block), "read");
    same(block, p + at, sizeof(block), "after a write that failed, read and mapping do not agree");
  }
  close(fd);
  unmap(from, 8 * PGSIZE);
  memmove(want, p, 6 * PGSIZE);
  unmap(p, 6 * PGSIZE);
  agree(0, 6 * PGSIZE, "after a write that failed, and munmap, the file is not what the mapping was");
}

// ---- sync

static void
sync(void)
{
  newfile(7, BIG * PGSIZE);
  char *p = mapfile(FILE1, BIG * PGSIZE, RDWR, MAP_SHARED);
  for (int i = 0; i < BIG; i++)
    store(p + i * PGSIZE + i, want[i * PGSIZE + i] = 'm');
  check(msync(p, BIG * PGSIZE) == 0, "msync of 60 dirty pages");
  agree(p, BIG * PGSIZE, "after msync of 60 dirty pages");
  check(msync(p + PGSIZE, 1) == 0 && msync(p + 5 * PGSIZE, 3 * PGSIZE + 1) == 0, "msync of a part");
  for (int i = 0; i < BIG; i += 7)
    store(p + i * PGSIZE, want[i * PGSIZE] = 'n');
  check(msync(p, BIG * PGSIZE + 1) == -1 && msync(p + BIG * PGSIZE, PGSIZE) == -1, "msync of what is not mapped");
  check(msync(p + 10, 100) == -1 && msync(p, -1UL) == -1 && msync((char *)-PGSIZE, PGSIZE) == -1, "msync of an address or a length that is none");
  check(msync(sbrk(0) - PGSIZE, 1) == -1, "msync of the heap");
  check(msync(p, 0) == 0, "msync of nothing");
  unmap(p + 30 * PGSIZE, PGSIZE);
  check(msync(p + 29 * PGSIZE, 3 * PGSIZE) == -1 && msync(p, 30 * PGSIZE) == 0, "msync beside a hole");
  if (child() == 0) {
    store(p + 1, 'c');
    check(msync(p, PGSIZE) == 0, "child: msync");
    store(p + 2, 'd');
    exit(0);
  }
  join(0, "a child that calls msync did not end well");
  memmove(want + 1, "cd", 2);
  agree(0, BIG * PGSIZE, "what a child stored before and after msync");
  unmap(p, BIG * PGSIZE);
  agree(0, BIG * PGSIZE, "after msync, stores and munmap");

  p = mapfile(FILE1, PGSIZE, RDWR, MAP_PRIVATE);
  store(p, 'x');
  check(msync(p, PGSIZE) == 0 && load(p) == 'x', "msync of a private page");
  agree(0, BIG * PGSIZE, "msync wrote a private page back");
  unmap(p, PGSIZE);
  p = mapfile(FILE1, PGSIZE, PROT_READ, MAP_SHARED);
  char *a = mapanon(PGSIZE, RDWR, ANON), *n = mapanon(PGSIZE, PROT_NONE, ANONS);
  store(a, 'a');
  check(msync(p, PGSIZE) == 0 && msync(a, PGSIZE) == 0 && msync(n, PGSIZE) == 0, "msync of memory in which there is nothing to write back");
  store(a, 'b');
  check(load(a) == 'b', "a store after msync is lost");
  unmap(p, PGSIZE);
  unmap(a, PGSIZE);
  unmap(n, PGSIZE);
}

// ---- crowd: several processes store, write and read at one time, each to bytes of its own; none is lost

#define CROWD  4
#define TURNS  150

static int
mine(int turn, int me)
{
  return (turn * 53 + 7) % 1000 * 16 + me * 4;
}

static void
oneof(int me)
{
  char *p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED), bytes[2];
  int fd;

  for (int turn = 0; turn < TURNS; turn++) {
    int at = mine(turn, me);
    store(p + at, 'a' + me);
    bytes[0] = 'A' + me;
    writeat(at + 1, bytes, 1);
    check(load(p + at + 1) == 'A' + me, "one of a crowd: a mapping does not show what was written");
    store(p + at + 2, '0' + me);
    fd = opened(FILE1, O_RDONLY);
    static char buf[4 * PGSIZE];
    check(read(fd, buf, at + 3) == at + 3, "read");
    close(fd);
    check(buf[at] == 'a' + me && buf[at + 1] == 'A' + me && buf[at + 2] == '0' + me, "one of a crowd: read does not give what was stored and written");
    if (turn % 20 == 19) {
      check(msync(p, 4 * PGSIZE) == 0, "msync");
      unmap(p, 4 * PGSIZE);
      p = mapfile(FILE1, 4 * PGSIZE, RDWR, MAP_SHARED);
    }
  }
  exit(0);
}

static void
crowd(void)
{
  newfile(8, 4 * PGSIZE);
  for (int me = 0; me < CROWD; me++)
    if (fork() == 0)
      oneof(me);
  for (int me = 0, status; me < CROWD; me++)
    check(wait(&status) > 0 && status == 0, "one of a crowd did not end well");
  for (int turn = 0; turn < TURNS; turn++)
    for (int me = 0; me < CROWD; me++) {
      char bytes[] = { 'a' + me, 'A' + me, '0' + me };
      memmove(want + mine(turn, me), bytes, 3);
    }
  agree(0, 4 * PGSIZE, "what a crowd stored and wrote at one time is not all in the file");
}

// ---- lost: nothing stays behind, and a new file has nothing of an old one

static void
round(int i)
{
  newfile(10 + i, 3 * PGSIZE);
  char *p = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_SHARED), *q = mapfile(FILE1, 3 * PGSIZE, RDWR, MAP_PRIVATE);
  load(q);
  load(q + PGSIZE);
  store(q + PGSIZE, 'q');
  store(p, want[0] = 'p');
  writeat(2 * PGSIZE, "w", 1);
  want[2 * PGSIZE] = 'w';
  check(msync(p, 3 * PGSIZE) == 0 && unlink(FILE1) == 0, "msync, or unlink");
  same(p, want, 3 * PGSIZE, "a mapping of a file without a name");
  save(FILE2, want + PGSIZE, PGSIZE);   // may get the old one's blocks, not its pages
  char *r = mapfile(FILE2, PGSIZE, RDWR, MAP_SHARED);
  same(r, want + PGSIZE, PGSIZE, "a new file shows pages of one without a name");
  if (i % 2) {
    unmap(p, 3 * PGSIZE);
    unmap(q, 3 * PGSIZE);
  } else if (i % 4) {
    unmap(q + PGSIZE, 2 * PGSIZE);
  }
  if (child() == 0)
    exit(0);
  join(0, "a child with mapped files did not end well");
  unmap(r, PGSIZE);
  unmap(p, 3 * PGSIZE);
  unmap(q, 3 * PGSIZE);
}

// A copy of a private page gives the file's page back.
static void
copies(void)
{
  newfile(9, 40 * PGSIZE);
  int pages = freepages();
  char *p = mapfile(FILE1, 40 * PGSIZE, RDWR, MAP_PRIVATE);
  for (int i = 0; i < 40; i++) {
    load(p + i * PGSIZE);
    store(p + i * PGSIZE, 'c');
  }
  unmap(p, 40 * PGSIZE);
  check(unlink(FILE1) == 0, "unlink");
  check(freepages() > pages - 20, "a private page that was copied keeps the file's page");
}

static void
lost(void)
{
  copies();
  round(0);
  int pages = freepages(), blocks = freeblocks();
  for (int i = 0; i < 40; i++)
    round(i);
  check(freepages() > pages - 20, "pages of files are lost");
  check(freeblocks() > blocks - 20, "blocks of files are lost");
}

static struct section all[] = {
  { "truth-stores",  "stores and read",               stores },
  { "truth-writes",  "write and loads",               writes },
  { "truth-late",    "pages that are touched late",   late },
  { "truth-private", "private pages of a file",       private },
  { "truth-end",     "the end of a mapped file",      end },
  { "truth-itself",  "a file and its own mapping",    itself },
  { "truth-sync",    "msync",                         sync },
  { "truth-crowd",   "a crowd with one file",         crowd },
  { "truth-frees",   "what mapped files give back",   lost },
};

int
main(int argc, char *argv[])
{
  shrink();
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
