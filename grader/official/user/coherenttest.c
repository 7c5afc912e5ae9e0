// coherenttest.c - tests of one truth for file data: mappings, read and write always agree; msync: task 14.
#include "user/extlib.h"

static char buf[PGSIZE];

// What read gives for byte at of the file.
static char
readbyte(int at)
{
  int fd = open(NAME, O_RDONLY), n;

  check(fd >= 0, "open");
  for (; (n = read(fd, buf, sizeof(buf))) > 0 && at >= n; at -= n)
    ;
  check(n > at, "the file is too short");
  close(fd);
  return buf[at];
}

// Write n bytes of c to the file from byte at on.
static void
writebytes(int at, int n, char c)
{
  int fd = open(NAME, O_RDWR);

  check(fd >= 0, "open");
  for (int k; at > 0; at -= k) {
    k = read(fd, buf, at < PGSIZE ? at : PGSIZE);
    check(k > 0, "read to get to an offset");
  }
  memset(buf, c, n);
  check(write(fd, buf, n) == n, "write");
  close(fd);
}

static void
storeread(void)
{
  newfile(3);
  char *p = mapfile(NAME, 3 * PGSIZE, RW, MAP_SHARED);

  p[0] = 'X';
  p[PGSIZE + 7] = 'Y';
  check(readbyte(0) == 'X' && readbyte(PGSIZE + 7) == 'Y', "read does not give what was stored");
  check(readbyte(1) == 'a' && readbyte(PGSIZE + 6) == 'b' && readbyte(2 * PGSIZE) == 'c', "read of the bytes beside");
  p[PGSIZE + 7] = 'Z';
  check(readbyte(PGSIZE + 7) == 'Z', "a second store is not seen");
  munmap(p, PGSIZE);
  check(readbyte(0) == 'X' && readbyte(PGSIZE + 7) == 'Z', "after munmap of one page");
  munmap(p, 3 * PGSIZE);
  check(readbyte(PGSIZE + 7) == 'Z', "after munmap");
}

static void
writeload(void)
{
  newfile(3);
  char *p = mapfile(NAME, 3 * PGSIZE, RW, MAP_SHARED);

  check(p[5] == 'a' && p[PGSIZE] == 'b', "the file");
  writebytes(5, 1, 'W');
  check(p[5] == 'W' && p[4] == 'a' && p[6] == 'a', "a load does not give what was written");
  writebytes(PGSIZE - 10, 20, 'V');
  check(p[PGSIZE - 10] == 'V' && p[PGSIZE + 9] == 'V' && p[PGSIZE + 10] == 'b', "a write across two pages");
  p[PGSIZE] = 'S';
  writebytes(PGSIZE + 1, 1, 'U');
  check(p[PGSIZE] == 'S' && p[PGSIZE + 1] == 'U', "a store and a write to one page");
  munmap(p, 3 * PGSIZE);
  check(readbyte(PGSIZE) == 'S' && readbyte(PGSIZE + 1) == 'U', "after munmap, one of them is lost");
}

static void
child(char *p)
{
  check(p[0] == 'P' && readbyte(0) == 'P', "the child does not see the parent's store");
  p[1] = 'C';
  writebytes(PGSIZE, 5, 'D');
}

static void
processes(void)
{
  newfile(2);
  char *p = mapfile(NAME, 2 * PGSIZE, RW, MAP_SHARED);

  check(p[PGSIZE] == 'b', "the file");
  p[0] = 'P';
  check(outcome(child, p) == 0, "the child fails");
  check(p[1] == 'C' && readbyte(1) == 'C', "the child's store is not seen");
  check(p[PGSIZE] == 'D' && p[PGSIZE + 5] == 'b', "what the child wrote is not seen");
  munmap(p, 2 * PGSIZE);
}

// O_TRUNC takes the bytes from the mapping as well, and what is written afterwards is seen.
static void
truncates(void)
{
  newfile(2);
  char *p = mapfile(NAME, 2 * PGSIZE, RW, MAP_SHARED);
  struct stat st;

  p[PGSIZE] = 'S';
  check(p[0] == 'a', "the file");
  int fd = open(NAME, O_RDWR | O_TRUNC);
  check(p[0] == 0 && p[PGSIZE] == 0, "bytes of a file that was truncated are still there");
  check(write(fd, "new", 3) == 3 && p[0] == 'n' && p[3] == 0, "what was written after truncation is not seen");
  close(fd);
  munmap(p, 2 * PGSIZE);
  check(stat(NAME, &st) == 0 && st.size == 3 && readbyte(2) == 'w', "munmap changed a file that was truncated");
}

// A file that grows into a page that is mapped.
static void
grows(void)
{
  newfile(1);
  writebytes(PGSIZE, 10, 'x');
  char *p = mapfile(NAME, 3 * PGSIZE, RW, MAP_SHARED);

  check(p[PGSIZE + 9] == 'x' && p[PGSIZE + 10] == 0 && p[2 * PGSIZE] == 0, "the end of the file");
  writebytes(PGSIZE + 10, PGSIZE, 'y');
  check(p[PGSIZE + 10] == 'y' && p[2 * PGSIZE + 9] == 'y' && p[2 * PGSIZE + 10] == 0, "what the file grew by is not seen");
  munmap(p, 3 * PGSIZE);
}

// A store to a private page is seen nowhere else; what a private page holds then no longer follows the file.
static void
private(void)
{
  newfile(2);
  char *p = mapfile(NAME, 2 * PGSIZE, RW, MAP_PRIVATE), *s = mapfile(NAME, 2 * PGSIZE, RW, MAP_SHARED);

  p[0] = 'P';
  check(s[0] == 'a' && readbyte(0) == 'a', "a private store is seen");
  s[0] = s[1] = 'S';
  writebytes(2, 1, 'W');
  check(p[0] == 'P' && p[1] == 'a' && p[2] == 'a', "a private page that was stored to changes with the file");
  s[PGSIZE] = 'T';
  check(p[PGSIZE] == 'T', "a private page begins with something else than what the file holds");
  munmap(s, 2 * PGSIZE);
  munmap(p, 2 * PGSIZE);
  check(readbyte(0) == 'S' && readbyte(2) == 'W' && readbyte(PGSIZE) == 'T', "the file, afterwards");
}

// read and write between a file and its own mapping.
static void
itself(void)
{
  newfile(3);
  char *p = mapfile(NAME, 3 * PGSIZE, RW, MAP_SHARED);
  int fd = open(NAME, O_RDWR);

  check(read(fd, p + PGSIZE, 100) == 100 && p[PGSIZE] == 'a' && p[PGSIZE + 100] == 'b', "read of a file into its own mapping");
  check(readbyte(PGSIZE + 99) == 'a', "read does not give what read put there");
  check(write(fd, p + 2 * PGSIZE, 50) == 50 && p[100] == 'c' && p[149] == 'c' && p[150] == 'a', "write from its own mapping");
  close(fd);
  munmap(p, 3 * PGSIZE);
  check(readbyte(100) == 'c' && readbyte(PGSIZE) == 'a', "the file, afterwards");
}

static void
syncs(void)
{
  newfile(3);
  char *p = mapfile(NAME, 3 * PGSIZE, RW, MAP_SHARED);

  p[0] = p[2 * PGSIZE] = 'X';
  check(msync(p, 3 * PGSIZE) == 0, "msync");
  check(readbyte(0) == 'X' && readbyte(2 * PGSIZE) == 'X', "after msync");
  p[0] = 'Y';
  check(readbyte(0) == 'Y', "a store after msync is not seen");
  check(msync(p + 1, PGSIZE) == -1, "msync of an address inside a page");
  check(msync(p, 4 * PGSIZE) == -1 && msync(p + 3 * PGSIZE, PGSIZE) == -1, "msync of a hole");
  check(msync(p, 0) == 0 && msync(p, 1) == 0, "msync of nothing, and of a byte");
  munmap(p, 3 * PGSIZE);
  check(readbyte(0) == 'Y', "a store after msync is lost");
  char *a = mapanon(0, PGSIZE, RW, ANONS);
  check(msync(a, PGSIZE) == 0, "msync of anonymous memory");
  munmap(a, PGSIZE);
}

static struct section all[] = {
  { "coherent-store-read", storeread },
  { "coherent-write-load", writeload },
  { "coherent-processes",  processes },
  { "coherent-truncate",   truncates },
  { "coherent-grow",       grows },
  { "coherent-private",    private },
  { "coherent-itself",     itself },
  { "coherent-msync",      syncs },
};

int
main(int argc, char *argv[])
{
  sections(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
